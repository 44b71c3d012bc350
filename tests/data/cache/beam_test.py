"""Tests of writing caches with Apache Beam, on its local runner."""

import pytest

pytest.importorskip('apache_beam')

import random_cache

from symbol_tuning.data.cache import beam_runner


@pytest.fixture
def run(configure):
  return configure('runs/cache_beam.gin')


def test_beam_writes_the_same_shards(run, tmp_path):
  apart, alone = tmp_path / 'apart', tmp_path / 'alone'
  run(cache_dir=str(alone), runner=random_cache.here)
  run(cache_dir=str(apart))
  written = random_cache.contents(apart)
  assert written == random_cache.contents(alone)
  assert len(written) == 2 * 2 + 3


def test_beam_tells_of_errors(run, tmp_path):
  missing = tmp_path / 'removed'

  def remove_folder(job, shards):
    for path in missing.iterdir():
      path.unlink()
    missing.rmdir()
    beam_runner.Beam()(job, shards)

  with pytest.raises(Exception, match=r'Cannot write .*No such file'):
    run(cache_dir=str(missing), runner=remove_folder)
