"""Tests of the registered tasks and mixtures."""

import pytest
import seqio

from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.tasks import mixtures

SETTINGS = (
  'natural_instructed',
  'natural_uninstructed',
  'symbol_instructed',
  'symbol_uninstructed',
)


def tasks_of(mixture):
  return {task.name for task in mixing.get_mixture_or_task(mixture).tasks}


@pytest.mark.parametrize('stage', ['symbol_tuning', 'instruction_tuning'])
def test_tuning_mixtures_hold_the_22_datasets(stage):
  names = {spec.name for spec in catalog.TUNING_DATASETS}
  assert len(names) == 22
  assert tasks_of(stage) == {f'{stage}_{name}' for name in names}


@pytest.mark.parametrize('setting', SETTINGS)
def test_evaluation_mixtures_hold_the_11_datasets(setting):
  names = {spec.name for spec in catalog.EVALUATION_DATASETS}
  assert len(names) == 11
  assert tasks_of(f'icl_{setting}') == {f'icl_{setting}_{n}' for n in names}


def test_six_tasks_are_flipped():
  assert len(tasks_of('icl_flipped')) == 6


def test_mixing_rates_are_the_capped_sizes(use_data):
  use_data(max_examples=30)
  rates = {
    name: mixtures.number_of_examples(seqio.TaskRegistry.get(name))
    for name in ('symbol_tuning_sst2', 'symbol_tuning_trec')
  }
  assert rates == {'symbol_tuning_sst2': 24, 'symbol_tuning_trec': 30}


def test_no_symbol_is_seen_in_tuning_and_in_evaluation(use_data):
  use_data(evaluation_queries=20)
  evaluation = mixing.evaluation_examples('icl_symbol_uninstructed_tos', {})
  tuning = mixing.get_mixture_or_task('symbol_tuning_sst2').get_dataset(
    None, 'train', shuffle=False
  )
  seen = {e['targets_pretokenized'].decode() for e in evaluation}
  tuned = {
    e['targets_pretokenized'].decode() for e in tuning.as_numpy_iterator()
  }
  assert len(seen) > 20 and len(tuned) > 10
  assert not seen & tuned


def test_instruction_tuning_shows_the_instruction_and_natural_labels(use_data):
  use_data()
  spec = catalog.get('sst2')
  dataset = mixing.get_mixture_or_task('instruction_tuning_sst2').get_dataset(
    None, 'train', shuffle=False
  )
  examples = list(dataset.as_numpy_iterator())
  counts = set()
  for example in examples:
    prompt = example['inputs_pretokenized'].decode()
    options = ', '.join(spec.labels)
    assert prompt.startswith(f'{spec.instruction}\nOptions: {options}\n')
    assert example['targets_pretokenized'].decode().strip() in spec.labels
    counts.add(prompt.count('sst2 train') - 1)
  assert counts == {0, 2, 4, 6, 8}
