"""Packed training batches, live from a SeqIO mixture."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import grain
import numpy as np
import seqio

from symbol_tuning.data import packing, positions, settings
from symbol_tuning.data.packing import Example
from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.data.shards import BatchShard

Batch = dict[str, np.ndarray]

# The two parts of a position in the training data.
_SHARD = 'shard'
_ROWS = 'rows'


def packed_rows(
  mixture_or_task_name: str,
  task_feature_lengths: Mapping[str, int],
  loss_positions_per_row: int | None = None,
  seed: int = 0,
  num_packing_bins: int = 64,
  shard: seqio.ShardInfo | None = None,
) -> grain.IterDataset:
  """Opens a mixture as an endless stream of rows (see `packing.pack`).

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
    ValueError: if the name is unknown, or a task has fewer examples than there
      are shards; when rows are read, if a target has more tokens than a row
      may have positions with loss.
  """
  row_length = sum(task_feature_lengths.values())
  dataset = mixing.tuning_examples(
    mixture_or_task_name, task_feature_lengths, seed, shard
  )
  examples = packing.Replayed(lambda: mixing.read(dataset))
  return packing.pack(
    examples.map(packing.to_decoder_features),
    row_length=row_length,
    loss_positions_per_row=loss_positions_per_row or row_length,
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
    rows = packed_rows(
      mixture_or_task_name,
      task_feature_lengths,
      loss_positions_per_row=loss_positions_per_row,
      seed=seed,
      num_packing_bins=num_packing_bins,
      shard=seqio.ShardInfo(self.shard.index, self.shard.count),
    )
    self._of = _of(
      MIXTURE_OR_TASK_NAME=mixture_or_task_name,
      TASK_FEATURE_LENGTHS=dict(task_feature_lengths),
      BATCH_SIZE=batch_size,
      LOSS_POSITIONS_PER_ROW=loss_positions_per_row,
      RANDOM_SEED=seed,
      num_packing_bins=num_packing_bins,
    )
    tasks = mixing.available_tasks(mixture_or_task_name)
    self._digests = mixing.digests(tasks)
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
      positions.OF: self._of,
      positions.DIGESTS: self._digests,
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
    positions.check(state, self._of, self._digests)
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


def _of(**arguments: Any) -> dict[str, Any]:
  """All that the rows depend on, as JSON values."""
  chosen = {
    name: value
    for name, value in vars(settings.current()).items()
    # Files may have moved.
    if name not in ('source', 'word_files') and 'evaluation_' not in name
  }
  vocabulary = {'vocabulary': chosen['vocabulary'].fingerprint()}
  return json.loads(json.dumps(chosen | vocabulary | arguments))


def _without_tasks(row: Example) -> Example:
  return {k: v for k, v in row.items() if k != packing.SEGMENT_TASKS}
