"""Files and folders that appear whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator

_PARTIAL = '.partial'


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a temporary path to write to, which takes the name of `path` then.

  The file is whole also when power fails. On an error the temporary file is
  removed and `path` is as it was. Only a process that is killed leaves one
  behind; see `remove_partial`.
  """
  partial = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}')
  try:
    yield partial
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)
  except BaseException:
    partial.unlink(missing_ok=True)
    raise


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a whole file."""
  with replacing(path) as partial:
    partial.write_text(text, encoding='utf-8')


def remove_partial(folder: pathlib.Path) -> None:
  """Removes what processes that were killed left in a folder."""
  for path in folder.glob(f'.*{_PARTIAL}'):
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(folder: str | pathlib.Path) -> Iterator[pathlib.Path]:
  """A temporary folder to write into, which takes its name on success.

  Raises:
    FileExistsError: something is there already.
  """
  folder = pathlib.Path(folder)
  if folder.exists():
    raise FileExistsError(
      f'{folder} exists; name a folder that does not, or remove it.'
    )
  folder.parent.mkdir(parents=True, exist_ok=True)
  temporary = pathlib.Path(
    tempfile.mkdtemp(prefix=f'.{folder.name}-', dir=folder.parent)
  )
  temporary.chmod(0o755)
  try:
    yield temporary
    temporary.rename(folder)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise


def _sync(path: pathlib.Path) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
