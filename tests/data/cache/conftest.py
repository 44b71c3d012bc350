"""Rows and a cache made by hand, and a writer that gin configures."""

import itertools

import gin
import numpy as np
import pytest
import random_cache

from symbol_tuning import gin_utils
from symbol_tuning.data import settings as data_settings
from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import manifest, rows, writer

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
    numbers = itertools.count()

    def records_of(shard):
      for number in itertools.islice(numbers, settings.rows_of(shard)):
        yield rows.encode(numbered_row(number), np.array([0, 1]), 'uint16')

    random_cache.write_shards(
      folder, settings, records_of, most_target_tokens=4
    )
    return folder

  return make


CONFIG = """
from __gin__ import dynamic_registration
from symbol_tuning.data.datasets import sources
from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import writer
VOCABULARY = @vocabularies.Bytes()
DATA_SOURCE = @sources.SyntheticSource()
sources.SyntheticSource.num_train = 40
MIXTURE_OR_TASK_NAME = 'symbol_tuning_sst2'
TASK_FEATURE_LENGTHS = {'inputs': 400, 'targets': 20}
NUM_ROWS = 9
NUM_SHARDS = 2
CACHE_DIR = 'set below'
writer.write_cache.num_packing_bins = 2
"""


@pytest.fixture
def configure(tmp_path):
  """A function: the writer as a file of gin/runs/ configures it."""

  def read(gin_file):
    path = tmp_path / 'test.gin'
    path.write_text(CONFIG)
    gin_utils.parse([gin_file, str(path)])
    return gin.get_configurable(writer.write_cache)

  yield read
  gin.clear_config()
  data_settings.use(None)
