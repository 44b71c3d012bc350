"""From a SeqIO mixture to packed batches, and to evaluation examples.

SeqIO mixes tokenized examples; Grain packs them into rows and keeps the
position in the data, so that an interrupted run goes on where it was. The
arrays of a batch have the names of SeqIO's and T5X's decoder features.
"""

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import grain
import numpy as np
import seqio
from absl import logging

from symbol_tuning.data import settings
from symbol_tuning.data.prompting import fitting
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing
from symbol_tuning.data.shards import BatchShard

Example = dict[str, np.ndarray]
Batch = dict[str, np.ndarray]

_PACKED = (
  'decoder_input_tokens',
  'decoder_target_tokens',
  'decoder_loss_weights',
)
# The tasks of the examples of a packed row.
SEGMENT_TASKS = 'segment_tasks'
# Which task an example is of: int32 [], an index into `available_tasks`.
TASK = 'task'
# The task once for each position with loss, which is what packing counts.
_LOSS_TASKS = 'loss_tasks'
# The two parts of a position in the training data.
_SHARD = 'shard'
_ROWS = 'rows'


def get_mixture_or_task(name: str) -> seqio.Mixture | seqio.Task:
  """Returns a registered mixture or task.

  Raises:
    ValueError: if there is none of that name; names that are near.
  """
  known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
  if name in known:
    return seqio.get_mixture_or_task(name)
  near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
  hint = (
    f'Did you mean {", ".join(near)}?'
    if near
    else (
      'Is the module that registers it imported? Ours is symbol_tuning.tasks.'
    )
  )
  raise ValueError(f'No mixture or task is called {name!r}. {hint}')


def available_tasks(name: str) -> list[seqio.Task]:
  """Returns the tasks of a mixture (or the task) that the source can fill.

  Raises:
    FileNotFoundError: if the data source lacks a dataset, unless
      DataSettings.skip_missing is set and it has another.
  """
  mixture_or_task = get_mixture_or_task(name)
  tasks = list(seqio.get_subtasks(mixture_or_task))
  available = [t for t in tasks if dataset_tasks.is_available(t)]
  missing = [task.name for task in tasks if task not in available]
  if not missing:
    return tasks
  source = settings.current().source
  if not available or not settings.current().skip_missing:
    raise FileNotFoundError(
      f'{source} lacks the data of {len(missing)} of the {len(tasks)} tasks of'
      f' {name}: {", ".join(missing)}. Add the datasets, or set'
      ' settings.DataSettings.skip_missing = True to do without them.'
    )
  logging.warning(
    '%s: %d of %d tasks have data; without %s.',
    name, len(available), len(tasks), ', '.join(missing),
  )  # fmt: skip
  return available


def evaluation_examples(
  task_name: str, task_feature_lengths: Mapping[str, int]
) -> list[Example]:
  """Returns the examples of an evaluation task, one per query and option.

  Raises:
    ValueError: if the task is unknown, or a label option or a question that is
      answered by writing is too long.
  """
  examples = mixing.TaskExamples.of(
    get_mixture_or_task(task_name),
    sequence_length=task_feature_lengths,
    split='validation',
    shuffle=False,
  )
  try:
    return list(examples)
  except ValueError as error:
    if fitting.TOO_LONG not in str(error):
      raise
    raise ValueError(
      f'{task_name}: {error}; raise TASK_FEATURE_LENGTHS, now'
      f' {dict(task_feature_lengths)}.'
    ) from None


def to_decoder_features(example: Mapping[str, np.ndarray]) -> Example:
  """Joins inputs and targets for a decoder; loss falls on the targets only.

  Args:
    example: inputs and targets, int32 [i] and [t]. Inputs may be missing or
      empty: then loss falls on all but the first token.

  Returns:
    Arrays int32 [i + t - 1]; position p of the targets is the token that
    follows position p of the inputs. Also one as long as there are positions
    with loss, which holds the example's task, for `pack` to count.
  """
  targets = example['targets']
  inputs = example.get('inputs', targets[:0])
  tokens = np.concatenate([inputs, targets]).astype(np.int32)
  weights = np.arange(1, len(tokens)) >= len(inputs)
  features = (tokens[:-1], tokens[1:], weights.astype(np.int32))
  return dict(zip(_PACKED, features, strict=True)) | {
    _LOSS_TASKS: np.full(weights.sum(), example.get(TASK, 0), np.int32)
  }


