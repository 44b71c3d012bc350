"""Copies of objects in a bucket, on a local disk, for what reads only disks.

ArrayRecord shards, GGUF, safetensors, Parquet and tokenizer files are read by
libraries that want a path, and at random places: they are copied once to
$SYMBOL_TUNING_DISK_CACHE (~/.cache/symbol_tuning), which holds at most
$SYMBOL_TUNING_DISK_CACHE_GIB (100) GiB; copies that nobody used for longest are
removed, and never one that another process was given and lives. A copy is named
after the object's generation, so that it is never stale, and all processes of a
host share it.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import TextIO

from symbol_tuning.files import paths

_FOLDER = 'SYMBOL_TUNING_DISK_CACHE'
_LIMIT = 'SYMBOL_TUNING_DISK_CACHE_GIB'
_GIB = 2**30
_LOCK = 'lock'
_LEASE = '.lease'
# A folder of a copy, as `_version` names it.
_VERSION = re.compile(r'[0-9a-f]{32}')
# Of the copies that this process was given. A shared flock on each file says so
# to other processes until this one ends, however it ends.
_leases: dict[pathlib.Path, TextIO] = {}


def local_copy(path: paths.PathLike) -> pathlib.Path:
  """Returns a file's path on a local disk: its own, or that of a copy.

  Raises:
    FileNotFoundError: if it is not there.
    OSError: if it is larger than the disk cache may be, or has no room beside
      the copies that other processes use.
  """
  path = paths.path(path)
  if paths.is_local(path):
    return path
  info = paths.filesystem(path).info(os.fspath(path))
  folder = _folder() / _version(path, info)
  copy = folder / path.name
  with _locked(folder):
    _take_lease(folder)
    if not copy.exists():
      _make_room(info['size'], path)
      partial = folder / uuid.uuid4().hex
      try:
        paths.filesystem(path).get_file(os.fspath(path), os.fspath(partial))
        partial.replace(copy)
      finally:
        partial.unlink(missing_ok=True)
    os.utime(copy)
  return copy


def local_folder(
  folder: paths.PathLike, patterns: Sequence[str] = ('*',)
) -> pathlib.Path:
  """Returns a folder on a local disk that has the files which match.

  Args:
    folder: its own path is returned where it is local.
    patterns: of names, such as '*.json'.

  Raises:
    FileNotFoundError: if a folder in a bucket has no such file.
    OSError: if the disk cache has no room for them together.
  """
  folder = paths.path(folder)
  if paths.is_local(folder):
    return folder
  found = sorted(path for pattern in patterns for path in folder.glob(pattern))
  if not found:
    raise FileNotFoundError(f'{folder} has no {" or ".join(patterns)}')
  found = [path for path in found if path.is_file()]
  check_room(sum(map(paths.size, found)), folder)
  copies = {path.name: local_copy(path) for path in found}
  key = '\n'.join(f'{name} {copy}' for name, copy in copies.items())
  together = _folder() / f'folder-{_digest(key)}' / folder.name
  together.mkdir(parents=True, exist_ok=True)
  for name, copy in copies.items():
    with contextlib.suppress(FileExistsError):
      (together / name).symlink_to(copy)
  return together


def check_room(total: int, folder: paths.Path) -> None:
  """Checks that files which are needed together may be copied together.

  Args:
    total: their bytes.
    folder: where they are.

  Raises:
    OSError: if the disk cache may not hold them.
  """
  if not paths.is_local(folder) and total > _limit():
    raise OSError(
      f'{folder} has {total / _GIB:.1f} GiB, and the disk cache {_folder()} may'
      f' have {_limit() / _GIB:.1f}: raise {_LIMIT}'
    )


def _folder() -> pathlib.Path:
  default = pathlib.Path('~/.cache/symbol_tuning')
  return pathlib.Path(os.environ.get(_FOLDER) or default).expanduser()


def _limit() -> int:
  gib = os.environ.get(_LIMIT) or '100'
  try:
    return int(float(gib) * _GIB)
  except ValueError:
    raise ValueError(f'{_LIMIT} is {gib!r}; it must be a number') from None


def _version(path: paths.Path, info: dict) -> str:
  """A name for an object as it is now."""
  marks = ('generation', 'ETag', 'etag', 'md5Hash', 'mtime', 'LastModified')
  version = next((info[mark] for mark in marks if info.get(mark)), '')
  return _digest(f'{os.fspath(path)} {version} {info["size"]}')


def _digest(text: str) -> str:
  return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
  """One process at a time copies the object, and the others wait for it."""
  folder.mkdir(parents=True, exist_ok=True)
  with (folder / _LOCK).open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def _take_lease(folder: pathlib.Path) -> None:
  """Says to other processes that the copy in a folder is used by this one."""
  if folder not in _leases:
    lease = (folder / _LEASE).open('w')
    fcntl.flock(lease, fcntl.LOCK_SH)
    _leases[folder] = lease


def _remove_if_unused(copy: pathlib.Path) -> bool:
  """Removes a copy that no other process may be about to open."""
  own = _leases.pop(copy.parent, None)
  if own:
    own.close()
  lease = (copy.parent / _LEASE).open('w')
  with lease, contextlib.suppress(BlockingIOError):
    fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    copy.unlink(missing_ok=True)
    return True
  if own:
    _take_lease(copy.parent)
  return False


def _make_room(size: int, path: paths.Path) -> None:
  """Removes copies until another one of `size` bytes is within the limit.

  This process's own go, too, the longest unused first.

  Raises:
    OSError: if those that other processes use leave no room.
  """
  check_room(size, path)
  limit = _limit()
  copies = []
  for copy in _folder().glob('*/*'):
    with contextlib.suppress(OSError):
      is_copy = copy.is_file() and not copy.is_symlink()
      # The folder may be one that people keep other files in.
      is_ours = (
        _VERSION.fullmatch(copy.parent.name) and (copy.parent / _LEASE).exists()
      )
      if is_copy and is_ours and copy.name not in (_LOCK, _LEASE):
        copies.append((copy.stat().st_mtime, copy.stat().st_size, copy))
  total = sum(size for _, size, _ in copies)
  for _, used, copy in sorted(copies):
    if total + size <= limit:
      return
    if _remove_if_unused(copy):
      total -= used
  if total + size > limit:
    raise OSError(
      f'{path} has {size / _GIB:.1f} GiB, and other processes use'
      f' {total / _GIB:.1f} of the {limit / _GIB:.1f} that the disk cache'
      f' {_folder()} may have: raise {_LIMIT}'
    )
