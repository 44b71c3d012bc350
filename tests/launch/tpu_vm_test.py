"""Runs launch/tpu_vm.sh with a gcloud that only pretends."""

import json

import pytest

WHERE = ('--project=lab', '--zone=us-west4-a')
CREATE = ('--type=v5litepod-16', '--version=v2-alpha-tpuv5-lite')


@pytest.fixture
def told(calls):
  """A function that returns calls of gcloud from the verb on, but the place."""

  def read():
    queued = [call[4:] for call in calls() if call[1] == 'compute']
    assert all(set(WHERE) <= set(call) for call in queued)
    return [[a for a in call if a not in WHERE] for call in queued]

  return read


def test_a_slice_is_created_as_asked(tpu_vm, told):
  ended = tpu_vm(
    *('create', *CREATE, '--spot'),
    *('--create_flags', '--network=lab', '--valid-until-duration=6h'),
    *('--ssh_flags', '--internal-ip'),
  )
  assert ended.returncode == 0, ended.stderr
  [call] = told()
  assert ' '.join(call) == (
    'create st --node-id=st --accelerator-type=v5litepod-16 '
    '--runtime-version=v2-alpha-tpuv5-lite --spot --network=lab '
    '--valid-until-duration=6h'
  )


def test_flags_of_ssh_reach_ssh_and_scp(tpu_vm, slice_there, told):
  slice_there()
  flags = ('--ssh_flags', '--internal-ip')
  assert tpu_vm('install', *flags).returncode == 0
  assert tpu_vm('ssh', *flags, '--', 'true').returncode == 0
  assert [call[0] for call in told()] == ['scp', 'ssh', 'ssh']
  assert all('--internal-ip' in call for call in told())


def test_slices_are_asked_for_together_and_all_reached(tpu_vm, told, tmp_path):
  tpu_vm('create', *CREATE, '--node_count=2', plan=[{'hosts': 4}])
  tpu_vm('install', plan=[{'hosts': 4}])
  tpu_vm('ssh', '--', 'touch ~/reached')
  created, *reached = told()
  assert {'--node-count=2', '--node-prefix=st'} <= set(created)
  assert all({'--node=all', '--worker=all'} <= set(call) for call in reached)
  assert len(list(tmp_path.glob('host-*/reached'))) == 4


def test_waiting_shows_progress_and_ends(tpu_vm, slice_there):
  slice_there(states=['WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE'])
  ended = tpu_vm('wait')
  assert ended.returncode == 0
  assert 'PROVISIONING after 0 min' in ended.stdout
  slice_there(states=['PROVISIONING', 'FAILED'])
  ended = tpu_vm('wait')
  assert ended.returncode == 1
  assert 'st is FAILED' in ended.stderr


@pytest.mark.parametrize(
  ('arguments', 'says'),
  [
    ((*CREATE, '--create_flags', '--tpu=4'), 'unrecognized arguments: --tpu=4'),
    (CREATE, 'no quota left'),
  ],
)
def test_what_gcloud_refuses_is_passed_on(tpu_vm, arguments, says):
  ended = tpu_vm('create', *arguments, plan=[{'create': 'refused'}])
  assert ended.returncode == 1
  assert says in ended.stderr
  assert 'st was not created' in ended.stderr


def test_a_run_is_started_followed_and_its_status_told(
  tpu_vm, slice_there, job
):
  slice_there()
  for number, status in ((1, 0), (2, 1)):
    assert tpu_vm('run', '--', *job(0, 1)).returncode == 0
    ended = tpu_vm('tail')
    assert ended.returncode == status, ended.stderr
    assert f'at start {number}' in ended.stdout
  assert 'the run on st failed' in ended.stderr


def test_a_run_is_stopped_and_is_the_only_one(tpu_vm, slice_there, job):
  slice_there()
  tpu_vm('run', '--', *job('never'))
  again = tpu_vm('run', '--', *job('never'))
  assert again.returncode == 1
  assert 'a run is going on' in again.stderr
  assert tpu_vm('stop').returncode == 0
  assert 'at start 1' in tpu_vm('tail').stdout


