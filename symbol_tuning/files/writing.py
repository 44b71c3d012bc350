"""Files and folders that appear whole or not at all."""

import contextlib
import os
import pathlib
import tempfile
import uuid
from collections.abc import Iterator

from symbol_tuning.files import paths
from symbol_tuning.files.paths import Path

_PARTIAL = '.partial'


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
  """Gives a local path to write to; what is written there becomes `path`.

  The file is whole also when power fails. On an error the temporary file is
  removed and `path` is as it was. Only a process that is killed leaves one
  behind; see `remove_partial`.

  Raises:
    FileExistsError: if `path` is there and is no file, but a device or a pipe.
  """
  if not paths.is_local(path):
    with tempfile.TemporaryDirectory() as folder:
      partial = pathlib.Path(folder) / path.name
      yield partial
      _upload(partial, path)
    return
  path = path.resolve()  # A link stays one.
  if path.exists() and not path.is_file():
    raise FileExistsError(f'{path} is there and is no file: name another place')
  with _partial(path) as partial:
    yield partial
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
  """Has errors name the file, which those of a full disk do not."""
  try:
    yield
  except OSError as error:
    if error.filename is None and error.strerror:
      error.filename = str(path)
    raise


def write_text(path: Path, text: str) -> None:
  """Writes a whole file."""
  write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
  """Writes a whole file."""
  if paths.is_local(path):
    with replacing(path) as partial:
      partial.write_bytes(data)
  else:
    paths.filesystem(path).pipe_file(os.fspath(path), data)


def create_text(path: Path, text: str) -> None:
  """Writes a whole file where there is none, for the first of several writers.

  Raises:
    FileExistsError: if there is one, with another text.
  """
  try:
    if paths.is_local(path):
      _create(path, text)
    else:
      # To a bucket this is a condition: no generation of the object exists.
      paths.filesystem(path).pipe_file(
        os.fspath(path), text.encode(), mode='create'
      )
  except FileExistsError:
    # It may be this process's own, whose answer was lost.
    if path.read_text(encoding='utf-8') != text:
      raise


def _create(path: pathlib.Path, text: str) -> None:
  with _partial(path) as partial:
    partial.write_text(text, encoding='utf-8')
    _sync(partial)
    path.hardlink_to(partial)  # Unlike renaming, it replaces nothing.
    _sync(path.parent)


def remove_partial(folder: Path) -> None:
  """Removes what processes that were killed left in a folder."""
  if paths.is_local(folder):
    for path in folder.glob(f'.*{_PARTIAL}'):
      path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(
  folder: paths.PathLike, last: str = ''
) -> Iterator[pathlib.Path]:
  """A local folder to write into, which becomes `folder` on success.

  Args:
    folder: what must not exist yet.
    last: the file without which nobody takes the folder for whole. To a bucket,
      which has no renaming, it goes after all others.

  Raises:
    FileExistsError: something is there already.
  """
  folder = paths.path(folder)
  if folder.exists():
    raise FileExistsError(
      f'{folder} exists; name a folder that does not, or remove it.'
    )
  is_local = paths.is_local(folder)
  if is_local:
    folder.parent.mkdir(parents=True, exist_ok=True)
  beside = folder.parent if is_local else None
  with tempfile.TemporaryDirectory(
    prefix=f'.{folder.name}-', dir=beside, ignore_cleanup_errors=True
  ) as name:
    temporary = pathlib.Path(name)
    temporary.chmod(0o755)
    yield temporary
    if is_local:
      temporary.rename(folder)
    else:
      _upload_folder(temporary, folder, last)


def _upload_folder(source: pathlib.Path, target: Path, last: str) -> None:
  found = [path for path in source.rglob('*') if path.is_file()]
  for path in sorted(found, key=lambda path: (path.name == last, path)):
    _upload(path, target / path.relative_to(source).as_posix())


@contextlib.contextmanager
def _partial(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a name beside a file for what is to become it, or is removed."""
  name = f'.{path.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}'
  partial = path.with_name(name)
  try:
    with naming(path):
      yield partial
  finally:
    partial.unlink(missing_ok=True)


def _upload(source: pathlib.Path, target: Path) -> None:
  paths.filesystem(target).put_file(os.fspath(source), os.fspath(target))


def _sync(path: pathlib.Path) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
