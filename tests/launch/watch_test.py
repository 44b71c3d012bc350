"""Watches runs whose slices are taken, refused and lost."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

WATCH = (
  *('watch', 'st', '--project=lab', '--zone=us-west4-a', '--spot'),
  *('--type=v5litepod-16', '--version=v2-alpha-tpuv5-lite'),
)

# A run that trains to step 3, one step a start, as one that is preempted; the
# files of its MODEL_DIR outlive its slice.
TRAINS = """
import os, pathlib, sys, time
steps = pathlib.Path(sys.argv[1])
steps.write_text(steps.read_text() + 'x' if steps.exists() else 'x')
print('at step', len(steps.read_text()), flush=True)
if len(steps.read_text()) >= 3: sys.exit(0)
status = sys.argv[2]
sys.exit(int(status)) if status.isdigit() else time.sleep(100)
"""


@pytest.fixture
def watch(tpu_vm, tmp_path):
  """A function that watches the run; `ends` says how, before the last step."""

  def run(*plan, ends='never', tries=6, **variables):
    return tpu_vm(
      *(*WATCH, f'--tries={tries}', '--'),
      *(sys.executable, '-c', TRAINS, str(tmp_path / 'steps'), ends),
      plan=plan,
      **variables,
    )

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
  assert (tmp_path / 'steps').read_text() == 'xxx'
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
  assert all('at step' in log for log in logs)
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
  assert not (tmp_path / 'steps').exists()


def test_a_slice_that_cannot_be_deleted_is_told(watch, tmp_path):
  (tmp_path / 'fails').write_text('delete')
  ended = watch(PREEMPTED)
  assert ended.returncode == 1
  assert 'st was NOT deleted, and costs; 1 slices created' in ended.stderr
  assert 'launch/tpu_vm.sh delete st' in ended.stderr
  assert allocated(tmp_path) == ['st']


def test_who_stops_watching_is_told_what_costs(tmp_path, fake_tools):
  fake_tools('fake_gcloud.py', 'gcloud')
  (tmp_path / 'plan').write_text('[{}]')
  script = os.path.join(os.path.dirname(__file__), '../../launch/tpu_vm.sh')
  watching = subprocess.Popen(
    ['bash', script, *WATCH, '--', 'sleep', '100'],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env={
      'PATH': f'{tmp_path / "bin"}:{os.environ["PATH"]}',
      'HOME': str(tmp_path),
      'TMPDIR': str(tmp_path),
      'FAKES': str(tmp_path),
      'TPU_POLL_SECONDS': '0.2',
    },
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
