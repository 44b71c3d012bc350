"""Names of files, and what can be asked of them wherever they are."""

import base64
import hashlib
import os
import pathlib
import re
import shutil
import time
from typing import TypeAlias

# TensorFlow has a file system for buckets of its own, which epath would prefer:
# it retries for minutes without a word, and knows no emulator.
os.environ.setdefault('EPATH_USE_TF', 'false')

import fsspec
from etils import epath

PathLike: TypeAlias = str | os.PathLike[str]
Path: TypeAlias = pathlib.Path | epath.Path

_SCHEMES = ('gs', 's3')
_FOLDER_SECONDS = 60
_URL = re.compile(r'([a-z][a-z0-9+.-]*)://([^/]*)(.*)', re.DOTALL)

# Reported by name, and without making buckets; see buckets.py. As a string, it
# is imported when the first gs:// path is used.
for _name in ('gs', 'gcs'):
  fsspec.register_implementation(
    _name,
    'symbol_tuning.files.buckets.Gcs',
    clobber=True,
    errtxt="gs:// paths need gcsfs: pip install 'symbol_tuning[gcs]'",
  )


def path(name: PathLike) -> Path:
  """Returns a path to work with: absolute, or in a bucket.

  Args:
    name: a local path, which may begin with ~, or gs://bucket/…, s3://bucket/….

  Raises:
    ValueError: for a URL of another kind, without a bucket, or that holds a
      password or a signature: it would be written to logs and config.gin.
  """
  name = os.fspath(name)
  url = _URL.fullmatch(name)
  if not url:
    return pathlib.Path(name).expanduser().absolute()
  scheme, place, rest = url.groups()
  if scheme not in _SCHEMES:
    known = ' and '.join(f'{scheme}://' for scheme in _SCHEMES)
    raise ValueError(
      f'{scheme}:// is no place for files here: give a folder, or {known}'
    )
  if '@' in place or re.search(r'[?&](X-Amz-|X-Goog-|Signature=|token=)', rest):
    raise ValueError(
      f'a {scheme}:// path holds a credential, which logs and config.gin would'
      ' keep: give the bare path, and the credential as the cloud has it'
      ' (gcloud auth application-default login; AWS_PROFILE)'
    )
  if not place:
    raise ValueError(f'{name} names no bucket; a path is {scheme}://bucket/…')
  # Doubled slashes would be names of their own in a bucket.
  parts = [part for part in rest.split('/') if part]
  return epath.Path('/'.join([f'{scheme}://{place}', *parts]))


def is_local(place: PathLike) -> bool:
  """Whether a path is on a disk, for what only a disk can do."""
  return '://' not in os.fspath(place)


def holds_checkpoints(place: Path) -> bool:
  """Whether Orbax can keep checkpoints there: on a disk, or in gs://.

  It asks epath, which takes local folders in /gs, /s3, /az and /hf for buckets.
  """
  if not is_local(place):
    return os.fspath(place).startswith('gs://')
  return is_local(epath.Path(place))


def resolved(place: Path) -> Path:
  """The path without symbolic links, by which two names are found the same."""
  return place.resolve() if is_local(place) else place


def url(place: Path) -> str:
  """The path as a URL, for what wants one of local files too."""
  return f'file://{place}' if is_local(place) else os.fspath(place)


def filesystem(place: Path) -> fsspec.AbstractFileSystem:
  """The file system of a path in a bucket, shared with epath."""
  return fsspec.core.url_to_fs(os.fspath(place))[0]


def size(place: Path) -> int:
  """The bytes of a file.

  Raises:
    FileNotFoundError: if it is not there.
  """
  if is_local(place):
    return place.stat().st_size
  return filesystem(place).info(os.fspath(place))['size']


def sha256(place: Path) -> str:
  """The SHA-256 of a file's content, in hexadecimal digits."""
  with place.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def names(folder: Path) -> list[str]:
  """All files beneath a folder, relative to it, sorted."""
  if is_local(folder):
    found = (path for path in pathlib.Path(folder).rglob('*') if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)
  top = os.fspath(folder).partition('://')[2] + '/'
  return sorted(name.removeprefix(top) for name in filesystem(folder).find(top))


def kept_crc32c(place: Path) -> int | None:
  """The CRC-32C that a bucket keeps of an object; None where it keeps none."""
  if is_local(place):
    return None
  text = filesystem(place).info(os.fspath(place)).get('crc32c')
  return int.from_bytes(base64.b64decode(text)) if text else None


def remove(place: Path) -> None:
  """Removes a file, or a folder with all that is in it."""
  if not is_local(place):
    epath.Path(place).rmtree()
  elif place.is_dir():
    shutil.rmtree(place)  # epath takes /gs/… for a bucket.
  else:
    place.unlink()


def move(place: Path, to: Path) -> None:
  """Gives a folder another name; in a bucket, object by object."""
  if is_local(place):
    place.rename(to)
  else:
    filesystem(place).mv(os.fspath(place), os.fspath(to), recursive=True)


def await_folder(folder: Path) -> None:
  """Waits for network file systems, which show a new folder some time later.

  A bucket has no folders, and nothing to wait for.

  Raises:
    FileNotFoundError: if the folder does not appear.
  """
  deadline = time.monotonic() + _FOLDER_SECONDS
  while is_local(folder) and not folder.is_dir():
    if time.monotonic() > deadline:
      raise FileNotFoundError(f'{folder} did not appear in {_FOLDER_SECONDS} s')
    time.sleep(1)


def checked_output(name: PathLike) -> Path:
  """Returns a folder that can be written to, made where there is none.

  Raises:
    OSError: if it cannot be written to, or its bucket does not exist.
  """
  folder = path(name)
  if is_local(folder):
    folder.mkdir(parents=True, exist_ok=True)
  else:
    # What a bucket allows is known when it was tried.
    probe = os.fspath(folder / f'.writable-{os.getpid()}-{time.time_ns()}')
    files = filesystem(folder)
    files.pipe_file(probe, b'')
    files.rm_file(probe)
  return folder