def pack(
  examples: grain.IterDataset,
  row_length: int,
  loss_positions_per_row: int,
  num_packing_bins: int,
  seed: int,
) -> grain.IterDataset:
  """Packs decoder features into rows [row_length].

  Examples of a row are told apart by decoder_segment_ids, which count from 1;
  0 is padding. decoder_positions restart with each example. At most
  `loss_positions_per_row` positions of a row carry loss. segment_tasks tells
  the task of each example, int32 [examples].
  """
  rows = grain.experimental.BestFitPackIterDataset(
    examples,
    length_struct=dict.fromkeys(_PACKED, row_length)
    | {_LOSS_TASKS: loss_positions_per_row},
    num_packing_bins=num_packing_bins,
    seed=seed,
  )
  return rows.map(_with_shared_segments)


def _with_shared_segments(row: Example) -> Example:
  first = _PACKED[0]
  loss_segments = row[f'{_LOSS_TASKS}_segment_ids']
  segments, places = np.unique(loss_segments, return_index=True)
  return {name: row[name] for name in _PACKED} | {
    'decoder_positions': row[f'{first}_positions'].astype(np.int32),
    'decoder_segment_ids': row[f'{first}_segment_ids'].astype(np.int32),
    SEGMENT_TASKS: row[_LOSS_TASKS][places[segments > 0]],
  }


def packed_rows(
  mixture_or_task_name: str,
  task_feature_lengths: Mapping[str, int],
  loss_positions_per_row: int | None = None,
  seed: int = 0,
  num_packing_bins: int = 64,
  shard: seqio.ShardInfo | None = None,
) -> grain.IterDataset:
  """Opens a mixture as an endless stream of rows (see `pack`).

  Args:
    mixture_or_task_name: a registered name.
    task_feature_lengths: most tokens of 'inputs' and 'targets', EOS included;
      a row holds their sum.
    loss_positions_per_row: the most positions of a row with loss; None for no
      limit.
    seed: of the order of examples and of every choice in a prompt.
    num_packing_bins: rows that are filled at the same time; more of them leave
      less padding.
    shard: which share of the examples; all, by default.

  Raises:
    ValueError: if the name is unknown, one label may have more positions than
      a row may, or a task has fewer examples than there are shards.
  """
  row_length = sum(task_feature_lengths.values())
  loss_positions_per_row = loss_positions_per_row or row_length
  if loss_positions_per_row < task_feature_lengths['targets']:
    raise ValueError(
      f'loss_positions_per_row {loss_positions_per_row} is less than the'
      f' {task_feature_lengths["targets"]} targets of one example.'
    )
  examples = _SeqioExamples(
    open_examples(mixture_or_task_name, task_feature_lengths, seed, shard)
  )
  return pack(
    examples.map(to_decoder_features),
    row_length=row_length,
    loss_positions_per_row=loss_positions_per_row,
    num_packing_bins=num_packing_bins,
    seed=seed,
  )


