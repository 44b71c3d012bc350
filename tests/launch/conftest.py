"""Fixtures of the launchers' tests: fake tools in front of the PATH."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
LAUNCH = HERE.parents[1] / 'launch'
TOOLS = ('gcloud', 'xpk', 'kubectl', 'docker', 'sbatch', 'srun', 'scontrol')
# Ends with one status after the other; tells what each start was told.
JOB = """
import pathlib, sys, time
starts, statuses, *arguments = sys.argv[1:]
with open(starts, 'a') as file: print(*arguments, file=file)
number = len(open(starts).readlines())
print('at start', number, flush=True)
status = statuses.split(',')[number - 1]
time.sleep(100) if status == 'never' else sys.exit(int(status))
"""


@pytest.fixture
def environment(tmp_path):
  """The environment in which the real tools' names are those of fakes."""
  folder = tmp_path / 'bin'
  folder.mkdir()
  for name in TOOLS:
    fake = f'{sys.executable} -S {HERE / "fake_tools.py"} {name}'
    (folder / name).write_text(f'#!/bin/sh\nexec {fake} "$@"\n')
    (folder / name).chmod(0o755)
  return {
    'PATH': f'{folder}:{os.environ["PATH"]}',
    **dict.fromkeys(('HOME', 'TMPDIR', 'FAKES'), str(tmp_path)),
    'TPU_POLL_SECONDS': '0.1',
    'LOG_PERIOD_SECONDS': '0.2',
  }


@pytest.fixture
def launch(tmp_path, environment):
  """A function that runs a launcher, or bash -c, where the fakes are."""

  def run(*arguments, script=None, **variables):
    return subprocess.run(
      [
        shutil.which('bash'),
        *([LAUNCH / script] if script else []),
        *arguments,
      ],
      capture_output=True,
      text=True,
      timeout=100,
      stdin=subprocess.DEVNULL,
      cwd=tmp_path,
      env=environment | variables,
    )

  return run


@pytest.fixture
def tpu_vm(tmp_path, launch):
  """A function that runs a subcommand of tpu_vm.sh on the slice `st`.

  `plan` says what becomes of the slices that are asked for.
  """

  def run(subcommand, *arguments, plan=({},), **variables):
    (tmp_path / 'plan').write_text(json.dumps(plan))
    place = ('--project=lab', '--zone=us-west4-a')
    command = (subcommand, 'st', *place, *arguments)
    return launch(*command, script='tpu_vm.sh', **variables)

  return run


@pytest.fixture
def slice_there(tmp_path, tpu_vm):
  """Allocates the slice `st` before the test, and installs on it."""

  def allocate(**slice_plan):
    (tmp_path / 'slices').write_text(
      json.dumps({'st': {'states': ['ACTIVE']} | slice_plan})
    )
    assert tpu_vm('install').returncode == 0
    (tmp_path / 'calls').unlink()

  return allocate


@pytest.fixture
def calls(tmp_path):
  """A function that returns what the fakes were told."""

  def read():
    path = tmp_path / 'calls'
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]

  return read


@pytest.fixture
def job(tmp_path):
  """A function that gives a command which ends, in turn, with each status.

  Each start adds a line to the file `starts`: its further arguments.
  """

  def command(*statuses):
    ends = ','.join(map(str, statuses))
    return sys.executable, '-c', JOB, str(tmp_path / 'starts'), ends

  return command
