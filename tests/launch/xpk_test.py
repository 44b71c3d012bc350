"""Runs launch/xpk.sh and the image's Dockerfile with tools that pretend."""

import functools
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
WHERE = ('--cluster=lab', '--project=p', '--zone=us-west4-a')
WHAT = ('--type=v5litepod-16', '--image=us-docker.pkg.dev/p/r/symbol_tuning:1')


@pytest.fixture
def xpk(launch):
  return functools.partial(launch, script='xpk.sh')


@pytest.mark.parametrize(
  ('statuses', 'starts', 'last'),
  [
    ((0,), 1, '0'),
    ((143, 75, 0), 3, '0'),
    ((143, 1, 0), 2, '1'),
    ((75, 75, 75, 75), 4, '75'),
  ],
  ids=['done', 'preempted and hung', 'error', 'given up'],
)
def test_a_workload_is_started_again_as_its_status_asks(
  xpk, job, tmp_path, statuses, starts, last
):
  ended = xpk(
    *('run', 'st', *WHERE, *WHAT, '--num_slices=2', '--max_restarts=3'),
    *('--', *job(*statuses)),
  )
  assert ended.returncode == 0, ended.stderr
  assert 'The node pools of lab cost until they are deleted' in ended.stdout
  assert (tmp_path / 'starts').read_text() == '--multiprocess\n' * starts
  assert (tmp_path / 'workload').read_text() == last


def test_what_xpk_is_told(xpk, calls):
  command = ('--xpk_flags', '--spot', '--env=A=b', '--', 'true', "--gin.A='b'")
  assert xpk('run', 'st', *WHERE, *WHAT, *command).returncode == 0
  (told,) = calls()
  assert {*WHERE, '--num-slices=1', '--spot', '--env=A=b'} <= set(told)
  assert "--command=exec true --gin.A=\\'b\\' --multiprocess" in told


@pytest.mark.parametrize('subcommand', ['status', 'wait', 'logs', 'delete'])
def test_every_subcommand_is_one_that_the_tools_take(xpk, calls, subcommand):
  ended = xpk(subcommand, 'st', *WHERE)
  assert ended.returncode == 0, ended.stderr
  assert any('st' in word for word in calls()[0])


@pytest.mark.parametrize(
  ('fails', 'arguments', 'says'),
  [
    ('create', ('run', 'st', *WHERE, *WHAT, '--', 'true'), 'was not started'),
    ('delete', ('delete', 'st', *WHERE), 'st was NOT deleted'),
    ('logs', ('logs', 'st', *WHERE), 'finds no logs of st'),
    ('push', ('image', 'r/i:1'), 'r/i:1 was not pushed'),
    ('build', ('image', 'r/i:1'), 'was not built'),
  ],
)
def test_what_fails_is_told(xpk, tmp_path, fails, arguments, says):
  (tmp_path / 'fails').write_text(fails)
  ended = xpk(*arguments)
  assert ended.returncode == 1
  assert 'permission denied' in ended.stderr
  assert says in ended.stderr


def test_a_dry_run_calls_nothing_and_can_be_pasted(xpk, launch, calls):
  told = ('run', 'st', *WHERE, *WHAT, '--', 'true', "--gin.A='b'")
  printed = xpk(*told[:2], '--dry_run', *told[2:]).stdout
  assert calls() == []
  assert launch('-c', printed).returncode == 0
  assert xpk(*told).returncode == 0
  pasted, run = calls()
  assert pasted == run


def test_the_image_holds_the_commit(xpk, tmp_path):
  assert xpk('image', 'r/i:1').returncode == 0
  with tarfile.open(tmp_path / 'context') as context:
    assert {'setup.py', 'launch/Dockerfile'} <= set(context.getnames())


def test_the_image_is_built_from_setup_py_and_runs_as_nobody(tmp_path):
  """Docker is not needed: the same files are copied, the same pip is run."""
  lines = (ROOT / 'launch' / 'Dockerfile').read_text().splitlines()
  copied = [line.split()[1:-1] for line in lines if line.startswith('COPY')]
  for name in (name for names in copied for name in names):
    target = tmp_path / 'context' / name
    target.parent.mkdir(exist_ok=True)
    subprocess.run(['cp', '-r', ROOT / name, target], check=True)
  subprocess.run(
    [
      *(sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps'),
      *('--no-build-isolation', f'--wheel-dir={tmp_path}'),
      tmp_path / 'context',
    ],
    check=True,
  )
  (wheel,) = tmp_path.glob('*.whl')
  names = zipfile.ZipFile(wheel).namelist()
  assert 'symbol_tuning/train.py' in names
  assert 'symbol_tuning/tasks/__init__.py' in names
  assert 'symbol_tuning/configs/runs/train.gin' in names
  extras = next(line for line in lines if line.startswith('ARG EXTRAS'))
  metadata = zipfile.ZipFile(wheel).read(
    next(name for name in names if name.endswith('/METADATA'))
  )
  for extra in re.findall(r'\w+', extras.split('=')[1]):
    assert f'Provides-Extra: {extra}' in metadata.decode()
  assert lines.index('USER $UID') < next(
    i for i, line in enumerate(lines) if line.startswith('CMD')
  )
  assert 'ARG UID=10001' in lines