def test_logs_of_every_host_are_kept_in_the_bucket_and_copied(
  tpu_vm, slice_there, tmp_path
):
  slice_there(hosts=2)
  command = ('bash', '-c', 'echo from $HOME', "--gin.MODEL_DIR='gs://b/run'")
  assert tpu_vm('run', '--', *command).returncode == 0
  assert tpu_vm('tail').returncode == 0
  assert tpu_vm('logs').returncode == 0
  for number in range(2):
    log = (tmp_path / 'st-logs' / f'{number}.log').read_text()
    assert f'host-{number}' in log
  kept = [path.read_text() for path in (tmp_path / 'b/run/logs').iterdir()]
  assert kept
  assert all('from ' in log for log in kept)


def test_a_log_that_cannot_be_kept_says_so(tpu_vm, slice_there, tmp_path):
  slice_there()
  (tmp_path / 'fails').write_text('storage cp')
  tpu_vm('run', '--log_dir=gs://b', '--', 'echo', 'trained')
  log = tpu_vm('tail').stdout
  assert 'this log is not in gs://b' in log
  assert 'permission denied' in log


def test_all_installs_before_it_runs(tpu_vm, told):
  ended = tpu_vm('all', *CREATE, '--', 'echo', 'trained')
  assert ended.returncode == 0, ended.stderr
  assert 'trained --multiprocess' in ended.stdout
  assert 'st is still there, and costs' in ended.stdout
  verbs = [call[0] for call in told()]
  assert verbs == ['create', 'describe', 'scp', 'ssh', 'ssh', 'ssh']


def test_a_failure_deletes_nothing(tpu_vm, told, tmp_path):
  (tmp_path / 'fails').write_text('scp')
  ended = tpu_vm('all', *CREATE, '--', 'true')
  assert ended.returncode == 1
  assert 'cannot copy the code to st' in ended.stderr
  assert 'launch/tpu_vm.sh delete st' in ended.stdout
  assert told()[-1][0] == 'scp'


def test_a_slice_that_was_not_deleted_is_told(tpu_vm, slice_there, tmp_path):
  slice_there()
  (tmp_path / 'fails').write_text('delete')
  ended = tpu_vm('delete')
  assert ended.returncode == 1
  assert 'st was NOT deleted, and costs' in ended.stderr


@pytest.mark.parametrize('subcommand', ['all', 'watch'])
def test_what_a_dry_run_prints_can_be_pasted(
  tpu_vm, launch, told, tmp_path, subcommand
):
  command = (*CREATE, '--', 'echo', "--gin.A='b $c'")
  printed = tpu_vm(subcommand, '--dry_run', *command).stdout
  assert told() == []
  assert launch('-c', printed).returncode == 0
  verbs = ['create', 'describe', 'scp', 'ssh', 'ssh']
  verbs.append('ssh' if subcommand == 'all' else 'delete')
  assert [call[0] for call in told()] == verbs
  assert "--gin.A='b $c'" in (tmp_path / 'calls').read_text().replace('\\', '')


def test_a_missing_gcloud_is_named(tpu_vm, tmp_path):
  (tmp_path / 'bin' / 'gcloud').unlink()
  tools = tmp_path / 'bin'
  for name in ('basename', 'dirname'):
    (tools / name).symlink_to(f'/usr/bin/{name}')
  ended = tpu_vm('wait', PATH=str(tools))
  assert 'gcloud is not installed' in ended.stderr


def test_a_slice_that_exists_is_not_asked_for_twice(
  tpu_vm, slice_there, tmp_path
):
  slice_there()
  ended = tpu_vm('watch', *CREATE, '--', 'true')
  assert ended.returncode == 1
  assert 'ALREADY_EXISTS' in ended.stderr
  assert list(json.loads((tmp_path / 'slices').read_text())) == ['st']
