"""Runs what tasks/README.md says of a dataset of one's own, to the letter."""

import json
import re
import sys

import gin
import pytest
import seqio
from shipped import documented

from symbol_tuning import gin_utils, tasks
from symbol_tuning.data import settings
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.icl_settings import IclSetting
from symbol_tuning.data.seqio_tasks import mixing

README = 'tasks/README.md'
LENGTHS = {'inputs': 400, 'targets': 32}
SETTINGS = ('natural_instructed', 'natural_uninstructed', 'symbol_instructed',
            'symbol_uninstructed', 'flipped')  # fmt: skip
TUNING = ('symbol_tuning_reviews', 'instruction_tuning_reviews')
EVALUATION = tuple(f'icl_{setting}_reviews' for setting in SETTINGS)


def write_rows(folder, verdicts):
  folder.mkdir()
  for split in ('train', 'validation'):
    rows = [
      {'title': f'{split} {i}', 'body': f'It\nbroke {i}.', 'verdict': verdict}
      for i, verdict in enumerate(verdicts)
    ]
    path = folder / f'{split}.jsonl'
    path.write_text('\n'.join(map(json.dumps, rows)))


@pytest.fixture(scope='module', autouse=True)
def data_root(tmp_path_factory):
  """Writes the module and its data, and imports the module in gin."""
  root = tmp_path_factory.mktemp('own')
  (root / 'my_datasets.py').write_text(
    '\n'.join(documented.blocks(README, 'python'))
  )
  gin_file = root / 'own.gin'
  gin_file.write_text(
    'from __gin__ import dynamic_registration\n'
    + documented.blocks(README, 'gin')[0]
  )
  write_rows(root / 'reviews', ['complaint', 'praise', 0, 1] * 4)
  with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(root)
    patch.setenv('SYMBOL_TUNING_DATA_ROOT', str(root))
    gin_utils.parse(
      ['models/tiny.gin', 'runs/data.gin', str(gin_file)],
      ['VOCABULARY = @vocabularies.Bytes()'],
    )
    yield root
  gin.clear_config()
  settings.use(None)
  sys.modules.pop('my_datasets')


def examples(name):
  task = mixing.get_mixture_or_task(name)
  split = 'validation' if name.startswith('icl_') else 'train'
  return list(
    task.get_dataset(LENGTHS, split, shuffle=False).as_numpy_iterator()
  )


def test_the_module_is_short():
  assert documented.blocks(README, 'python')[0].count('\n') < 20


def test_gin_names_the_task():
  assert gin_utils.macro('MIXTURE_OR_TASK_NAME') == TUNING[0]


@pytest.mark.parametrize('name', TUNING)
def test_it_is_tuned_on(name):
  found = examples(name)
  assert len(found) == 16
  for example in found:
    prompt = example['inputs_pretokenized'].decode()
    assert re.search(r'train \d+: It broke \d+\.', prompt)
    natural = example['targets_pretokenized'] in (b' complaint', b' praise')
    listed = 'Options: complaint, praise' in prompt
    assert natural == listed == ('instruction' in name)


@pytest.mark.parametrize('name', EVALUATION)
def test_it_is_evaluated_on(name):
  found = examples(name)
  assert len(found) == 16 * 2
  for example in found:
    prompt = example['inputs_pretokenized'].decode()
    assert ('Is the customer' in prompt) == ('_instructed' in name)
    own = example['targets_pretokenized'] in (b' complaint', b' praise')
    assert own == ('symbol' not in name)


def test_it_can_join_the_mixture_of_the_paper():
  mixture = seqio.MixtureRegistry.get('symbol_tuning_with_reviews')
  assert len(mixture.tasks) == 23
  assert mixture.get_rate(seqio.TaskRegistry.get(TUNING[0])) == 16


def test_a_name_is_registered_once():
  spec = DatasetSpec('reviews', '{body}', ('a', 'b'), 'Write "a" or "b".')
  with pytest.raises(ValueError, match='symbol_tuning_reviews'):
    tasks.register(spec)


def registered():
  return [
    {name: registry.get(name) for name in registry.names()}
    for registry in (seqio.TaskRegistry, seqio.MixtureRegistry)
  ]


