"""Tests of opening mixtures and reading their examples."""

import itertools
import logging

import numpy as np
import pytest
import seqio
import tensorflow as tf

from symbol_tuning.data.seqio_tasks import mixing

LENGTHS = {'inputs': 600, 'targets': 20}
seqio.MixtureRegistry.add(
  'test_uneven', [('symbol_tuning_sst2', 3.0), ('symbol_tuning_trec', 1.0)]
)


def test_examples_are_those_of_seqios_mixture(use_data):
  use_data()
  ours = mixing.read(mixing.tuning_examples('test_uneven', LENGTHS, seed=3))
  theirs = seqio.MixtureRegistry.get('test_uneven').get_dataset(
    LENGTHS, 'train', seed=3, num_epochs=None
  )
  for one, other in zip(
    itertools.islice(ours, 40), theirs.as_numpy_iterator(), strict=False
  ):
    for feature in ('inputs', 'targets'):
      np.testing.assert_array_equal(one[feature], other[feature])


def test_tasks_are_drawn_by_their_rates(use_data):
  use_data()
  names = [task.name for task in mixing.available_tasks('test_uneven')]
  examples = mixing.read(mixing.tuning_examples('test_uneven', LENGTHS, seed=0))
  drawn = [int(e['task']) for e in itertools.islice(examples, 400)]
  share = drawn.count(names.index('symbol_tuning_sst2')) / len(drawn)
  assert 0.65 < share < 0.85


def test_rows_of_different_lengths_are_read_whole():
  rows = [[], [1], [2, 0, 3]]
  rows += [list(range(n % 7)) for n in range(100)]
  dataset = tf.data.Dataset.from_generator(
    lambda: ({'inputs': row, 'task': len(row)} for row in rows),
    output_signature={
      'inputs': tf.TensorSpec([None], tf.int32),
      'task': tf.TensorSpec([], tf.int32),
    },
  )
  found = list(mixing.read(dataset))
  assert [example['inputs'].tolist() for example in found] == rows
  assert [int(example['task']) for example in found] == list(map(len, rows))


def test_a_setting_that_does_not_suit_a_dataset_says_so():
  with pytest.raises(
    ValueError, match="'flipped' is for datasets of 2 classes"
  ):
    mixing.get_mixture_or_task('icl_flipped_tefe')


@pytest.fixture
def three_missing(use_data, caplog):
  """A source without three of the 22, and what is logged."""
  lacking = ('rte', 'wnli', 'qnli')
  use_data(missing=lacking, skip_missing=True)
  yield caplog


def test_missing_datasets_are_named_in_a_line_with_one_reason(three_missing):
  with three_missing.at_level(logging.WARNING):
    for _ in range(2):
      assert len(mixing.available_tasks('symbol_tuning')) == 19
  (record,) = three_missing.records
  first, *others = record.getMessage().splitlines()
  assert '3 of 22 tasks' in first
  assert 'qnli, rte, wnli.' in first
  assert others[0] == 'The first: No train of qnli.'
  assert len(others) == 2


def test_why_each_dataset_is_missing_can_be_asked_for(three_missing):
  with three_missing.at_level(logging.INFO):
    mixing.available_tasks('symbol_tuning')
  told = [record.getMessage() for record in three_missing.records]
  for name in ('rte', 'wnli', 'qnli'):
    assert f'No train of {name}.' in told
  with pytest.raises(FileNotFoundError, match='No train of qnli'):
    mixing.available_tasks('symbol_tuning_qnli')
