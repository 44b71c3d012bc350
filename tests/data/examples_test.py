"""Tests of examples that TensorFlow's threads have Python make."""

import subprocess
import sys

import numpy as np
import tensorflow as tf

from symbol_tuning.data import examples

SIGNATURE = examples.Signature(
  {
    'inputs': tf.TensorSpec([], tf.string),
    'targets': tf.TensorSpec([], tf.string),
    'pair': tf.TensorSpec([2], tf.int32),
  }
)


def make(number):
  rows = [np.arange(i, dtype=np.int32).tobytes() for i in range(number)]
  return {'inputs': rows, 'targets': rows[::-1], 'pair': [[5, 6]] * number}


def test_examples_are_the_same_taken_apart_here_or_there():
  batches = tf.data.Dataset.range(1, 4).map(lambda n: SIGNATURE.call(make, n))
  there = list(SIGNATURE.one_by_one(batches).as_numpy_iterator())
  here = list(examples.take_apart(batches.as_numpy_iterator()))
  np.testing.assert_equal(here, there)
  assert [e['inputs'].tolist() for e in here[3:]] == [[], [0], [0, 1]]


def test_only_some_examples_are_kept():
  batch = {'a': np.arange(3), 'b': np.array([[1], [2], [3]])}
  kept = examples.only(batch, np.array([True, False, True]))
  np.testing.assert_equal(kept, {'a': [0, 2], 'b': [[1], [3]]})


def test_python_exits_while_threads_work_ahead():
  code = """
import time
import tensorflow as tf
from symbol_tuning.data import examples

def make(number):
  time.sleep(0.2)
  return {'number': [number]}

signature = examples.Signature({'number': tf.TensorSpec([], tf.int64)})
batches = tf.data.Dataset.range(1000).map(
  lambda number: signature.call(make, number), num_parallel_calls=2
)
batches = iter(batches.prefetch(9))
print(next(batches)['number'].numpy())
"""
  printed = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, check=True, timeout=100
  )
  assert printed.stdout == b'[0]\n'
