"""Tests that each file of gin/ablations changes what its header says."""

import collections
import re

import gin
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.data import settings
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.seqio_tasks import mixing

EXPERIMENT = 'experiments/quickstart_symbol_tune.gin'
FOLDER = gin_utils.configs_dir() / 'ablations'
LENGTHS = {'inputs': 2000, 'targets': 64}


@pytest.fixture(autouse=True)
def fresh_gin():
  yield
  gin.clear_config()
  settings.use(None)


def use(ablation):
  """Reads the experiment and then the ablation, as a command line does."""
  gin_utils.parse(
    [EXPERIMENT, f'ablations/{ablation}.gin'],
    [
      'MODEL_DIR = None',
      'INITIAL_CHECKPOINT_PATH = None',
      'VOCABULARY = @vocabularies.Bytes()',
      'sources.SyntheticSource.num_train = 100',
    ],
  )


def mixture():
  """The tasks of the run's mixture, and their rates."""
  name = gin_utils.macro('MIXTURE_OR_TASK_NAME')
  mixed = mixing.get_mixture_or_task(name)
  return {task.name: mixed.get_rate(task) for task in mixed.tasks}


def examples(task='symbol_tuning_sst2'):
  dataset = mixing.get_mixture_or_task(task).get_dataset(
    LENGTHS, 'train', shuffle=False
  )
  return list(dataset.as_numpy_iterator())


def symbols_seen(num_epochs=10):
  dataset = mixing.get_mixture_or_task('symbol_tuning_sst2').get_dataset(
    LENGTHS, 'train', shuffle=False, num_epochs=num_epochs
  )
  return {
    example['targets_pretokenized'].decode().strip()
    for example in dataset.as_numpy_iterator()
  }


def test_every_file_is_tested_and_says_how_it_is_used():
  families = collections.Counter(
    re.sub(r'_\d+$', '', path.stem) for path in FOLDER.iterdir()
  )
  assert families == {
    'continued_instruction_tuning': 1,
    'exemplars': 3,
    'instruction_share': 3,
    'only_integers': 1,
    'only_letters': 1,
    'only_sentiment': 1,
    'only_words': 1,
    'steps': 3,
    'symbols': 3,
    'task_types': 3,
  }
  for path in FOLDER.iterdir():
    assert f'--gin_file=ablations/{path.name}\n' in path.read_text()


@pytest.mark.parametrize(('number', 'datasets'), [(1, 6), (2, 9), (4, 14)])
def test_fewer_task_types(number, datasets):
  use(f'task_types_{number}')
  names = {task.removeprefix('symbol_tuning_') for task in mixture()}
  assert len(names) == datasets
  assert len({catalog.get(name).task_type for name in names}) == number
  header = (FOLDER / f'task_types_{number}.gin').read_text()
  assert f'Here {datasets} of the 22 datasets' in header


def test_one_task_type():
  use('only_sentiment')
  assert set(mixture()) == {
    'symbol_tuning_sst2', 'symbol_tuning_rt', 'symbol_tuning_tes'
  }  # fmt: skip


@pytest.mark.parametrize('number', [30, 300])
def test_fewer_symbols(number):
  use(f'symbols_{number}')
  seen = symbols_seen()
  assert number / 2 < len(seen) <= number
  kinds = {s.isdigit() for s in seen}
  assert kinds == {True, False}


def test_thousands_of_symbols():
  use('symbols_3000')
  assert settings.current().symbols_per_category == 1000
  assert len(symbols_seen(num_epochs=5)) > 300


def test_fewer_symbols_than_classes_are_an_error(use_data):
  use_data(symbols_per_category=5)
  with pytest.raises(ValueError, match=r'trec has 6 classes.*is 5'):
    examples('symbol_tuning_trec')


@pytest.mark.parametrize(
  ('category', 'is_one'),
  [
    ('integers', str.isdigit),
    ('letters', lambda symbol: len(symbol) <= 4 and symbol.isalpha()),
    ('words', str.isalpha),
  ],
)
def test_one_category_of_symbols(category, is_one):
  use(f'only_{category}')
  seen = symbols_seen(num_epochs=1)
  assert len(seen) > 30
  assert all(map(is_one, seen))


@pytest.mark.parametrize('k', [2, 4, 10])
def test_a_fixed_number_of_exemplars(k):
  use(f'exemplars_{k}')
  prompts = [example['inputs_pretokenized'] for example in examples()]
  assert {prompt.count(b'\n\n') for prompt in prompts} == {2 * k}


@pytest.mark.parametrize('steps', [500, 2000, 4000])
def test_steps(steps):
  use(f'steps_{steps}')
  assert str(gin.query_parameter('loop.Schedule.train_steps')) == '%TRAIN_STEPS'
  assert gin_utils.macro('TRAIN_STEPS') == steps


@pytest.mark.parametrize('percent', [10, 25, 50])
def test_the_share_of_instruction_tuning(percent):
  use(f'instruction_share_{percent}')
  rates = mixture()
  assert len(rates) == 2 * 22
  instructed = sum(
    rate for name, rate in rates.items() if name.startswith('instruction')
  )
  assert instructed / sum(rates.values()) == pytest.approx(percent / 100)


def test_the_control_is_instruction_tuning():
  use('continued_instruction_tuning')
  assert set(mixture()) == {
    f'instruction_tuning_{spec.name}' for spec in catalog.TUNING_DATASETS
  }
