import jax
import pytest

from symbol_tuning.data.shards import BatchShard
from symbol_tuning.training import feeding, partitioning


@pytest.fixture
def shards(monkeypatch, make_devices):
  """A function: the part of each batch that each of the processes must read."""

  def find(num_processes, per_process, **mesh):
    devices = make_devices([0] * num_processes * per_process, per_process)
    partitioner = partitioning.Partitioner(devices=devices, **mesh)
    found = []
    for process in range(num_processes):
      monkeypatch.setattr(jax, 'process_index', lambda process=process: process)
      shard = feeding.batch_shard(partitioner)
      found.append((shard.index, shard.count))
    return found

  return find


def test_processes_read_different_rows_where_the_mesh_splits_batches(shards):
  each = [(0, 4), (1, 4), (2, 4), (3, 4)]
  assert shards(4, 2) == each
  assert shards(4, 2, fsdp=8) == each
  assert shards(4, 2, tensor=2) == each


def test_processes_that_hold_the_same_rows_read_the_same(shards):
  assert shards(4, 2, tensor=4) == [(0, 2), (0, 2), (1, 2), (1, 2)]
  assert shards(4, 2, tensor=8) == [(0, 1)] * 4


def test_rows_that_are_shared_in_part_are_refused(shards):
  with pytest.raises(ValueError, match='share some rows and not others'):
    shards(3, 2, data=2, tensor=3)


def test_data_of_another_part_are_refused():
  partitioner = partitioning.Partitioner()
  feeding.check_shard(BatchShard(0, 1), partitioner)
  with pytest.raises(ValueError, match=r'part 1 of 2 .* needs part 0 of 1'):
    feeding.check_shard(BatchShard(1, 2), partitioner)


def test_a_position_that_is_the_same_for_all_is_kept_once(monkeypatch):
  positions = feeding.gather_positions({'batches_read': 3})
  assert positions == [{'batches_read': 3}]
  monkeypatch.setattr(jax, 'process_index', lambda: 5)
  assert feeding.own_position(positions) == {'batches_read': 3}
  each = [{'examples_read': number} for number in range(8)]
  assert feeding.own_position(each) == {'examples_read': 5}
