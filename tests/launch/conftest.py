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


@pytest.fixture
def fake_tools(tmp_path):
  """A function that puts a fake on the PATH under the names of real tools."""
  folder = tmp_path / 'bin'
  folder.mkdir()

  def add(fake, *names):
    for name in names:
      tool = folder / name
      python = f'{sys.executable} -S {HERE / fake} {name}'
      tool.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
      tool.chmod(0o755)

  return add


@pytest.fixture
def launch(tmp_path):
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
      env={
        'PATH': f'{tmp_path / "bin"}:{os.environ["PATH"]}',
        'HOME': str(tmp_path),
        'TMPDIR': str(tmp_path),
        'FAKES': str(tmp_path),
        'TPU_POLL_SECONDS': '0.1',
        'LOG_PERIOD_SECONDS': '0.2',
        **variables,
      },
    )

  return run


@pytest.fixture
def tpu_vm(tmp_path, fake_tools, launch):
  """A function that runs tpu_vm.sh beside a fake gcloud.

  `plan` says what becomes of the slices that are asked for.
  """
  fake_tools('fake_gcloud.py', 'gcloud')

  def run(*arguments, plan=({},), script='tpu_vm.sh', **variables):
    (tmp_path / 'plan').write_text(json.dumps(plan))
    return launch(*arguments, script=script, **variables)

  return run


@pytest.fixture
def slice_there(tmp_path, tpu_vm):
  """Allocates the slice `st` before the test, and installs on it."""

  def allocate(**slice_plan):
    place = ('--project=lab', '--zone=us-west4-a')
    (tmp_path / 'slices').write_text(
      json.dumps({'st': {'states': ['ACTIVE']} | slice_plan})
    )
    assert tpu_vm('install', 'st', *place).returncode == 0
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
