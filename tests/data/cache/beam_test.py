"""Tests of writing caches with Apache Beam, on its local runner."""

import pytest

pytest.importorskip('apache_beam')

import gin

from symbol_tuning import gin_utils
from symbol_tuning.data import settings
from symbol_tuning.data.cache import beam_runner, writer

CONFIG = """
from __gin__ import dynamic_registration
from symbol_tuning.data.datasets import sources
from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import writer
include 'runs/cache_beam.gin'
VOCABULARY = @vocabularies.Bytes()
DATA_SOURCE = @sources.SyntheticSource()
sources.SyntheticSource.num_train = 40
MIXTURE_OR_TASK_NAME = 'symbol_tuning_sst2'
TASK_FEATURE_LENGTHS = {'inputs': 400, 'targets': 20}
NUM_ROWS = 7
NUM_SHARDS = 2
CACHE_DIR = 'set below'
writer.write_cache.num_packing_bins = 2
"""


@pytest.fixture
def run(tmp_path):
  """The configured writer."""
  path = tmp_path / 'test.gin'
  path.write_text(CONFIG)
  gin_utils.parse([str(path)])
  yield gin.get_configurable(writer.write_cache)
  gin.clear_config()
  settings.use(None)


def files(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def here(job, shards):
  for shard in shards:
    job.write_shard(shard)


def test_beam_writes_the_same_shards(run, tmp_path):
  apart, alone = tmp_path / 'apart', tmp_path / 'alone'
  run(cache_dir=str(alone), runner=here)
  run(cache_dir=str(apart))
  assert files(apart) == files(alone)
  assert len(files(apart)) == 2 * 2 + 3


def test_beam_tells_of_errors(run, tmp_path):
  missing = tmp_path / 'removed'

  def remove_folder(job, shards):
    for path in missing.iterdir():
      path.unlink()
    missing.rmdir()
    beam_runner.Beam()(job, shards)

  with pytest.raises(Exception, match=r'Cannot write .*No such file'):
    run(cache_dir=str(missing), runner=remove_folder)
