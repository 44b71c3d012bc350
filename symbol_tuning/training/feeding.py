"""From what each process reads to batches that span all of them.

Processes whose devices hold the same rows, because the mesh splits only the
model between them, must read the same rows; T5X calls who reads what the data
layout. Where a process is in its data is kept for each one, unless it is the
same for all: then any number of processes can go on from there.
"""

import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning.data.shards import BatchShard
from symbol_tuning.training.partitioning import Partitioner


def batch_shard(partitioner: Partitioner) -> BatchShard:
  """The part of each batch that this process must read.

  Raises:
    ValueError: if two processes share some of their rows, but not all.
  """
  rows_of = _rows_by_process(partitioner)
  parts = sorted(set(rows_of.values()), key=min)
  num_rows = len(frozenset().union(*parts))
  if any(len(part) * len(parts) != num_rows for part in parts):
    raise ValueError(
      'the mesh splits batches between processes such that two of them share '
      'some rows and not others: choose sizes of its axes which divide, or are '
      'multiples of, the devices of a process'
    )
  return BatchShard(parts.index(rows_of[jax.process_index()]), len(parts))


def check_shard(shard: BatchShard, partitioner: Partitioner) -> None:
  """Raises ValueError if that is not the part that this process must read."""
  expected = batch_shard(partitioner)
  if shard != expected:
    raise ValueError(
      f'the training data are part {shard.index} of {shard.count} of each '
      f'batch, and on this mesh process {jax.process_index()} needs part '
      f'{expected.index} of {expected.count}: have gin give the data '
      'shard = @feeding.batch_shard() of the same partitioner'
    )


def _rows_by_process(partitioner: Partitioner) -> dict[int, frozenset[int]]:
  """Which devices' worth of rows of a batch each process holds."""
  sharding = partitioner.batch_sharding
  num_rows = sharding.mesh.size
  rows_of: dict[int, set[int]] = {}
  rows_of_device: Mapping[jax.Device, Any] = sharding.devices_indices_map(
    (num_rows,)
  )
  for device, (index,) in rows_of_device.items():
    rows = range(num_rows)[index]
    rows_of.setdefault(device.process_index, set()).update(rows)
  return {process: frozenset(rows) for process, rows in rows_of.items()}


def gather_positions(position: dict[str, Any]) -> list[dict[str, Any]]:
  """The positions in the data of all processes; one, if it is that of all.

  Args:
    position: of this process, as JSON values.
  """
  text = json.dumps(position, sort_keys=True).encode()
  sizes = _from_all(np.array(len(text), np.int32))
  padded = np.frombuffer(text.ljust(max(sizes)), np.uint8)
  texts = [bytes(row).decode() for row in _from_all(padded)]
  distinct = texts if len(set(texts)) > 1 else texts[:1]
  return [json.loads(text) for text in distinct]


def own_position(positions: list[dict[str, Any]]) -> dict[str, Any]:
  """The position of this process among those `gather_positions` returned.

  Where the processes are not those that were gathered, it is that of another
  one, which data that are divided otherwise refuse.
  """
  return positions[min(jax.process_index(), len(positions) - 1)]


def _from_all(array: np.ndarray) -> np.ndarray:
  """[...] of each process → [process, ...]."""
  return multihost_utils.process_allgather(array).reshape(-1, *array.shape)
