import errno
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from symbol_tuning import files
from symbol_tuning.files import locks

HOLD = textwrap.dedent("""
  import pathlib, sys, time
  from symbol_tuning import files
  with files.only_writer(pathlib.Path(sys.argv[1]), 'MODEL_DIR'):
    print('holds', flush=True)
    time.sleep(600)
""")


@pytest.fixture
def holder(tmp_path):
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path)],
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'holds\n'
  yield process
  process.kill()
  process.wait()


def test_a_second_writer_is_refused_and_told_who_the_first_is(holder, tmp_path):
  message = rf'{tmp_path} is written by process {holder.pid} on .* MODEL_DIR'
  with (
    pytest.raises(BlockingIOError, match=message),
    files.only_writer(tmp_path, 'MODEL_DIR'),
  ):
    pass


def test_the_lock_of_a_process_that_was_killed_is_broken_and_it_is_said(
  holder, tmp_path, capsys
):
  os.kill(holder.pid, signal.SIGKILL)
  holder.wait()
  with files.only_writer(tmp_path, 'MODEL_DIR'):
    pass
  assert f'held by process {holder.pid}' in capsys.readouterr().out


def test_a_stopped_process_keeps_its_lock(holder, tmp_path):
  os.kill(holder.pid, signal.SIGSTOP)
  with pytest.raises(BlockingIOError), files.only_writer(tmp_path, 'MODEL_DIR'):
    pass


def test_a_folder_is_free_after_its_writer(tmp_path, capsys):
  for _ in range(2):
    with files.only_writer(tmp_path / 'new', 'MODEL_DIR'):
      assert (tmp_path / 'new').is_dir()
  assert not capsys.readouterr().out


@pytest.mark.parametrize('lives', [True, False])
def test_a_writer_on_another_host_is_known_by_its_heartbeat(
  tmp_path, monkeypatch, lives
):
  monkeypatch.setattr(locks, 'BEAT_SECONDS', 0.05)
  path = tmp_path / locks.FILE
  beats = iter(range(1000))

  def write():
    beat = next(beats) if lives else 0
    values = {'host': 'another', 'pid': 7, 'since': 'noon', 'beat': beat}
    path.write_text(json.dumps(values))

  write()
  monkeypatch.setattr(locks.time, 'sleep', lambda _: write())
  if lives:
    with (
      pytest.raises(BlockingIOError, match='process 7 on another, since noon'),
      files.only_writer(tmp_path, 'MODEL_DIR'),
    ):
      pass
  else:
    with files.only_writer(tmp_path, 'MODEL_DIR'):
      pass


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_by_the_heartbeat(
  tmp_path, monkeypatch, number
):
  def refuse(*_):
    raise OSError(number, os.strerror(number))

  monkeypatch.setattr(locks.fcntl, 'flock', refuse)
  monkeypatch.setattr(locks, 'BEAT_SECONDS', 0.2)
  with (
    files.only_writer(tmp_path, 'MODEL_DIR'),
    pytest.raises(BlockingIOError),
    files.only_writer(tmp_path, 'MODEL_DIR'),
  ):
    pass
  with files.only_writer(tmp_path, 'MODEL_DIR'):
    pass


def test_a_bucket_has_one_writer_too(bucket, monkeypatch, capsys):
  monkeypatch.setattr(locks, 'BEAT_SECONDS', 0.2)
  folder = files.path(f'{bucket}/run')
  with (
    files.only_writer(folder, 'MODEL_DIR'),
    pytest.raises(BlockingIOError, match=f'process {os.getpid()} on'),
    files.only_writer(folder, 'MODEL_DIR'),
  ):
    pass
  assert not (folder / locks.FILE).exists()
  files.write_text(folder / locks.FILE, '{"host": "gone", "pid": 7}')
  with files.only_writer(folder, 'MODEL_DIR'):
    assert 'held by process 7 on gone' in capsys.readouterr().out
