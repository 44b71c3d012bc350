"""Tests that each file of gin/ablations changes what its header says."""

import gin
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.data import settings
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.training import loop

EXPERIMENT = 'experiments/quickstart_symbol_tune.gin'
FOLDER = gin_utils.configs_dir() / 'ablations'
LENGTHS = {'inputs': 2000, 'targets': 64}


@pytest.fixture(autouse=True)
def fresh_settings(clean_gin):
  yield
  settings.use(None)


def use(ablation, *bindings):
  """Reads the experiment and then the ablation, as a command line does."""
  gin_utils.parse(
    [EXPERIMENT, f'ablations/{ablation}.gin'],
    [
      *bindings,
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


def examples(lengths=LENGTHS):
  dataset = mixing.get_mixture_or_task('symbol_tuning_sst2').get_dataset(
    lengths, 'train', shuffle=False, seed=0
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


def test_every_file_is_tested():
  """That they run is tested in tests/shipped."""
  assert {path.stem for path in FOLDER.iterdir()} == {
    'continued_instruction_tuning',
    'datasets',
    'evaluation_exemplars',
    'instruction_share',
    'loss_on_labels',
    'random_labels',
    'steps',
    'symbol_categories',
    'symbols',
    'tuning_exemplars',
  }


@pytest.mark.parametrize('number', [1, 2, 4, 8, 16])
def test_fewer_datasets_are_of_many_types(number):
  use('datasets', f"MIXTURE_OR_TASK_NAME = 'symbol_tuning_{number}_datasets'")
  names = [task.removeprefix('symbol_tuning_') for task in mixture()]
  assert len(names) == number
  types = {catalog.get(name).task_type for name in names}
  assert len(types) == min(number, 7)


def test_fewer_datasets_are_among_more():
  use('datasets')
  [alone] = mixture()
  two, eight = (
    {task.name for task in mixing.get_mixture_or_task(name).tasks}
    for name in ('symbol_tuning_2_datasets', 'symbol_tuning_8_datasets')
  )
  assert {alone} < two < eight


@pytest.mark.parametrize(('number', 'datasets'), [(1, 6), (2, 9), (4, 14)])
def test_fewer_task_types(number, datasets):
  use('datasets', f"MIXTURE_OR_TASK_NAME = 'symbol_tuning_{number}_task_types'")
  names = {task.removeprefix('symbol_tuning_') for task in mixture()}
  assert len(names) == datasets
  assert len({catalog.get(name).task_type for name in names}) == number


@pytest.mark.parametrize('number', [30, 300])
def test_fewer_symbols(number):
  use('symbols', f'SYMBOLS_PER_CATEGORY = {number // 3}')
  seen = symbols_seen()
  assert number / 2 < len(seen) <= number
  kinds = {s.isdigit() for s in seen}
  assert kinds == {True, False}


def test_fewer_symbols_than_classes_are_an_error(use_data):
  use_data(symbols_per_category=5, symbol_categories=('words',))
  with pytest.raises(ValueError, match=r'trec has 6 classes.* 5 symbols'):
    mixing.get_mixture_or_task('symbol_tuning_trec').get_dataset(
      LENGTHS, 'train'
    )


@pytest.mark.parametrize(
  ('category', 'is_one'),
  [
    ('integers', str.isdigit),
    ('letters', lambda symbol: len(symbol) <= 4 and symbol.isalpha()),
    ('words', str.isalpha),
  ],
)
def test_one_category_of_symbols(category, is_one):
  use('symbol_categories', f'SYMBOL_CATEGORIES = ({category!r},)')
  seen = symbols_seen(num_epochs=1)
  assert len(seen) > 30
  assert all(map(is_one, seen))


@pytest.mark.parametrize('k', [2, 4, 10])
def test_a_fixed_number_of_exemplars(k):
  use('tuning_exemplars', f'TUNING_EXEMPLARS = {k}')
  prompts = [example['inputs_pretokenized'] for example in examples()]
  assert {prompt.count(b'\n\n') for prompt in prompts} == {2 * k}


def test_one_long_run_keeps_the_checkpoints_of_shorter_ones():
  use('steps')
  schedule = gin.get_configurable(loop.Schedule)()
  assert schedule.train_steps == 4000
  assert schedule.checkpoint_period == 500
  assert schedule.keep is None


@pytest.mark.parametrize('share', [0.17, 0.5, 0.84])
def test_the_share_of_instruction_tuning(share):
  use('instruction_share', f'INSTRUCTION_SHARE = {share}')
  rates = mixture()
  assert len(rates) == 2 * 22
  instructed = sum(
    rate for name, rate in rates.items() if name.startswith('instruction')
  )
  assert instructed / sum(rates.values()) == pytest.approx(share)


def test_evaluation_may_show_more_exemplars():
  use('evaluation_exemplars', 'EVALUATION_EXEMPLARS = 8')
  assert settings.current().evaluation_exemplars == 8


def test_labels_of_exemplars_have_loss_too():
  use('loss_on_labels')
  assert gin_utils.macro('LOSS_POSITIONS_PER_ROW') is None
  asked = examples(LENGTHS | {'inputs_loss': LENGTHS['inputs']})
  assert all(example['inputs_loss'].sum() > 2 for example in asked)
  with settings.changed(loss_on='query'):
    for example, alone in zip(asked, examples(), strict=True):
      assert 'inputs_loss' not in alone
      assert list(example['inputs']) == list(alone['inputs'])


def test_random_labels_say_nothing():
  use('random_labels')
  assert settings.current().random_labels


def test_the_control_is_instruction_tuning():
  use('continued_instruction_tuning')
  assert set(mixture()) == {
    f'instruction_tuning_{spec.name}' for spec in catalog.TUNING_DATASETS
  }
