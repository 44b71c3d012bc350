"""Examples that Python makes in batches, as tf.data takes them apart.

tf.data spends more on handing over one example than it takes to compose a
prompt. So it is given batches, whose features are rows of one array each;
tokens, of which rows have different numbers, travel as bytes.
"""

import atexit
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import seqio
import tensorflow as tf

_TOKENS = ('inputs', 'targets')
# Seconds in which TensorFlow's threads learn that Python exits.
_REFUSING = 0.1


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


@dataclasses.dataclass(frozen=True)
class Signature:
  """What examples are like.

  Attributes:
    features: type and shape of each feature of one example, by name; tokens
      are bytes until they are taken apart.
  """

  features: Mapping[str, tf.TensorSpec]

  def call(
    self, make: Callable[..., Mapping[str, np.ndarray]], *inputs: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """Calls Python in a graph to make a batch of examples.

    Args:
      make: takes arrays, returns the features of a batch.
      *inputs: what it is given.
    """

    def arrays(*inputs: np.ndarray) -> list[np.ndarray]:
      with _calls:
        made = make(*inputs)
      return [
        np.asarray(made[name], spec.dtype.as_numpy_dtype)
        for name, spec in self.features.items()
      ]

    types = [spec.dtype for spec in self.features.values()]
    outputs = tf.numpy_function(arrays, inputs, types, stateful=False)
    for output, spec in zip(outputs, self.features.values(), strict=True):
      output.set_shape([None, *spec.shape])
    return dict(zip(self.features, outputs, strict=True))

  def one_by_one(self, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the examples of batches; the last preprocessor of a task."""
    return batches.unbatch().map(_with_tokens, synchronous=True)


def makes_batches(task: seqio.Task) -> bool:
  """Whether all but the last preprocessor of a task make batches."""
  last = task.preprocessors[-1]
  return isinstance(getattr(last, '__self__', None), Signature)


def _with_tokens(example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  return example | {
    name: tf.io.decode_raw(example[name], tf.int32) for name in _TOKENS
  }


def take_apart(
  batches: Iterable[Mapping[str, np.ndarray]],
) -> Iterator[dict[str, np.ndarray]]:
  """Yields the examples of batches that have left tf.data."""
  for batch in batches:
    columns = [
      [np.frombuffer(row, np.int32) for row in column]
      if name in _TOKENS
      else column
      for name, column in batch.items()
    ]
    for values in zip(*columns, strict=True):
      yield dict(zip(batch, values, strict=True))


def only(
  batch: Mapping[str, np.ndarray], is_kept_E: np.ndarray
) -> Mapping[str, np.ndarray]:
  """Returns some examples of a batch."""
  if is_kept_E.all():
    return batch
  return {name: feature[is_kept_E] for name, feature in batch.items()}


def _spec(dtype: tf.DType, *shape: int | None) -> tf.TensorSpec:
  return tf.TensorSpec(shape, dtype)


PROMPT = {
  'inputs': _spec(tf.string),
  'inputs_pretokenized': _spec(tf.string),
  'targets': _spec(tf.string),
  'targets_pretokenized': _spec(tf.string),
  'num_exemplars': _spec(tf.int32),
  'num_exemplars_drawn': _spec(tf.int32),
  'query_index': _spec(tf.int32),
}
TUNING = Signature(
  PROMPT | {'label': _spec(tf.int32), 'options': _spec(tf.string, None)}
)
EVALUATION = Signature(
  PROMPT
  | {
    'label': _spec(tf.int32),
    'idx': _spec(tf.int32, 2),
    'is_correct': _spec(tf.bool),
  }
)
