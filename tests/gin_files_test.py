"""Tests of the gin files that come with the package."""

import pathlib

import gin
import jax
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.evaluation import checkpoint_queue, jobs
from symbol_tuning.models import decoder, families, parameters
from symbol_tuning.training import loop

pytestmark = pytest.mark.usefixtures('clean_gin')
REQUIRED = {
  'CACHE_DIR': 'folder',
  'CHECKPOINT': str(pathlib.Path(__file__).parent / 'golden' / 'llama2'),
  'CHECKPOINT_PATH': 'path',
  'EVAL_OUTPUT_DIR': 'folder',
  'INITIAL_CHECKPOINT_PATH': 'path',
  'MIXTURE_OR_TASK_NAME': 'symbol_tuning',
  'MODEL_DIR': 'folder',
  'SENTENCEPIECE_MODEL': 'path',
  'TRAIN_STEPS': 7,
}
EXPERIMENTS = sorted(
  path.stem for path in gin_utils.configs_dir().glob('experiments/*.gin')
)
BILLIONS = {'palm_8b': 8.6, 'palm_62b': 62.5, 'palm_540b': 540}


def parse(*files):
  gin_utils.parse(files, [f'{k} = {v!r}' for k, v in REQUIRED.items()])


@pytest.mark.parametrize('name', BILLIONS)
def test_palm_has_the_papers_number_of_parameters(name):
  parse(f'models/{name}.gin')
  model = gin.get_configurable(decoder.Decoder)()
  billions = parameters.num_params(model) / 1e9
  assert billions == pytest.approx(BILLIONS[name], rel=0.01)


def test_a_checkpoint_alone_says_what_the_model_is():
  parse('models/huggingface.gin')
  model = gin.get_configurable(decoder.Decoder)()
  expected = parameters.read_config(REQUIRED['CHECKPOINT'])
  assert families.config_differences(model.config, expected, 'the file') == []
  assert (model.config.remat, model.config.dtype) == ('full', 'float32')


def test_the_tiny_model_has_as_many_tokens_as_its_vocabulary():
  parse('models/tiny.gin')
  model = gin.get_configurable(decoder.Decoder)()
  vocabulary = gin_utils.macro('VOCABULARY').scoped_configurable_fn()
  assert model.config.vocab_size == vocabulary.load().vocab_size


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_every_experiment_configures_a_program(name):
  parse(f'experiments/{name}.gin')
  program = jobs.evaluate_checkpoints if 'eval' in name else loop.train
  text = gin.config_str()
  assert f'{program.__module__.split(".")[-1]}.{program.__name__}' in text
  model = gin.get_configurable(decoder.Decoder)()
  assert jax.tree.leaves(parameters.abstract_params(model))


def test_an_evaluation_of_a_training_waits_for_its_checkpoints():
  parse('experiments/quickstart_eval.gin', 'runs/eval_training.gin')
  queue = gin.get_configurable(checkpoint_queue.NewCheckpoints)()
  assert (queue.model_dir, queue.final_step) == ('folder', 7)
