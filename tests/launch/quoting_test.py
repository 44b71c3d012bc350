"""Tests that what users type reaches their command as it is, and no shell."""

import json
import pathlib
import shlex
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'launch' / 'slurm.sbatch'
TYPED = (
  "--gin.A='b  $c'",
  '$(touch pwned)',
  '`touch pwned`',
  '; touch pwned;',
  'a"b\\c',
  '*',
  'é\nsecond line',
  '',
)
TELL = """
import json, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))
"""


@pytest.fixture
def told(tmp_path):
  """Where the command writes what it was told."""
  return tmp_path / 'it is told'


@pytest.fixture
def command(told):
  return sys.executable, '-c', TELL, str(told), *TYPED


def assert_told_as_typed(told):
  assert json.loads(told.read_text()) == [*TYPED, '--multiprocess']
  assert not list(told.parent.rglob('pwned'))


def test_on_cloud_tpu(tpu_vm, slice_there, command, told):
  slice_there()
  assert tpu_vm('run', '--', *command).returncode == 0
  ended = tpu_vm('tail')
  assert ended.returncode == 0, ended.stdout + ended.stderr
  assert_told_as_typed(told)


def test_on_gke(launch, command, told):
  what = ('--cluster=lab', '--type=v5litepod-16', '--image=r/i:1')
  place = ('--project=lab', '--zone=us-west4-a')
  ended = launch(*('run', 'st', *place, *what, '--', *command), script='xpk.sh')
  assert ended.returncode == 0, ended.stderr
  assert_told_as_typed(told)


def test_on_slurm(launch, command, told):
  ended = launch('-c', f'sbatch --nodes=1 {SCRIPT} {shlex.join(command)}')
  assert ended.returncode == 0, ended.stderr
  assert_told_as_typed(told)
