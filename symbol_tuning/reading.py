"""One message for what libraries raise when a file is not what it should be.

    with reading.explained(path, 'a summary of symbol_tuning.eval'):
      summary = parse(json.loads(path.read_text(encoding='utf-8')))

JSON, text, gzip, Parquet, safetensors and tokenizer libraries each have errors
of their own, and few name the file. Here each becomes: which file, what is
wrong with it, and what to do. Errors of the file system pass, with the file's
name.
"""

import contextlib
import errno
import gzip
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

_FETCH = 'fetch or write it again'
_LFS = b'version https://git-lfs'


class UnreadableError(ValueError):
  """A file is not what it should be."""


class _Rule(NamedTuple):
  """What an error means.

  Attributes:
    module: whose error it is, '' for Python's own.
    name: of its class, or of one that it is derived from.
    problem: with the file.
    advice: what to do.
  """

  module: str
  name: str
  problem: str
  advice: str


# The first that fits counts. By name, so that no library is imported for it.
_RULES = (
  _Rule('json', 'JSONDecodeError', 'is not JSON', _FETCH),
  _Rule('', 'UnicodeDecodeError', 'is not UTF-8', 'save it as UTF-8'),
  _Rule('gzip', 'BadGzipFile', 'is no whole gzip file', _FETCH),
  _Rule('zlib', 'error', 'is no whole gzip file', _FETCH),
  _Rule('', 'EOFError', 'ends too early', _FETCH),
  _Rule('pyarrow', 'ArrowException', 'is not a whole Parquet file', _FETCH),
  _Rule('safetensors', 'SafetensorError', 'is not safetensors', _FETCH),
  _Rule('yaml', 'YAMLError', 'is not YAML', _FETCH),
  _Rule('', 'RecursionError', 'is nested without an end', _FETCH),
)
# What the code around a parser raises when values are of other types.
_STRUCTURE = (AttributeError, IndexError, KeyError, TypeError)
# What to do about errors of the file system.
_SYSTEM = {
  errno.ENOSPC: 'make room',
  errno.EDQUOT: 'make room, or ask for more',
  errno.EFBIG: 'allow larger files (ulimit -f)',
  errno.EROFS: 'choose a folder that can be written to',
  errno.EMFILE: 'allow more open files (ulimit -n)',
}


@contextlib.contextmanager
def explained(
  path: str | os.PathLike, what: str = '', advice: str | None = None
) -> Iterator[None]:
  """Has errors of reading a file say which file, what is wrong and what to do.

  Args:
    path: of the file.
    what: it should be, such as 'a summary of symbol_tuning.eval'.
    advice: what to do; None: what fits the error.

  Raises:
    UnreadableError: for what libraries raise of content.
    OSError: as it was raised, with the file's name.
  """
  try:
    yield
  except Exception as error:
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
      if error.filename is None and error.strerror:
        error.filename = os.fspath(path)
      raise
    if isinstance(error, UnreadableError) or not _is_of_content(error):
      raise
    raise UnreadableError(_told(path, error, what, advice)) from error


def check_within(name: str, file: str | os.PathLike) -> str:
  """Returns the name of a file that another file gives, if it stays beside it.

  Args:
    name: relative to the folder of `file`.
    file: what names it, for the message.

  Raises:
    UnreadableError: if it leads out of the folder.
  """
  parts = pathlib.PurePosixPath(name).parts
  if not name or name.startswith('/') or '..' in parts or '://' in name:
    raise UnreadableError(
      f'{file} names {name!r}, which is not in its folder: do not use a file'
      ' of somebody who does so'
    )
  return name


def system_advice(error: BaseException) -> str:
  """What to do about an error of the file system; '' if nothing is known."""
  return _SYSTEM.get(getattr(error, 'errno', 0), '')


def _rule(error: Exception) -> _Rule | None:
  kinds = {
    (kind.__module__.partition('.')[0], kind.__name__)
    for kind in type(error).__mro__
  }
  for rule in _RULES:
    if (rule.module or 'builtins', rule.name) in kinds:
      return rule
  return None


def _is_of_content(error: Exception) -> bool:
  # The library of tokenizers has no class of its own for what it cannot read.
  is_bare = type(error) is Exception
  is_known = is_bare or _rule(error) is not None
  return is_known or isinstance(error, (*_STRUCTURE, ValueError))


def _told(
  path: str | os.PathLike, error: Exception, what: str, advice: str | None
) -> str:
  if _is_pointer(path):
    return f'{path} is a pointer of Git LFS, not the file: run git lfs pull'
  reason = ' '.join(str(error).split()) or type(error).__name__
  if isinstance(error, KeyError) and not what:
    return f'{path} lacks {reason}: {advice or _FETCH}'
  if rule := _rule(error):
    problem, advised = rule.problem, rule.advice
  else:
    problem, advised = f'is not {what or "what it should be"}', _FETCH
  if isinstance(error, _STRUCTURE):
    reason = f'{type(error).__name__}: {reason}'
  return f'{path} {problem} ({reason}): {advice or advised}'


def _is_pointer(path: str | os.PathLike) -> bool:
  try:
    with open(path, 'rb') as file:
      return file.read(len(_LFS)) == _LFS
  except OSError:
    return False
