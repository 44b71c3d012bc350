"""One writer at a time in a folder of results.

Two runs in one folder would remove each other's temporary files and mix their
results, without an error. The file `.writer` says who writes: host, process and
since when. On a disk, the operating system holds the lock (flock) and frees it
when its process ends, however it ends; a file system without such locks, and a
bucket, are told by a heartbeat: a writer changes the file every few seconds.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, TextIO

from symbol_tuning.files import paths, writing
from symbol_tuning.files.paths import Path

FILE = '.writer'
BEAT_SECONDS = 5.0
# Silent for so many beats, a writer is taken to be gone.
_SILENT_BEATS = 4
# What NFS and Lustre answer where they are mounted without locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def only_writer(folder: Path, setting: str) -> Iterator[None]:
  """Holds a folder for this process, which is made if it is not there.

  Args:
    folder: of the results.
    setting: what names it, for the message, such as 'MODEL_DIR'.

  Raises:
    BlockingIOError: if another process holds it.
    OSError: if it cannot be written.
  """
  local = paths.is_local(folder)
  lock = (_OnDisk if local else _InBucket)(folder / FILE, setting)
  if local:
    folder.mkdir(parents=True, exist_ok=True)
  lock.take()
  ended = threading.Event()
  beats = threading.Thread(target=_beat, args=(lock, ended), daemon=True)
  beats.start()
  try:
    yield
  finally:
    ended.set()
    beats.join()
    lock.free()


class _Lock:
  """The file that says who writes."""

  def __init__(self, path: Path, setting: str):
    self._path = path
    self._setting = setting
    since = datetime.datetime.now().astimezone()
    self._values = {
      'host': socket.gethostname(),
      'pid': os.getpid(),
      'since': since.isoformat(timespec='seconds'),
      'token': uuid.uuid4().hex,
    }

  def _text(self) -> str:
    return json.dumps(self._values | {'beat': time.time()}) + '\n'

  def _read(self) -> str:
    return self._path.read_bytes().decode(errors='replace')

  def _is_own(self, text: str, value: str) -> bool:
    return _parsed(text).get(value) == self._values[value]

  def _refusal(self) -> BlockingIOError:
    return BlockingIOError(
      f'{self._path.parent} is written by {_told(self._read())} already: wait'
      f' until it has ended, or choose another {self._setting}'
    )

  def _check_silent(self) -> None:
    """Raises BlockingIOError if a process that lives holds it."""
    first, end = self._read(), time.monotonic() + _SILENT_BEATS * BEAT_SECONDS
    while time.monotonic() < end:
      time.sleep(BEAT_SECONDS / 5)
      if self._read() != first:
        raise self._refusal()

  def _say_broken(self, earlier: str) -> None:
    print(
      f'{self._path.parent} was held by {_told(earlier)}, which is gone: its'
      ' lock is broken.',
      flush=True,
    )


class _OnDisk(_Lock):
  """A lock that the operating system holds."""

  def take(self) -> None:
    try:
      self._open()
    except BlockingIOError:
      raise self._refusal() from None
    if earlier := self._read():
      # On another host the lock may not be seen; the heartbeat is.
      if not (self._locks and self._is_own(earlier, 'host')):
        self._check_silent()
      self._say_broken(earlier)
    self.beat()

  def beat(self) -> None:
    with writing.naming(self._path):
      self._file.seek(0)
      self._file.truncate()
      self._file.write(self._text())
      self._file.flush()

  def free(self) -> None:
    self._path.unlink(missing_ok=True)
    self._file.close()

  def _open(self) -> None:
    while True:
      self._file = self._path.open('a+', encoding='utf-8')
      self._locks = _flocked(self._file)
      # The writer before may have removed it just now.
      with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
          return
      self._file.close()


def _flocked(file: TextIO) -> bool:
  """Locks a file; False where the file system has no locks."""
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
    return False
  return True


class _InBucket(_Lock):
  """A lock that is an object, which one process alone can make."""

  def take(self) -> None:
    with contextlib.suppress(FileExistsError):
      writing.create_text(self._path, self._text())
      return
    earlier = self._read()
    self._check_silent()
    self._say_broken(earlier)
    paths.remove(self._path)
    writing.create_text(self._path, self._text())

  def beat(self) -> None:
    """Ends the process if another one has taken over, thinking it gone."""
    if not self._is_own(self._read(), 'token'):
      print(
        f'\nerror: {self._path.parent} was taken over while this process was'
        ' silent; it ends',
        file=sys.stderr,
        flush=True,
      )
      os._exit(1)
    writing.write_text(self._path, self._text())

  def free(self) -> None:
    with contextlib.suppress(OSError):
      if self._is_own(self._read(), 'token'):
        paths.remove(self._path)


def _beat(lock: _OnDisk | _InBucket, ended: threading.Event) -> None:
  while not ended.wait(BEAT_SECONDS):
    # A disk that is full or a bucket that is away is the business of others.
    with contextlib.suppress(OSError):
      lock.beat()


def _parsed(text: str) -> dict[str, Any]:
  try:
    values = json.loads(text)
  except ValueError:
    return {}
  return values if isinstance(values, dict) else {}


def _told(text: str) -> str:
  values = _parsed(text)
  if not values:
    return 'another process'
  return (
    f'process {values.get("pid")} on {values.get("host")}, since'
    f' {values.get("since")}'
  )
