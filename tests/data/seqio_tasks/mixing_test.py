"""Tests that reading fast gives what SeqIO gives, mixed by the rates."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

import symbol_tuning.tasks  # noqa: F401  (registers the tasks)
from symbol_tuning.data import train_data
from symbol_tuning.data.seqio_tasks import mixing

OPTIONS = {
  'sequence_length': {'inputs': 600, 'targets': 20},
  'shuffle': True,
  'seed': 5,
}


@pytest.mark.parametrize(
  ('name', 'split'),
  [
    ('symbol_tuning_trec', 'train'),
    ('icl_symbol_instructed_tefe', 'validation'),
  ],
)
def test_examples_are_those_of_seqio(use_data, name, split):
  use_data()
  task = train_data.get_mixture_or_task(name)
  expected = task.get_dataset(split=split, **OPTIONS).as_numpy_iterator()
  found = mixing.TaskExamples.of(task, split=split, **OPTIONS)
  np.testing.assert_equal(list(found), list(expected))
  some = mixing.TaskExamples.of(task, {'targets'}, split=split, **OPTIONS)
  targets = [{'targets': example['targets']} for example in found]
  np.testing.assert_equal(list(some), targets)


@pytest.mark.parametrize('has_strings', [False, True])
def test_examples_of_other_datasets_are_read(has_strings):
  rows = [[1, 0, 0], [], [2]] * 30
  dataset = tf.data.Dataset.from_generator(
    lambda: (
      {'targets': row, 'number': i, 'text': f'{i}'}
      for i, row in enumerate(rows)
    ),
    output_signature={
      'targets': tf.TensorSpec([None], tf.int32),
      'number': tf.TensorSpec([], tf.int32),
      'text': tf.TensorSpec([], tf.string),
    },
  )
  if not has_strings:
    dataset = dataset.map(lambda e: {k: e[k] for k in ('targets', 'number')})
  found = list(mixing.read(dataset))
  assert [e['targets'].tolist() for e in found] == rows
  assert [int(e['number']) for e in found] == list(range(90))


def test_tasks_are_drawn_by_their_rates_until_one_ends():
  tasks = [itertools.repeat({'x': i}) for i in range(3)]
  mixed = mixing.MixedExamples(tasks, rates=[6, 0, 2], seed=1, mark='task')
  drawn = list(itertools.islice(mixed, 4000))
  assert all(e['x'] == e['task'] for e in drawn)
  counts = collections.Counter(int(e['task']) for e in drawn)
  assert counts[0] == pytest.approx(3000, rel=0.05) and counts[1] == 0
  assert drawn == list(itertools.islice(mixed, 4000))
  ending = mixing.MixedExamples([[{}] * 9], rates=[2], seed=1, mark='task')
  assert len(list(ending)) == 9
