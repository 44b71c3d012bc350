"""Submits launch/slurm.sbatch to a SLURM that pretends."""

import pathlib
import shlex

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'launch' / 'slurm.sbatch'


@pytest.fixture
def submit(launch, job):
  """A function that submits a job which ends, in turn, with each status."""

  def run(*statuses, **variables):
    command = shlex.join([*job(*statuses), "--gin.A='b'"])
    return launch('-c', f'sbatch --nodes=2 {SCRIPT} {command}', **variables)

  return run


@pytest.mark.parametrize(
  ('statuses', 'starts', 'status', 'says'),
  [
    ((0,), 1, 0, 'done, after 0 restarts'),
    ((143, 75, 134, 0), 4, 0, 'done, after 3 restarts'),
    ((143, 2, 0), 2, 2, 'failed with status 2'),
    ((75,) * 9, 4, 75, 'given up after 3 restarts'),
  ],
  ids=['done', 'preempted, hung and lost', 'error', 'given up'],
)
def test_a_job_comes_back_as_its_status_asks(
  submit, tmp_path, statuses, starts, status, says
):
  ended = submit(*statuses, MAX_RESTARTS='3')
  assert ended.returncode == status
  assert says in ended.stdout + ended.stderr
  lines = (tmp_path / 'starts').read_text().splitlines()
  assert lines == ["--gin.A='b' --multiprocess"] * starts


def test_a_job_that_cannot_be_queued_again_says_so(submit, tmp_path):
  (tmp_path / 'fails').write_text('scontrol')
  ended = submit(143)
  assert ended.returncode == 143
  assert 'could not be queued again' in ended.stderr


def test_a_dry_run_needs_no_slurm(launch, calls):
  ended = launch('--dry_run', 'python', "--gin.A='b'", script='slurm.sbatch')
  assert ended.returncode == 0
  assert ended.stdout.split()[0] == 'srun'
  assert "--gin.A=\\'b\\' --multiprocess" in ended.stdout
  assert calls() == []
