"""What T5X has trained is evaluated here, where T5X is on the path."""

import json
import pathlib

import gin
import processes
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.data import settings
from symbol_tuning.evaluation import jobs, results

t5x = pytest.importorskip('t5x', reason='T5X is not on the path')

TASK = 'icl_symbol_uninstructed_subj'
FEW_STEPS = f"""
from __gin__ import dynamic_registration
from symbol_tuning.data import settings
include 't5x/quickstart.gin'

TRAIN_STEPS = 4
EVAL_PERIOD = 2
EVAL_MIXTURE_OR_TASK_NAME = {TASK!r}
settings.DataSettings.evaluation_queries = 6
"""


@pytest.fixture(scope='module')
def model_dir(tmp_path_factory):
  """The quickstart under T5X, a few steps of it."""
  folder = tmp_path_factory.mktemp('t5x')
  (folder / 'few_steps.gin').write_text(FEW_STEPS)
  done = processes.python(
    *('-m', 't5x.train', '--gin_file=few_steps.gin'),
    f'--gin_search_paths={gin_utils.configs_dir()},{folder}',
    f"--gin.MODEL_DIR='{folder}/run'",
    # Gin finds T5X's own files from its clone only.
    cwd=pathlib.Path(t5x.__file__).parents[1],
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return folder / 'run'


def test_the_latest_checkpoint_scores_as_under_t5x(model_dir, tmp_path, capsys):
  assert {path.name for path in model_dir.glob('checkpoint_*')} == {
    'checkpoint_0', 'checkpoint_2', 'checkpoint_4'
  }  # fmt: skip
  gin_utils.parse(
    ['experiments/quickstart_eval.gin'],
    [
      f'CHECKPOINT_PATH = {str(model_dir)!r}',
      f'EVAL_OUTPUT_DIR = {str(tmp_path)!r}',
      f'MIXTURE_OR_TASK_NAME = {TASK!r}',
      # The lengths of the training, to which its evaluation cuts prompts.
      "TASK_FEATURE_LENGTHS = {'inputs': 232, 'targets': 24}",
      'settings.DataSettings.evaluation_queries = 6',
    ],
  )
  settings.use(None)
  (summary,) = gin.get_configurable(jobs.evaluate_checkpoints)()
  assert (summary.label, summary.step) == ('run', 4)
  assert 'checkpoint_4 has no digests' in capsys.readouterr().out
  gin.clear_config()
  lines = (model_dir / 'inference_eval' / f'{TASK}-000004.jsonl').read_text()
  theirs = {
    tuple(line['input']['idx']): line['score']
    for line in map(json.loads, lines.splitlines())
  }
  ours = {
    (prediction.query, number): option.log_likelihood
    for prediction in results.read_predictions(
      tmp_path / 'run' / 'icl_symbol_uninstructed' / f'{TASK}.jsonl'
    )
    for number, option in enumerate(prediction.options)
  }
  assert len(ours) == 12
  assert ours == pytest.approx(theirs, rel=1e-5)
