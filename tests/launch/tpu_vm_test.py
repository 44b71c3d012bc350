"""Runs launch/tpu_vm.sh with a gcloud that only pretends."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
SCRIPT = HERE.parents[1] / 'launch' / 'tpu_vm.sh'
WHERE = ('--project=lab', '--zone=us-west4-a')
CREATE = ('--type=v5litepod-16', '--version=v2-alpha-tpuv5-lite')


@pytest.fixture
def tpu_vm(tmp_path):
  """A function that runs the script in an environment with a fake gcloud."""
  gcloud = tmp_path / 'bin' / 'gcloud'
  gcloud.parent.mkdir()
  gcloud.write_text(
    f'#!/bin/sh\nexec {sys.executable} {HERE}/fake_gcloud.py "$@"'
  )
  gcloud.chmod(0o755)
  (tmp_path / 'states').write_text('ACTIVE')

  def run(*arguments, script=(SCRIPT,), **environment):
    return subprocess.run(
      [shutil.which('bash'), *script, *arguments],
      capture_output=True,
      text=True,
      timeout=60,
      stdin=subprocess.DEVNULL,
      env={
        'PATH': f'{gcloud.parent}:{os.environ["PATH"]}',
        'TMPDIR': str(tmp_path),
        'FAKE_GCLOUD': str(tmp_path),
        'TPU_POLL_SECONDS': '0.1',
      }
      | environment,
    )

  return run


def calls(folder):
  """What gcloud was told, without the first two words and the place."""
  lines = (folder / 'calls').read_text().splitlines()
  arguments = [json.loads(line) for line in lines]
  assert all(set(WHERE) <= set(call) for call in arguments)
  return [[a for a in call[2:] if a not in WHERE] for call in arguments]


def test_a_slice_is_created_as_asked(tpu_vm, tmp_path):
  assert tpu_vm('create', 'st', *WHERE, *CREATE, '--spot').returncode == 0
  assert calls(tmp_path) == [
    [
      'queued-resources',
      'create',
      'st',
      '--node-id=st',
      '--accelerator-type=v5litepod-16',
      '--runtime-version=v2-alpha-tpuv5-lite',
      '--spot',
    ]
  ]


def test_slices_are_nodes_that_are_all_reached(tpu_vm, tmp_path):
  two = (*WHERE, '--node_count=2')
  tpu_vm('create', 'st', *two, *CREATE)
  tpu_vm('ssh', 'st', *two, '--', 'true')
  created, *reached = calls(tmp_path)
  assert {'--node-count=2', '--node-prefix=st'} <= set(created)
  assert [call[2:4] for call in reached] == [
    ['st-0', '--worker=all'],
    ['st-1', '--worker=all'],
  ]


def test_waiting_shows_progress_and_ends(tpu_vm, tmp_path):
  (tmp_path / 'states').write_text('WAITING_FOR_RESOURCES PROVISIONING ACTIVE')
  ended = tpu_vm('wait', 'st', *WHERE)
  assert ended.returncode == 0
  assert 'PROVISIONING after 0 min' in ended.stdout
  (tmp_path / 'states').write_text('PROVISIONING FAILED')
  ended = tpu_vm('wait', 'st', *WHERE)
  assert ended.returncode == 1
  assert 'st is FAILED' in ended.stderr


def test_what_gcloud_says_is_passed_on(tpu_vm, tmp_path):
  (tmp_path / 'fails').write_text('create')
  ended = tpu_vm('create', 'st', *WHERE, *CREATE)
  assert ended.returncode == 1
  assert 'no quota left' in ended.stderr
  assert 'st was not created' in ended.stderr


def test_a_run_is_started_followed_and_its_status_told(tpu_vm, tmp_path):
  code = 'import sys; print(sys.argv[1:]); sys.exit(len(sys.argv) - 3)'
  command = (sys.executable, '-c', code, "--gin.A='b  $c'")
  assert tpu_vm('run', 'st', *WHERE, '--', *command).returncode == 0
  ended = tpu_vm('tail', 'st', *WHERE)
  assert ended.returncode == 0, ended.stderr
  assert str(["--gin.A='b  $c'", '--multiprocess']) in ended.stdout
  tpu_vm('run', 'st', *WHERE, '--', *command, 'more')
  ended = tpu_vm('tail', 'st', *WHERE)
  assert ended.returncode == 1
  assert 'the run on st failed' in ended.stderr


def test_a_run_is_stopped_and_is_the_only_one(tpu_vm):
  code = 'import time; print("started", flush=True); time.sleep(50)'
  command = (sys.executable, '-c', code)
  tpu_vm('run', 'st', *WHERE, '--', *command)
  again = tpu_vm('run', 'st', *WHERE, '--', *command)
  assert again.returncode == 1
  assert 'a run is going on' in again.stderr
  assert tpu_vm('stop', 'st', *WHERE).returncode == 0
  assert 'started' in tpu_vm('tail', 'st', *WHERE).stdout


def test_all_installs_before_it_runs(tpu_vm, tmp_path):
  ended = tpu_vm('all', 'st', *WHERE, *CREATE, '--', 'echo', 'trained')
  assert ended.returncode == 0, ended.stderr
  assert 'trained --multiprocess' in ended.stdout
  assert 'st is still there, and costs' in ended.stdout
  assert [call[:2] for call in calls(tmp_path)] == [
    ['queued-resources', 'create'],
    ['queued-resources', 'describe'],
    ['tpu-vm', 'scp'],
    ['tpu-vm', 'ssh'],
    ['tpu-vm', 'ssh'],
    ['tpu-vm', 'ssh'],
  ]


def test_a_failure_deletes_nothing(tpu_vm, tmp_path):
  (tmp_path / 'fails').write_text('scp')
  ended = tpu_vm('all', 'st', *WHERE, *CREATE, '--', 'true')
  assert ended.returncode == 1
  assert 'cannot copy the code to st' in ended.stderr
  assert 'launch/tpu_vm.sh delete st' in ended.stdout
  assert calls(tmp_path)[-1][1] == 'scp'


def test_what_a_dry_run_prints_can_be_pasted(tpu_vm, tmp_path):
  everything = ('all', 'st', *WHERE, *CREATE, '--', 'echo', "--gin.A='b $c'")
  assert tpu_vm(*everything).returncode == 0
  expected = (tmp_path / 'calls').read_text()
  (tmp_path / 'calls').unlink()
  printed = tpu_vm(*everything[:2], '--dry_run', *everything[2:]).stdout
  assert not (tmp_path / 'calls').exists()
  assert tpu_vm(script=('-c', printed)).returncode == 0
  assert (tmp_path / 'calls').read_text() == expected


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('create',), 'a subcommand and a NAME'),
    (('create', 'A b'), "NAME is 'A b'"),
    (('create', 'st', '--zone=z'), 'say which project'),
    (('create', 'st', '--project=p'), 'say which zone'),
    (('create', 'st', *WHERE), 'needs --type and --version'),
    (('run', 'st', *WHERE), 'needs a command'),
    (('wait', 'st', *WHERE, '--timeout_minutes=x'), "'x' is no number"),
    (('wait', 'st', *WHERE, '--tpu=4'), 'no option --tpu=4'),
    (('fly', 'st', *WHERE), 'no subcommand fly'),
  ],
)
def test_bad_arguments_are_named(tpu_vm, arguments, message):
  ended = tpu_vm(*arguments)
  assert ended.returncode == 2
  assert message in ended.stderr


def test_a_missing_gcloud_is_named(tpu_vm, tmp_path):
  ended = tpu_vm('wait', 'st', *WHERE, PATH=str(tmp_path))
  assert 'gcloud is not installed' in ended.stderr