class TrainData:
  """An endless iterator of packed training batches from a SeqIO mixture.

  Each process reads its own share of the examples, so that batches depend on
  the number of processes. The state is the number of examples read; going on
  from it draws the read prompts once more, in order, without training on them.

  Attributes:
    shard: which part of each batch this process reads.
  """

  def __init__(
    self,
    mixture_or_task_name: str,
    task_feature_lengths: Mapping[str, int],
    batch_size: int,
    loss_positions_per_row: int | None = None,
    seed: int = 0,
    num_packing_bins: int = 64,
    shard: BatchShard | None = None,
  ):
    """Opens the mixture.

    Args:
      mixture_or_task_name: a registered name.
      task_feature_lengths: most tokens of 'inputs' and 'targets', EOS
        included; a row holds their sum.
      batch_size: rows of a batch, over all processes.
      loss_positions_per_row: the most positions of a row with loss; None for
        no limit. The fewer, the less the loss costs (see training.step.Loss).
      seed: of the order of examples and of every choice in a prompt.
      num_packing_bins: rows that are filled at the same time; more of them
        leave less padding.
      shard: which part of each batch to read; one for each process by default.

    Raises:
      ValueError: if the batch cannot be divided among the processes, or
        `packed_rows` refuses the rest.
    """
    self.shard = shard or BatchShard.of_process()
    num_rows = self.shard.num_rows(batch_size)
    self.mixture_or_task_name = mixture_or_task_name
    self.vocab_size = settings.vocabulary().vocab_size
    rows = packed_rows(
      mixture_or_task_name,
      task_feature_lengths,
      loss_positions_per_row=loss_positions_per_row,
      seed=seed,
      num_packing_bins=num_packing_bins,
      shard=seqio.ShardInfo(self.shard.index, self.shard.count),
    )
    self._iterator = iter(rows.map(_without_tasks).batch(num_rows))

  def __iter__(self) -> Iterator[Batch]:
    return self

  def __next__(self) -> Batch:
    return next(self._iterator)

  def get_state(self) -> dict[str, Any]:
    """Returns the position in the data, as JSON values."""
    return {
      _SHARD: dataclasses.asdict(self.shard),
      _ROWS: self._iterator.get_state(),
    }

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes on from a position that `get_state` returned.

    Raises:
      ValueError: if the position is not one in a mixture, or the examples were
        divided among another number of processes.
    """
    if not state.keys() >= {_SHARD, _ROWS}:
      raise ValueError(
        'The run was begun with other data than a mixture, perhaps a cache: its'
        f' position there is {state}. Go on with those data, or use another'
        ' MODEL_DIR.'
      )
    stored = BatchShard(**state[_SHARD])
    if stored != self.shard:
      raise ValueError(
        'The examples of a mixture are divided among processes:'
        f' {stored.count} in the checkpoint and {self.shard.count} in this run,'
        ' so that the position there means nothing here. Go on with'
        f' {stored.count}, or train from a cache (python -m'
        ' symbol_tuning.cache_tasks), whose position holds for any number.'
      )
    self._iterator.set_state(state[_ROWS])


def _without_tasks(row: Example) -> Example:
  return {k: v for k, v in row.items() if k != SEGMENT_TASKS}


def open_examples(
  name: str,
  task_feature_lengths: Mapping[str, int] | None,
  seed: int,
  shard: seqio.ShardInfo | None = None,
  passthrough_features: Sequence[str] = (),
) -> Iterable[Example]:
  """Opens what is available of a mixture, endless and shuffled.

  Beside inputs and targets, an example has a `task`: int32 [], its place among
  `available_tasks`.

  Args:
    name: of the mixture or task.
    task_feature_lengths: most tokens of 'inputs' and 'targets'.
    seed: of the order of examples and of every choice in a prompt.
    shard: which share of the examples; all, by default.
    passthrough_features: what else of an example is wanted.

  Raises:
    ValueError: if a task has fewer examples than there are shards.
  """
  rates = mixing_rates(name)
  if shard:
    check_shards(rates, shard.num_shards)
  features = {'inputs', 'targets', *passthrough_features}
  return mixing.MixedExamples(
    [
      mixing.TaskExamples.of(
        task,
        features,
        sequence_length=task_feature_lengths,
        split='train',
        shuffle=True,
        seed=seed,
        shard_info=shard,
        num_epochs=None,
      )
      for task in rates
    ],
    list(rates.values()),
    seed=seed,
    mark=TASK,
  )


def mixing_rates(name: str) -> dict[seqio.Task, float]:
  """Returns the available tasks of a mixture with their rates."""
  mixture_or_task = get_mixture_or_task(name)
  tasks = available_tasks(name)
  if isinstance(mixture_or_task, seqio.Task):
    return dict.fromkeys(tasks, 1.0)
  return {task: mixture_or_task.get_rate(task) for task in tasks}


def check_shards(tasks: Iterable[seqio.Task], num_shards: int) -> None:
  """Checks that no task lacks examples in a shard, which would end there.

  Raises:
    ValueError: if a task has fewer examples than there are shards.
  """
  for task in tasks:
    size = task.source.num_input_examples('train')
    if size is not None and size < num_shards:
      raise ValueError(
        f'{task.name} has {size} examples, too few to divide them among'
        f' {num_shards} processes or shards: use {size} at the most.'
      )


class _SeqioExamples(grain.IterDataset):
  """Examples of SeqIO tasks, as a Grain dataset."""

  def __init__(self, examples: Iterable[Example]):
    super().__init__()
    self._examples = examples

  def __iter__(self) -> grain.DatasetIterator:
    return _SeqioExampleIterator(self._examples)


class _SeqioExampleIterator(grain.DatasetIterator):
  def __init__(self, examples: Iterable[Example]):
    super().__init__()
    self._examples = examples
    self.set_state({'examples_read': 0})

  def __next__(self) -> Example:
    example = next(self._iterator)
    self._examples_read += 1
    return example

  def get_state(self) -> dict[str, int]:
    return {'examples_read': self._examples_read}

  def set_state(self, state: dict[str, int]) -> None:
    self._examples_read = state['examples_read']
    self._iterator = itertools.islice(self._examples, self._examples_read, None)
