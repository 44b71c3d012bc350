"""Has Python make the examples of a SeqIO task.

A call of Python from TensorFlow costs more than a prompt does, so a call makes
a batch of examples. Rows of tokens differ in length; they travel as bytes.
"""

import atexit
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# A feature that is a row of tokens: int32 [n].
TOKENS = tf.TensorSpec([None], tf.int32)
TEXT = tf.TensorSpec([], tf.string)
# Of elements: their numbers in the dataset, int64 [batch].
NUMBER = 'number'

Example = Mapping[str, Any]

# Seconds in which TensorFlow's threads learn that Python exits.
_REFUSING = 0.1


def python_map(
  dataset: tf.data.Dataset,
  make: Callable[[dict[str, np.ndarray]], Sequence[Example]],
  features: Mapping[str, tf.TensorSpec],
  batch_size: int = 32,
) -> tf.data.Dataset:
  """Returns the examples that Python makes of a dataset's elements.

  Args:
    dataset: elements are dicts of scalars.
    make: takes elements, stacked, with their numbers in the dataset (`NUMBER`),
      and returns examples; fewer where some are left out, more where an
      element gives several.
    features: what an example has; a row of texts needs batches of one.
    batch_size: the elements of a call.
  """

  def make_columns(batch: int, *columns: np.ndarray) -> list[np.ndarray]:
    elements = dict(zip(names, columns, strict=True))
    elements[NUMBER] = batch * batch_size + np.arange(len(columns[0]))
    with _calls:
      made = make(elements)
    return [_column(made, name, spec) for name, spec in features.items()]

  def make_batch(
    batch: tf.Tensor, elements: Mapping[str, tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    columns = tf.numpy_function(
      make_columns,
      [batch, *(elements[name] for name in names)],
      [_travelling(spec).dtype for spec in features.values()],
      stateful=False,
    )
    for column, spec in zip(columns, features.values(), strict=True):
      column.set_shape([None, *_travelling(spec).shape])
    return dict(zip(features, columns, strict=True))

  def unpack(example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {
      name: tf.io.decode_raw(example[name], tf.int32)
      if spec is TOKENS
      else example[name]
      for name, spec in features.items()
    }

  names = list(dataset.element_spec)
  batches = dataset.batch(batch_size).enumerate().map(make_batch)
  return batches.unbatch().map(unpack)


def _travelling(spec: tf.TensorSpec) -> tf.TensorSpec:
  return TEXT if spec is TOKENS else spec


def _column(
  made: Sequence[Example], name: str, spec: tf.TensorSpec
) -> np.ndarray:
  values = [example[name] for example in made]
  if spec.dtype == tf.string and spec.shape.rank:
    return np.array([list(map(_bytes, row)) for row in values], object)
  if _travelling(spec) is TEXT:
    column = np.empty(len(made), object)
    column[:] = list(map(_bytes, values))
    return column
  shape = [len(made), *spec.shape]
  return np.array(values, spec.dtype.as_numpy_dtype).reshape(shape)


def _bytes(value: str | bytes | np.ndarray) -> bytes:
  return value.encode() if isinstance(value, str) else bytes(value)


class _Calls:
  """Calls of Python from TensorFlow's threads, ended before Python exits.

  A thread that works ahead would wait for an interpreter that is gone, and
  TensorFlow for the thread.
  """

  def __init__(self):
    self._changed = threading.Condition()
    self._number = 0
    self._is_closed = False
    atexit.register(self._close)

  def __enter__(self) -> None:
    with self._changed:
      if self._is_closed:
        raise RuntimeError('Python exits; no more examples are made.')
      self._number += 1

  def __exit__(self, *_) -> None:
    with self._changed:
      self._number -= 1
      self._changed.notify_all()

  def _close(self) -> None:
    with self._changed:
      self._is_closed = True
      self._changed.wait_for(lambda: not self._number)
    time.sleep(_REFUSING)


_calls = _Calls()