@pytest.mark.parametrize(
  ('name', 'taken'),
  [
    ('sentiment', 'symbol_tuning_sentiment, instruction_tuning_sentiment:'),
    ('other', 'symbol_tuning_other'),
    ('1_datasets', 'symbol_tuning_1_datasets'),
    ('2_task_types', 'symbol_tuning_2_task_types'),
    ('with_reviews', 'symbol_tuning_with_reviews'),
    ('flipped', 'icl_flipped:'),
    ('flipped_subj', 'icl_flipped_subj:'),
    ('sst2', 'symbol_tuning_sst2'),
  ],
)
def test_no_name_of_a_dataset_is_that_of_a_mixture_or_task(name, taken):
  before = registered()
  spec = DatasetSpec(name, '{body}', ('no', 'yes'), 'Is it so?')
  with pytest.raises(ValueError, match=f'{name!r} would .*{taken}.*another'):
    tasks.register(spec)
  assert registered() == before


def test_no_name_of_a_setting_is_that_of_a_dataset():
  before = registered(), icl_settings.registered()
  setting = IclSetting('reviews', 'Reviews', 'natural', False)
  with pytest.raises(
    ValueError, match=r"'reviews' would .*icl_reviews: choose"
  ):
    tasks.register_setting(setting)
  assert (registered(), icl_settings.registered()) == before


def test_an_icl_setting_of_ones_own_has_tasks_and_a_mixture():
  setting = IclSetting('one_shot', 'One shot', 'flipped', True, 2, exemplars=1)
  tasks.register_setting(setting)
  assert len(seqio.MixtureRegistry.get('icl_one_shot').tasks) == 6
  assert icl_settings.of('icl_one_shot_reviews') == setting
  found = examples('icl_one_shot_reviews')
  assert len(found) == 16 * 2
  for example in found:
    prompt = example['inputs_pretokenized'].decode()
    assert prompt.count('\n\n') == 2 and prompt.count('Is the customer') == 3
  with pytest.raises(ValueError, match="ICL setting 'one_shot' already"):
    tasks.register_setting(setting)


def tasks_of(mixture):
  return {task.name for task in seqio.MixtureRegistry.get(mixture).tasks}


def test_datasets_before_and_after_a_setting_have_the_same_mixtures():
  def register(name, *labels):
    tasks.register(DatasetSpec(name, '{body}', labels, 'Is it so?', 'verdict'))

  register('earlier', 'no', 'yes')
  register('three', 'no', 'so so', 'yes')
  tasks.register_setting(IclSetting('late', 'Late', 'flipped', True, 2))
  register('later', 'no', 'yes')
  for name in ('earlier', 'later', 'reviews'):
    assert f'icl_late_{name}' in tasks_of(f'icl_{name}')
    assert len(tasks_of(f'icl_{name}')) > len(SETTINGS)
    with_own = tasks_of(f'icl_late_with_{name}')
    assert with_own == tasks_of('icl_late') | {f'icl_late_{name}'}
  renamed = {t.replace('earlier', 'later') for t in tasks_of('icl_earlier')}
  assert renamed == tasks_of('icl_later')
  assert len(tasks_of('icl_three')) == len(SETTINGS) - 1
  assert 'icl_late_with_three' not in seqio.MixtureRegistry.names()


def test_labels_that_no_setting_has_are_named():
  with pytest.raises(ValueError, match="'odd': choose one of natural"):
    IclSetting('odd', 'Odd', 'odd', False)


def symbols_of(name):
  return {
    example['targets_pretokenized'].decode().strip()
    for example in examples(f'symbol_tuning_{name}')
  }


def test_a_label_of_a_dataset_is_none_of_its_symbols(data_root):
  write_rows(data_root / 'words', [0, 1] * 8)
  with settings.changed(symbol_categories=('words',), symbols_per_category=2):
    first, second = symbols_of('reviews')
    instruction = f'Write "{first}" or "{second}".'
    tasks.register(
      DatasetSpec('words', '{body}', (first, second), instruction, 'verdict')
    )
    found = symbols_of('words')
  assert len(found) == 2
  assert not found & {first, second}
