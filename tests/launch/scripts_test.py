"""What all the launchers have in common."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest

LAUNCH = pathlib.Path(__file__).parents[2] / 'launch'
PROGRAMS = sorted([*LAUNCH.glob('*.sh'), LAUNCH / 'slurm.sbatch'])
SCRIPTS = [*PROGRAMS, *sorted(LAUNCH.glob('lib/*.sh'))]


def test_shellcheck_finds_nothing():
  beside = pathlib.Path(sys.executable).parent / 'shellcheck'
  shellcheck = shutil.which('shellcheck') or shutil.which(beside)
  if not shellcheck:
    pytest.skip("shellcheck is not installed; pip install '.[test]' has it")
  ended = subprocess.run(
    [shellcheck, '--external-sources', *SCRIPTS],
    capture_output=True,
    text=True,
    cwd=LAUNCH.parent,
  )
  assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize('script', PROGRAMS, ids=lambda path: path.name)
def test_help_is_printed_and_is_no_error(launch, script):
  ended = launch('--help', script=script.name)
  assert (ended.returncode, ended.stderr) == (0, '')
  assert f'launch/{script.name}' in ended.stdout
  assert '--dry_run' in ended.stdout


@pytest.mark.parametrize('script', PROGRAMS, ids=lambda path: path.name)
def test_a_launcher_can_be_executed(script):
  assert os.access(script, os.X_OK)


def test_dry_runs_print_the_commands_of_a_laptop(launch, tmp_path):
  of_pod = launch('--dry_run', '2', '4', '--', 'python', script='local_pod.sh')
  of_run = launch('--dry_run', 'runs/q', script='quickstart.sh')
  for ended, count, start in (
    (of_run, 5, 'python -m symbol_'),
    (of_pod, 2, 'env JAX_COORDINATOR'),
  ):
    lines = ended.stdout.splitlines()
    assert len(lines) == count
    assert all(line.startswith(start) for line in lines)
  assert [path.name for path in tmp_path.iterdir()] == ['bin']


PLACE = '--project=p --zone=z'
WHAT = '--cluster=c --type=v5litepod-16 --image=r/i:1'


@pytest.mark.parametrize(
  ('command', 'message'),
  [
    ('local_pod.sh', "N, processes, is ''"),
    ('local_pod.sh 2', "M, devices of a process, is ''"),
    ('local_pod.sh 0 1 -- true', "N, processes, is '0'"),
    ('local_pod.sh 2 1', 'the command stands after --'),
    ('slurm.sbatch', 'a command is needed'),
    ('slurm.sbatch true', 'this is for sbatch'),
    ('tpu_vm.sh create', 'a subcommand and a NAME'),
    ("tpu_vm.sh create 'A b'", "NAME is 'A b'"),
    ('tpu_vm.sh create st --zone=z', 'say which project'),
    ('tpu_vm.sh create st --project=p', 'say which zone'),
    (f'tpu_vm.sh create st {PLACE}', 'needs --type and --version'),
    (f'tpu_vm.sh create st {PLACE} --spot --reserved', 'not both'),
    (f'tpu_vm.sh run st {PLACE}', 'needs a command'),
    (f'tpu_vm.sh watch st {PLACE}', 'needs a command'),
    (f'tpu_vm.sh wait st {PLACE} --timeout_minutes=x', "'x' is no number"),
    (f'tpu_vm.sh wait st {PLACE} --network=n', 'no option --network=n'),
    (f'tpu_vm.sh fly st {PLACE}', 'no subcommand fly'),
    ('xpk.sh run', 'a subcommand and a NAME'),
    (f'xpk.sh run st {PLACE}', 'say which cluster'),
    (f'xpk.sh run st {PLACE} --cluster=c', 'needs --type and --image'),
    (f'xpk.sh run st {PLACE} {WHAT}', 'needs a command'),
    (f'xpk.sh run st {PLACE} --cluster=c --spot', 'no option --spot'),
    (f'xpk.sh fly st {PLACE} --cluster=c', 'no subcommand fly'),
  ],
)
def test_bad_arguments_are_named(launch, command, message):
  script, *arguments = shlex.split(command)
  ended = launch(*arguments, script=script)
  assert ended.returncode == 2
  assert message in ended.stderr
