"""Runs two processes as launch/local_pod.sh starts them."""

import importlib.util
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from symbol_tuning import watchdog
from symbol_tuning.training import partitioning

HERE = pathlib.Path(__file__).parent
SCRIPT = HERE.parents[1] / 'launch' / 'local_pod.sh'
MEMBER = HERE.parent / 'helpers' / 'pod_member.py'


@pytest.fixture(autouse=True, scope='module')
def compilation_cache(tmp_path_factory):
  """What one pod compiled, the next one reads."""
  with pytest.MonkeyPatch.context() as patch:
    folder = tmp_path_factory.mktemp('compiled')
    patch.setenv('JAX_COMPILATION_CACHE_DIR', str(folder))
    patch.setenv('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0')
    yield


def run(*command, grace=60):
  """Runs the script, whose patience is too great to end anything itself."""
  return subprocess.run(
    ['bash', SCRIPT, *map(str, command)],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    timeout=200,
    env=os.environ | {'LOCAL_POD_GRACE_SECONDS': str(grace)},
  )


def run_pod(*arguments):
  return run(2, 2, '--', sys.executable, MEMBER, *arguments)


@pytest.fixture(scope='module')
def member():
  spec = importlib.util.spec_from_file_location('pod_member', MEMBER)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def measured(folder):
  """The losses and the scores of each step."""
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [
    value
    for name, value in itertools.chain(*(json.loads(x).items() for x in lines))
    if name == 'loss' or name.startswith('score')
  ]


def test_two_processes_train_and_evaluate_as_one_and_one_goes_on(
  tmp_path, member
):
  ended = run_pod(tmp_path / 'pod', 3)
  assert ended.returncode == 0, ended.stdout
  assert '[0] step 3/3' in ended.stdout
  assert '[1] step' not in ended.stdout
  # One for each of its two meshes, from process 0 alone.
  assert len(list((tmp_path / 'pod').glob('events.out.tfevents.*'))) == 2
  member.train(tmp_path / 'pod', 4, partitioning.Partitioner(fsdp=4))
  member.train(tmp_path / 'alone', 4, partitioning.Partitioner())
  alone = measured(tmp_path / 'alone')
  assert len(alone) == 4 * (1 + 2 * len(member.QUERIES))
  assert measured(tmp_path / 'pod') == pytest.approx(alone)


def test_an_error_in_one_process_ends_all(tmp_path):
  ended = run_pod(tmp_path, 100, 'fail')
  assert ended.returncode == 1, ended.stdout
  assert re.search(
    r'\[0\] error: process 0 of 2 \(.*\) ends, for process 1 of 2 \(.*\) '
    'failed: the data are bad',
    ended.stdout,
  )


def test_a_killed_process_is_missed(tmp_path):
  ended = run_pod(tmp_path, 100, 'die', '--heartbeat_timeout_seconds=5')
  assert ended.returncode == 137, ended.stdout
  assert re.search(
    r'\[0\] .*stopped sending heartbeats.*\n\[0\] 1\n', ended.stdout
  )
  assert 'ending the others' not in ended.stdout


def test_a_process_that_hangs_ends_all_and_each_says_where(tmp_path):
  ended = run_pod(tmp_path, 100, 'hang')
  assert ended.returncode == watchdog.STATUS, ended.stdout
  for process in range(2):
    assert f'[{process}] error: process {process} ' in ended.stdout
  assert re.search(r'\[1\] .*pod_member.py.* in happens', ended.stdout)
  assert 'step 2. It ends' in ended.stdout


def test_sigterm_to_one_stops_all_at_the_same_step(tmp_path):
  ended = run_pod(tmp_path, 400, 'terminate')
  assert ended.returncode == 143, ended.stdout
  (step,) = re.findall(r'Told to stop; saved step (\d+) first', ended.stdout)
  assert [p.name for p in (tmp_path / 'checkpoints').iterdir()] == [step]
  assert 'ending the others' not in ended.stdout


def test_processes_must_be_configured_alike(tmp_path):
  arguments = [
    '-m',
    'symbol_tuning.train',
    '--gin_file=models/tiny.gin',
    '--gin_file=runs/train_cached.gin',
    "--gin.MIXTURE_OR_TASK_NAME='mixture'",
    "--gin.CACHE_DIR='cache'",
    '--gin.INITIAL_CHECKPOINT_PATH=None',
    f"--gin.MODEL_DIR='{tmp_path}/run'",
  ]
  command = f'exec {shlex.join([sys.executable, *arguments])}'
  ended = run(
    *(2, 1, '--', 'bash', '-c'),
    f'{command} --gin.TRAIN_STEPS=$((JAX_PROCESS_ID + 1))',
  )
  assert ended.returncode == 1
  assert 'configuration of process 1 is not that of process 0' in ended.stdout
  assert not (tmp_path / 'run').exists()


def test_the_rest_is_ended_and_the_status_kept():
  command = 'test $JAX_PROCESS_ID = 0 && exec sleep 1000; exit 7'
  ended = run(2, 1, '--', 'bash', '-c', command, grace=0)
  assert ended.returncode == 7
  assert 'process 1 of 2 failed, status 7' in ended.stdout
