"""Rows and a cache made by hand."""

import hashlib

import numpy as np
import pytest
from array_record.python import array_record_module

from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import manifest, rows

ROW_LENGTH = 24
NAMES = ('input_tokens', 'target_tokens', 'loss_weights', 'positions',
         'segment_ids')  # fmt: skip
TASKS = {'one': 1.0, 'two': 3.0}


def laid_out(examples):
  """Lays examples, (inputs, targets), out in a row, position by position."""
  row = {f'decoder_{name}': [] for name in NAMES}
  for number, (inputs, targets) in enumerate(examples, start=1):
    tokens = [*inputs, *targets]
    for position in range(len(tokens) - 1):
      has_loss = position + 1 >= max(1, len(inputs))
      values = (*tokens[position : position + 2], has_loss, position, number)
      for name, value in zip(NAMES, values, strict=True):
        row[f'decoder_{name}'].append(value)
  return {
    name: np.pad(np.array(values, np.int32), (0, ROW_LENGTH - len(values)))
    for name, values in row.items()
  }


@pytest.fixture(scope='session')
def lay_out():
  return laid_out


def numbered_row(number):
  """A row of two examples that names its number."""
  return laid_out([([5, 6, 7], [number, 1]), ([8], [number, 9, 1])])


def cache_settings(num_rows=10, num_shards=3, **changes):
  chosen = {
    'mixture_or_task_name': 'some_mixture',
    'tasks': TASKS,
    'vocabulary': vocabularies.tiny().fingerprint(),
    'token_type': 'uint16',
    'task_feature_lengths': {'inputs': 16, 'targets': 8},
    'loss_positions_per_row': 12,
    'num_packing_bins': 4,
    'seed': 0,
    'num_rows': num_rows,
    'num_shards': num_shards,
    'data': {},
    'version': '1.2.3',
  }
  return manifest.CacheSettings(**chosen | changes)


@pytest.fixture
def make_cache(tmp_path):
  """A function: writes a cache of numbered rows and returns its folder."""

  def make(**changes):
    folder = tmp_path / 'cache'
    settings = cache_settings(**changes)
    manifest.write_settings(folder, settings)
    shards, number = [], 0
    for shard in range(settings.num_shards):
      path = folder / settings.shard_name(shard)
      writer = array_record_module.ArrayRecordWriter(
        str(path), 'group_size:1,uncompressed'
      )
      for _ in range(settings.rows_of(shard)):
        writer.write(
          rows.encode(numbered_row(number), np.array([0, 1]), 'uint16')
        )
        number += 1
      writer.close()
      content = path.read_bytes()
      shards.append(
        manifest.Shard(
          path.name,
          len(content),
          hashlib.sha256(content).hexdigest(),
          manifest.Statistics(
            rows=settings.rows_of(shard), most_target_tokens=4
          ),
        )
      )
      shards[-1].write(folder)
    manifest.Manifest(settings, tuple(shards)).write(folder)
    return folder

  return make
