"""A tiny decoder and data for the tests of training."""

import dataclasses

import numpy as np
import pytest
import random_cache
import tiny_models

from symbol_tuning.data import shards
from symbol_tuning.models import decoder


@pytest.fixture(scope='session')
def make_model():
  """A function: changes to the tiny configuration → a decoder."""

  def make(**changes):
    changes = {'num_heads': 2} | changes
    return decoder.Decoder(dataclasses.replace(tiny_models.TINY, **changes))

  return make


@pytest.fixture(scope='session')
def make_batch():
  """A function: rows and length → a batch of random tokens, no padding."""

  def make(rows=4, length=8, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(
      1, tiny_models.TINY.vocab_size, (rows, length + 1), dtype=np.int32
    )
    return random_cache.whole_rows(tokens)

  return make


@dataclasses.dataclass(frozen=True)
class Device:
  """As much of a device as a mesh looks at: layouts need no more."""

  id: int
  slice_index: int = 0
  process_index: int = 0
  platform: str = 'cpu'
  device_kind: str = 'cpu'


@pytest.fixture(scope='session')
def make_devices():
  """A function: the index of each device's slice → devices."""

  def make(slices, per_process=64):
    return tuple(Device(i, s, i // per_process) for i, s in enumerate(slices))

  return make


@dataclasses.dataclass
class CountingData:
  """An endless data iterator whose state is the number of batches given."""

  make_batch: object
  count: int = 0
  shard: shards.BatchShard = dataclasses.field(
    default_factory=shards.BatchShard
  )

  def __next__(self):
    self.count += 1
    return self.make_batch(seed=self.count)

  def get_state(self):
    return {'count': self.count}

  def set_state(self, state):
    self.count = state['count']


@pytest.fixture
def make_data(make_batch):
  return lambda: CountingData(make_batch)
