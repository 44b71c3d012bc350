"""Harms what is written beside checkpoints, at random; see faults_test."""

import contextlib
import json
import os
import pathlib
import signal
import time

import pytest
from faults import programs
from faults.harm import delete, flip, some_file, truncate, zero
from faults.programs import tries

LABELLED = 'labelled.jsonl'
STAND_INS = (
  '--gin.DATA_SOURCE=@sources.SyntheticSource()',
  '--gin.sources.SyntheticSource.num_train=40',
  '--gin.sources.SyntheticSource.num_validation=20',
)
# What asks the run `whole`.
ASKING = (
  '--gin_file=models/tiny.gin',
  *programs.SMALL,
  *STAND_INS,
  "--gin.CHECKPOINT_PATH='whole'",
  "--gin.TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 16}",
  "--gin.SEPARATOR='eos'",
  '--gin.settings.DataSettings.evaluation_exemplars=1',
)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  """What an evaluation has found: all predictions and scores."""
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*.jsonl')
    if 'inference_eval' not in path.parts
  }


def kill(program) -> None:
  with contextlib.suppress(ProcessLookupError):  # It may have ended.
    os.kill(program.process.pid, signal.SIGKILL)
  program.wait()


def outcome(ended, named) -> str:
  """What became of a program whose earlier output was harmed.

  Args:
    ended: the program; it names what is wrong, or mends it.
    named: what it must name.
  """
  if ended.status:
    ended.assert_clear(named)
    return 'clear'
  return 'survived'


def evaluate(world, name):
  return world.start_other(
    'symbol_tuning.eval',
    *ASKING,
    '--gin_file=runs/eval.gin',
    f'--gin.EVAL_OUTPUT_DIR={name!r}',
    "--gin.MIXTURE_OR_TASK_NAME=['icl_flipped_subj', 'icl_flipped_teh']",
    '--gin.settings.DataSettings.evaluation_queries=6',
  )


def label(world, name):
  (world.folder / name).mkdir(exist_ok=True)
  return world.start_other(
    'symbol_tuning.infer',
    *ASKING,
    '--gin_file=runs/infer.gin',
    "--gin.DATASET='subj'",
    "--gin.INPUT_PATH='rows.jsonl'",
    f"--gin.OUTPUT_PATH='{name}/{LABELLED}'",
    '--gin.labelling.label_rows.rows_per_part=4',
  )


@pytest.fixture(scope='module')
def evaluated(world):
  """The folder of an evaluation that nobody disturbed."""
  evaluate(world, 'evaluated').wait().assert_done()
  assert len(contents(world.folder / 'evaluated')) == 2
  return world.folder / 'evaluated'


@pytest.fixture(scope='module')
def labelled(world):
  """The folder of a file of labels that nobody disturbed."""
  rows = [json.dumps({'text': f'row number {i}'}) for i in range(18)]
  (world.folder / 'rows.jsonl').write_text('\n'.join(rows))
  label(world, 'labelled').wait().assert_done()
  return world.folder / 'labelled'


@tries(1, 8)
def test_kill_an_evaluation(world, evaluated, rng, tried, number):
  name = world.new_name()
  program = evaluate(world, name)
  assert program.wait_for('reading')
  time.sleep(rng.random())
  kill(program)
  evaluate(world, name).wait().assert_done()
  assert contents(world.folder / name) == contents(evaluated)
  tried('survived')


@pytest.mark.parametrize('harm', [flip, truncate, zero, delete])
@tries(1, 8)
def test_harm_to_results(world, evaluated, rng, tried, harm, number):
  folder = world.copy_of(evaluated)
  path = some_file(rng, folder / 'whole')
  harm(rng, path)
  report = world.start_other(
    'symbol_tuning.report', folder.name, f'--output_dir={folder.name}-report'
  ).wait()
  report.assert_clear(folder.name)
  tried('clear')
  again = evaluate(world, folder.name).wait()
  became = outcome(again, path.name)
  assert became == 'clear' or contents(folder) == contents(evaluated)
  tried(became)


@pytest.mark.parametrize('harm', [flip, truncate, delete])
@tries(1, 8)
def test_harm_to_labelled_rows(world, labelled, rng, tried, harm, number):
  folder = world.copy_of(labelled)
  path = some_file(rng, folder)
  harm(rng, path)
  again = label(world, folder.name).wait()
  became = outcome(again, LABELLED)
  whole = (labelled / LABELLED).read_bytes()
  assert became == 'clear' or (folder / LABELLED).read_bytes() == whole
  tried(became)


def cache(world, name):
  return world.start_other(
    'symbol_tuning.cache_tasks',
    '--gin_file=models/tiny.gin',
    '--gin_file=runs/cache.gin',
    *STAND_INS,
    "--gin.MIXTURE_OR_TASK_NAME='symbol_tuning_sst2'",
    f'--gin.CACHE_DIR={name!r}',
    '--gin.NUM_ROWS=40',
    '--gin.NUM_SHARDS=4',
  )


def shards(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    path.name: path.read_bytes() for path in folder.glob('*.array_record')
  }


@pytest.fixture(scope='module')
def cached(world):
  """The folder of a cache that nobody disturbed."""
  cache(world, 'cached').wait().assert_done()
  assert len(shards(world.folder / 'cached')) == 4
  return world.folder / 'cached'


@tries(1, 8)
def test_kill_the_writer_of_a_cache(world, cached, rng, tried, number):
  name = world.new_name()
  program = cache(world, name)
  time.sleep(2 + rng.random() * 6)
  kill(program)
  cache(world, name).wait().assert_done()
  assert shards(world.folder / name) == shards(cached)
  tried('survived')


@pytest.mark.parametrize('harm', [flip, truncate, delete])
@tries(1, 8)
def test_harm_to_a_written_cache(world, cached, rng, tried, harm, number):
  folder = world.copy_of(cached)
  path = some_file(rng, folder)
  harm(rng, path)
  again = cache(world, folder.name).wait()
  became = outcome(again, path.name)
  assert became == 'clear' or shards(folder) == shards(cached)
  tried(became)
