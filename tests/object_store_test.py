"""Trains to and from a bucket that is killed, refused and away."""

import os
import pathlib
import subprocess
import sys
import time
import types

import jax
import numpy as np
import object_store
import pytest
import store_member

from symbol_tuning.files import locks
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import steps
from symbol_tuning.training import checkpoints

MEMBER = pathlib.Path(__file__).parent / 'helpers' / 'store_member.py'
STEPS = 8


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
  """Writers who are gone are missed within a second."""
  monkeypatch.setattr(locks, 'BEAT_SECONDS', 0.2)


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
  """The parameters after a run on a disk that nobody disturbed."""
  folder = tmp_path_factory.mktemp('disk')
  store_member.write_cache(folder / 'cache')
  store_member.train(folder / 'cache', folder / 'run', STEPS)
  return load(folder / 'run')


@pytest.fixture
def cache(bucket):
  store_member.write_cache(bucket / 'cache')
  return bucket / 'cache'


@pytest.fixture
def impatient(monkeypatch):
  """Has gcsfs try again at once, not after seconds."""
  import gcsfs.retry

  async def sleep(_):
    pass

  monkeypatch.setattr(
    gcsfs.retry, 'asyncio', types.SimpleNamespace(sleep=sleep)
  )


def load(model_dir):
  return parameters.load_params(model_dir, store_member.MODEL)


def assert_equal(actual, wanted):
  jax.tree.map(np.testing.assert_array_equal, actual, wanted)


def train_until_killed(store, cache, run, num_requests):
  """Trains in a process that is killed after so many requests to the store.

  Returns:
    Whether it was killed before its end.
  """
  last = len(store.requests) + num_requests
  process = subprocess.Popen(
    [sys.executable, MEMBER, str(cache), str(run), str(STEPS)],
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  while process.poll() is None:
    if len(store.requests) >= last:
      process.kill()
    time.sleep(0.005)
  return process.wait() == -9


def test_a_run_in_a_bucket_that_is_killed_ends_as_one_on_a_disk(
  store, bucket, cache, expected
):
  run = bucket / 'run'
  # A start takes some 200 requests to its first checkpoint, and each of them
  # some 200 more: these are before any, and amidst a second one.
  for num_requests, whole in ((250, False), (540, True)):
    assert train_until_killed(store, cache, run, num_requests)
    assert bool(steps.all_steps(run / 'checkpoints')) == whole
    if whole:
      load(run)  # As an evaluation beside it would.
  store_member.train(cache, run, STEPS)
  assert_equal(load(run), expected)


def test_a_checkpoint_without_its_marker_is_not_there(bucket, cache):
  run = bucket / 'run'
  store_member.train(cache, run, 2)
  (run / 'checkpoints' / '2' / 'commit_success.txt').unlink()
  assert steps.choose(run).step == 1
  assert not steps.is_finished(run / 'checkpoints' / '2')


def test_an_outage_is_waited_out(store, bucket, cache, expected, impatient):
  store.fault = object_store.Fault(503, times=3, concerns='checkpoints')
  store_member.train(cache, bucket / 'run', STEPS)
  assert store.fault.times == 0
  store.fault = None
  assert_equal(load(bucket / 'run'), expected)


@pytest.mark.parametrize(
  ('status', 'kind', 'says'),
  [
    (403, PermissionError, 'ask for the role'),
    (401, PermissionError, 'gcloud auth application-default login'),
  ],
)
def test_a_bucket_that_refuses_ends_the_run_before_it_begins(
  store, bucket, cache, impatient, status, kind, says
):
  store.fault = object_store.Fault(status, concerns='POST')
  with pytest.raises(kind, match=says) as raised:
    store_member.train(cache, bucket / 'run', STEPS)
  assert str(bucket / 'run') in str(raised.value)
  store.fault = None
  assert not (bucket / 'run').exists()


def test_a_missing_bucket_is_named(cache):
  with pytest.raises(FileNotFoundError, match='gs://no-such-bucket/run'):
    store_member.train(cache, 'gs://no-such-bucket/run', STEPS)
  with pytest.raises(FileNotFoundError, match='No cache in gs://no-such'):
    store_member.train('gs://no-such-bucket/cache', 'gs://no-such-bucket/r', 2)


def test_a_bucket_that_is_gone_ends_the_run_and_it_goes_on_when_it_is_back(
  store, bucket, cache, expected, impatient, monkeypatch
):
  run = bucket / 'run'
  save = checkpoints.Checkpoints.save

  def save_to_the_void(self, state, data):
    if int(state.step) == 4:
      self.wait()
      store.fault = object_store.Fault(0)
    save(self, state, data)

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints.Checkpoints, 'save', save_to_the_void)
    with pytest.raises(OSError, match='cannot write a checkpoint') as raised:
      store_member.train(cache, run, STEPS)
  message = str(raised.value)
  assert str(run / 'checkpoints') in message
  assert 'the newest at step 3' in message
  store.fault = None
  assert steps.choose(run).step == 3
  store_member.train(cache, run, STEPS)
  assert_equal(load(run), expected)


def test_s3_is_refused_for_checkpoints_at_once(cache):
  with pytest.raises(ValueError, match='s3://b/run cannot hold checkpoints'):
    store_member.train(cache, 's3://b/run', STEPS)


def test_nothing_that_is_stored_holds_a_credential(
  store, bucket, cache, monkeypatch
):
  monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'a-secret-key')
  monkeypatch.setenv('HF_TOKEN', 'a-secret-token')
  store_member.train(cache, bucket / 'run', 1)
  folders = [bucket]
  while folders:
    for path in folders.pop().iterdir():
      if path.is_dir():
        folders.append(path)
      else:
        assert b'a-secret' not in path.read_bytes()
  with pytest.raises(ValueError, match='holds a credential') as raised:
    store_member.train(cache, 'gs://key:a-secret@bucket/run', 1)
  assert 'a-secret' not in str(raised.value)
