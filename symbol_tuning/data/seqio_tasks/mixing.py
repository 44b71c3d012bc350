"""Reads the examples of SeqIO tasks, and mixes them.

SeqIO mixes tensors of one example each, and TensorFlow takes longer to hand
over an example than it takes us to make one. So examples leave TensorFlow many
at a time and are mixed as arrays: with the rates of SeqIO's mixtures, while the
examples of each task and their order are those of the task itself.
"""

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from symbol_tuning.data import draws, examples

Example = dict[str, np.ndarray]

# Examples that leave TensorFlow at a time, and what stands where none is.
_READ_SIZE, _NONE = 64, -1
# Tasks that are drawn at a time.
_DRAWS = 1024


@dataclasses.dataclass(frozen=True)
class TaskExamples:
  """The examples of a task; can be read again.

  Attributes:
    dataset: batches as `examples.Signature.call` makes them, or examples.
    in_batches: which of the two.
  """

  dataset: tf.data.Dataset
  in_batches: bool

  @classmethod
  def of(
    cls,
    task: seqio.Task,
    features: Collection[str] | None = None,
    **options: Any,
  ) -> 'TaskExamples':
    """Opens any task; those that make batches are read fast.

    Args:
      task: the task.
      features: what of an example is wanted, where it is there; all of it by
        default.
      **options: of seqio.Task.get_dataset.
    """
    in_batches = examples.makes_batches(task)
    if in_batches:
      task = task.replace(
        preprocessors=task.preprocessors[:-1], output_features={}
      )
    # Sources are in memory already, or stream.
    dataset = task.get_dataset(try_in_mem_cache=False, **options)
    if features is not None:
      wanted = [name for name in dataset.element_spec if name in features]
      dataset = dataset.map(lambda example: {k: example[k] for k in wanted})
    return cls(dataset, in_batches)

  def __iter__(self) -> Iterator[Example]:
    """Yields the examples.

    Raises:
      ValueError: if what makes them does.
    """
    try:
      if self.in_batches:
        yield from examples.take_apart(self.dataset.as_numpy_iterator())
      else:
        yield from read(self.dataset)
    except tf.errors.InvalidArgumentError as error:
      reason = re.search('ValueError: (.*)', error.message)
      if reason is None:
        raise
      raise ValueError(reason[1]) from None


@dataclasses.dataclass(frozen=True)
class MixedExamples:
  """Examples of several tasks; can be read again.

  Attributes:
    tasks: the examples of each.
    rates: how often each is drawn, in proportion to the others.
    seed: of the draws.
    mark: the feature that tells the number of the task, int32 [].
  """

  tasks: Sequence[Iterable[Example]]
  rates: Sequence[float]
  seed: int
  mark: str

  def __iter__(self) -> Iterator[Example]:
    iterators = [iter(task) for task in self.tasks]
    for number in self._numbers():
      example = next(iterators[number], None)
      if example is None:
        return
      yield example | {self.mark: np.int32(number)}

  def _numbers(self) -> Iterator[int]:
    """Draws tasks."""
    shares = np.cumsum(self.rates) / np.sum(self.rates)
    block = 0
    while True:
      seeds = np.array([[self.seed, block]])
      uniform = draws.numbers(seeds, _DRAWS)[0] / 2**31
      yield from np.searchsorted(shares, uniform, side='right').tolist()
      block += 1


def read(dataset: tf.data.Dataset) -> Iterator[Example]:
  """Yields examples, as arrays; those without strings many at a time."""
  specs = dataset.element_spec
  if any(spec.dtype == tf.string for spec in specs.values()):
    yield from dataset.as_numpy_iterator()
    return
  padding = {name: tf.constant(_NONE, s.dtype) for name, s in specs.items()}
  batches = dataset.padded_batch(_READ_SIZE, padding_values=padding)
  for batch in batches.as_numpy_iterator():
    columns = [_without_padding(column) for column in batch.values()]
    for values in zip(*columns, strict=True):
      yield dict(zip(batch, values, strict=True))


def _without_padding(column: np.ndarray) -> Sequence[np.ndarray]:
  if column.ndim == 1:
    return column
  lengths = (column != _NONE).sum(axis=1).tolist()
  return [row[:n] for row, n in zip(column, lengths, strict=True)]
