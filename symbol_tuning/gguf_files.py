"""GGUF, the file format of llama.cpp: opened, and its header read."""

import re
from pathlib import Path
from typing import Any

import gguf

from symbol_tuning import files, reading

PART = re.compile(r'-(\d{5})-of-(\d{5})\.gguf$')


def open_file(path: str | Path) -> gguf.GGUFReader:
  """Opens a GGUF file; its tensors are mapped, not read.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is not GGUF, or cut short.
  """
  if not Path(path).is_file():
    raise FileNotFoundError(f'No GGUF file at {path}.')
  with reading.explained(path, 'a whole GGUF file', 'fetch it again'):
    return gguf.GGUFReader(path)


def parts(path: str | Path) -> list[Path]:
  """The files of a model, the one with the header first.

  Args:
    path: the only file, or any of `name-00001-of-00003.gguf` and so on.

  Raises:
    FileNotFoundError: a part is missing.
  """
  path = Path(path)
  numbers = PART.search(path.name)
  if numbers is None:
    return [path]
  stem, count = path.name[: numbers.start()], numbers[2]
  paths = [
    path.with_name(f'{stem}-{i:05d}-of-{count}.gguf')
    for i in range(1, int(count) + 1)
  ]
  missing = [part.name for part in paths if not part.is_file()]
  if missing:
    raise FileNotFoundError(
      f'{path.parent} lacks {", ".join(missing)}, a part of the same model.'
    )
  return paths


def metadata(reader: gguf.GGUFReader, key: str, default: Any = None) -> Any:
  """The value under a key of the file's header."""
  field = reader.get_field(key)
  return default if field is None else field.contents()


def local_copy(path: files.Path) -> Path:
  """A copy on this machine's disk, of all parts; the file itself if it is."""
  if files.is_local(path):
    return Path(path)
  numbers = PART.search(path.name)
  if numbers is None:
    return files.local_copy(path)
  pattern = f'{path.name[: numbers.start()]}-*-of-{numbers[2]}.gguf'
  return files.local_folder(path.parent, [pattern]) / path.name
