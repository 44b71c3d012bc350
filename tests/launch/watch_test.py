"""Watches runs whose slices are taken, refused and lost."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

WHAT = ('--spot', '--type=v5litepod-16', '--version=v2-alpha-tpuv5-lite')


@pytest.fixture
def watch(tpu_vm, job):
  """A function that watches a run of three starts.

  It is as one that is preempted: the files of its MODEL_DIR outlive its slice.
  `ends` says how the first two starts end.
  """

  def run(*plan, ends='never', tries=6, **variables):
    command = ('watch', *WHAT, f'--tries={tries}', '--', *job(ends, ends, 0))
    return tpu_vm(*command, plan=plan, **variables)

  return run


def allocated(folder):
  path = folder / 'slices'
  return list(json.loads(path.read_text())) if path.exists() else []


PREEMPTED = {'states': ['PROVISIONING', 'ACTIVE', 'ACTIVE', 'SUSPENDED']}


@pytest.mark.parametrize(
  ('plan', 'ends', 'slices'),
  [
    ([PREEMPTED, PREEMPTED, {}], 'never', 3),
    ([PREEMPTED, {'create': 'refused'}, PREEMPTED, {}], 'never', 3),
    ([PREEMPTED, {'states': ['FAILED']}, PREEMPTED, {}], 'never', 4),
    ([{'lost': 0}, PREEMPTED, PREEMPTED, {}], 'never', 4),
    ([{'hosts': 1}], '75', 1),
    ([{'hosts': 1}], '143', 1),
  ],
  ids=['preempted', 'refused', 'failed', 'host lost', 'hung', 'terminated'],
)
def test_the_run_comes_back_and_its_slice_is_given_back(
  watch, tmp_path, plan, ends, slices
):
  ended = watch(*plan, ends=ends)
  assert ended.returncode == 0, ended.stdout + ended.stderr
  assert (tmp_path / 'starts').read_text() == '--multiprocess\n' * 3
  assert f'the run is done; {slices} slices created (1 × v5' in ended.stdout
  assert allocated(tmp_path) == []


def test_a_slice_that_comes_without_an_answer_is_given_back(watch, tmp_path):
  ended = watch({'create': 'slow'}, {}, ends='75', TPU_CALL_SECONDS='2')
  assert ended.returncode == 0, ended.stdout + ended.stderr
  assert '2 slices created' in ended.stdout
  assert allocated(tmp_path) == []


def test_an_error_ends_all_and_leaves_the_logs(watch, tmp_path):
  ended = watch({'hosts': 2}, ends='3')
  assert ended.returncode == 3
  assert 'failed with status 3' in ended.stderr
  assert '1 slices created' in ended.stderr
  logs = [path.read_text() for path in (tmp_path / 'st-logs').iterdir()]
  assert len(logs) == 2
  assert all('at start' in log for log in logs)
  assert allocated(tmp_path) == []


def test_it_gives_up_after_the_tries(watch, tmp_path):
  ended = watch(PREEMPTED, tries=2)
  assert ended.returncode == 1
  assert 'given up after 2 starts; 2 slices created' in ended.stderr
  assert allocated(tmp_path) == []


def test_a_first_refusal_ends_it(watch, tmp_path):
  ended = watch({'create': 'refused'})
  assert ended.returncode == 1
  assert 'no quota left' in ended.stderr
  assert not (tmp_path / 'starts').exists()


def test_a_slice_that_cannot_be_deleted_is_told(watch, tmp_path):
  (tmp_path / 'fails').write_text('delete')
  ended = watch(PREEMPTED)
  assert ended.returncode == 1
  assert 'st was NOT deleted, and costs; 1 slices created' in ended.stderr
  assert 'launch/tpu_vm.sh delete st' in ended.stderr
  assert allocated(tmp_path) == ['st']


def test_who_stops_watching_is_told_what_costs(tmp_path, environment):
  (tmp_path / 'plan').write_text('[{}]')
  script = pathlib.Path(__file__).parents[2] / 'launch' / 'tpu_vm.sh'
  place = ('--project=lab', '--zone=us-west4-a')
  watching = subprocess.Popen(
    ['bash', script, 'watch', 'st', *place, *WHAT, '--', 'sleep', '100'],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=environment,
  )
  deadline = time.monotonic() + 60
  while not (tmp_path / 'host-0/run/pid').exists():
    assert time.monotonic() < deadline
    time.sleep(0.1)
  watching.send_signal(signal.SIGTERM)
  _, stderr = watching.communicate(timeout=60)
  assert watching.returncode == 143
  assert 'st is still there, and costs; 1 slices created' in stderr
  os.killpg(int((tmp_path / 'host-0/run/pid').read_text()), signal.SIGKILL)
