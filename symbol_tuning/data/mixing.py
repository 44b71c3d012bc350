"""Reads the examples of SeqIO tasks, and mixes them.

SeqIO mixes tensors of one example each, and TensorFlow takes longer to hand
over an example than it takes us to make one. So examples leave TensorFlow many
at a time and are mixed as arrays: with the rates of SeqIO's mixtures, while the
examples of each task and their order are those of the task itself.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf

from symbol_tuning.data import draws, examples, task_definitions

Example = dict[str, np.ndarray]

# Examples that leave TensorFlow at a time, and what stands where none is.
_READ_SIZE, _NONE = 64, -1
# Tasks that are drawn at a time.
_DRAWS = 1024


@dataclasses.dataclass(frozen=True)
class TaskExamples:
  """The examples of a task, without end; can be read again.

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
    task_feature_lengths: Mapping[str, int] | None,
    seed: int,
    shard: seqio.ShardInfo | None,
    features: Collection[str],
  ) -> 'TaskExamples':
    """Opens the training split of a task.

    Args:
      task: any one; those of `task_definitions` are read fast.
      task_feature_lengths: most tokens of 'inputs' and 'targets'.
      seed: of the order of examples and of every choice in a prompt.
      shard: which share of the examples; all, by default.
      features: what of an example is wanted, if it is there.
    """
    in_batches = task_definitions.is_composed(task)
    if in_batches:
      task = task_definitions.in_batches(task)
    dataset = task.get_dataset(
      sequence_length=task_feature_lengths,
      split='train',
      shuffle=True,
      seed=seed,
      shard_info=shard,
      num_epochs=None,
    )
    wanted = [name for name in dataset.element_spec if name in features]
    return cls(dataset.map(lambda e: {k: e[k] for k in wanted}), in_batches)

  def __iter__(self) -> Iterator[Example]:
    if self.in_batches:
      return examples.take_apart(self.dataset.as_numpy_iterator())
    return read(self.dataset)


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
  """Yields examples that are tokens and numbers, as arrays.

  Strings are not padded and come one by one.
  """
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
