"""Tests that what users type reaches their command as it is, and no shell."""

import json
import pathlib
import shlex
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'launch' / 'slurm.sbatch'
PLACE = ('--project=lab', '--zone=us-west4-a')
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
def command(tmp_path):
  return (sys.executable, '-c', TELL, str(tmp_path / 'it is told'), *TYPED)


@pytest.fixture
def arrived(tmp_path):
  """A function that asserts that the command was told what was typed."""

  def check():
    told = json.loads((tmp_path / 'it is told').read_text())
    assert told == [*TYPED, '--multiprocess']
    assert not list(tmp_path.rglob('pwned'))

  return check


def test_on_cloud_tpu(tpu_vm, slice_there, command, arrived):
  slice_there()
  assert tpu_vm('run', 'st', *PLACE, '--', *command).returncode == 0
  ended = tpu_vm('tail', 'st', *PLACE)
  assert ended.returncode == 0, ended.stdout + ended.stderr
  arrived()


def test_on_gke(launch, fake_tools, command, arrived):
  fake_tools('fake_cluster.py', 'xpk', 'kubectl', 'docker')
  what = ('--cluster=lab', '--type=v5litepod-16', '--image=r/i:1')
  ended = launch(*('run', 'st', *PLACE, *what, '--', *command), script='xpk.sh')
  assert ended.returncode == 0, ended.stderr
  arrived()


def test_on_slurm(launch, fake_tools, command, arrived):
  fake_tools('fake_cluster.py', 'sbatch', 'srun', 'scontrol')
  ended = launch('-c', f'sbatch --nodes=1 {SCRIPT} {shlex.join(command)}')
  assert ended.returncode == 0, ended.stderr
  arrived()
