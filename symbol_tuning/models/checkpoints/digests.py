"""Digests of a checkpoint's files, by which a flipped bit is found out.

The folder of a checkpoint holds `digests.json`: for each file beneath it, its
size and its CRC-32C (Castagnoli), the checksum that Google Cloud Storage keeps
of objects. It finds every change of up to 32 bits in a row, and any other but
one in four billion; it is no proof against who changes files on purpose. The
running value is kept at up to 1024 places, so that the damaged part of a file,
and with it the array, can be named.
"""

import concurrent.futures
import dataclasses
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping

import google_crc32c
import jax
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning import files
from symbol_tuning.models.checkpoints import ocdbt

FILE = 'digests.json'
# What Orbax writes when it commits a checkpoint, after all digests.
SEAL = 'digests-commit.json'
COMMIT_FILES = ('_CHECKPOINT_METADATA', 'commit_success.txt')

_MOST_MARKS = 1024
_LEAST_BYTES = 2**12
_THREADS = min(8, os.cpu_count() or 1)


class DamagedError(ValueError):
  """Files are proven not to hold what was written."""


@dataclasses.dataclass(frozen=True)
class Digest:
  """Of one file.

  Attributes:
    size: in bytes.
    period: bytes from one mark to the next.
    marks: CRC-32C of all that is before each mark, and at last of the file.
  """

  size: int
  period: int
  marks: tuple[int, ...]

  @classmethod
  def of(cls, path: files.Path) -> 'Digest':
    """Reads a file once, in parts.

    Raises:
      OSError: if it cannot be read.
    """
    size = files.size(path)
    period = _LEAST_BYTES
    while period * _MOST_MARKS < size:
      period *= 2
    crc, marks = 0, []
    with path.open('rb') as file:
      while part := file.read(period):
        crc = google_crc32c.extend(crc, part)
        marks.append(crc)
    return cls(size, period, tuple(marks))

  def first_difference(self, other: 'Digest') -> int:
    """The place in bytes before which both are the same."""
    pairs = itertools.zip_longest(self.marks, other.marks)
    same = next(i for i, (mine, theirs) in enumerate(pairs) if mine != theirs)
    return same * self.period


def write(
  folder: files.Path,
  names: Iterable[str] | None = None,
  known: Mapping[str, Digest] | None = None,
  to: str = FILE,
) -> None:
  """Writes the digests of files to a file beside them.

  Args:
    folder: of a checkpoint.
    names: of the files, relative to it; None for all that are there.
    known: digests that were computed already, by name.
    to: the name of the file.
  """
  known = dict(known or {})
  names = _names(folder) if names is None else names
  missing = [name for name in names if name not in known]
  known |= _digests(folder, missing)
  files.write_text(folder / to, _to_text(known))


def write_part(folder: files.Path, part: files.Path, to: files.Path) -> None:
  """Writes the digests of a folder's part, with names relative to the folder.

  So each process digests what it has written itself.
  """
  prefix = part.relative_to(folder).as_posix()
  names = [f'{prefix}/{name}' for name in _names(part)]
  to.parent.mkdir(parents=True, exist_ok=True)
  files.write_text(to, _to_text(_digests(folder, names)))


def read(path: files.Path) -> dict[str, Digest]:
  """Returns digests that `write` or `write_part` wrote.

  Raises:
    FileNotFoundError: if there are none.
    DamagedError: if the file itself is damaged.
  """
  data = path.read_bytes()
  try:
    values = json.loads(data)
    digests = {
      name: Digest(size, period, tuple(int(m, 16) for m in marks.split()))
      for name, (size, period, marks) in values['files'].items()
    }
    whole = _to_text(digests).encode() == data
  except (AttributeError, KeyError, TypeError, ValueError):
    whole = False
  if not whole:
    raise DamagedError(f'{path} is damaged')
  return digests


def check(folder: files.Path) -> bool:
  """Compares a checkpoint with its digests; all processes share the work.

  Returns:
    False if it has none; then nothing is known.

  Raises:
    DamagedError: in all processes, naming a file and what is in it.
    OSError: if a file cannot be read.
  """
  problem, found = None, False
  try:
    for name in (FILE, SEAL):
      if (folder / name).exists():
        found = True
        _check_some(folder, read(folder / name))
  except DamagedError as error:
    problem = str(error)
  problem = _of_any_process(problem)
  if problem:
    raise DamagedError(problem)
  return found


def _check_some(folder: files.Path, expected: Mapping[str, Digest]) -> None:
  """Checks this process's share of the files."""
  for name, digest in expected.items():
    found = files.size(folder / name) if (folder / name).exists() else None
    if found != digest.size:
      told = 'is missing' if found is None else f'has {found:,} bytes'
      raise DamagedError(f'{folder / name} {told} of {digest.size:,}')
  largest_first = sorted(expected, key=lambda name: -expected[name].size)
  share = largest_first[jax.process_index() :: jax.process_count()]
  for name, digest in _digests(folder, share).items():
    if digest != expected[name]:
      raise DamagedError(_difference(folder, name, expected[name], digest))


def _difference(
  folder: files.Path, name: str, expected: Digest, found: Digest
) -> str:
  start = expected.first_difference(found)
  end = min(start + expected.period, expected.size)
  place = f'{folder / name} is not what was written, in bytes {start}–{end}'
  arrays = ocdbt.arrays_in(folder, name, range(start, end))
  if not arrays:
    return place
  more = f' and {len(arrays) - 3} more' if len(arrays) > 3 else ''
  return f'{place}: {", ".join(arrays[:3])}{more}'


def _names(folder: files.Path) -> list[str]:
  """All files beneath a folder but for the digests and Orbax's marks."""
  names = (
    path.relative_to(folder).as_posix()
    for path in folder.rglob('*')
    if path.is_file()
  )
  return sorted(set(names) - {FILE, SEAL, *COMMIT_FILES})


def _digests(folder: files.Path, names: Iterable[str]) -> dict[str, Digest]:
  names = list(names)
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    computed = pool.map(Digest.of, [folder / name for name in names])
    return dict(zip(names, computed, strict=True))


def _to_text(digests: Mapping[str, Digest]) -> str:
  """JSON that can be checked itself: what is in it has a CRC-32C, too."""
  values = {
    name: [d.size, d.period, ' '.join(f'{mark:08x}' for mark in d.marks)]
    for name, d in sorted(digests.items())
  }
  crc = google_crc32c.value(json.dumps(values).encode())
  return json.dumps({'crc32c': f'{crc:08x}', 'files': values}, indent=1) + '\n'


def _of_any_process(problem: str | None) -> str | None:
  """The first problem that a process has; the same in all."""
  if jax.process_count() == 1:
    return problem
  text = np.frombuffer((problem or '').encode()[:1000].ljust(1000), np.uint8)
  texts = multihost_utils.process_allgather(text).reshape(-1, 1000)
  return next(_told(texts), None)


def _told(texts: np.ndarray) -> Iterator[str]:
  for row in texts:
    if text := bytes(row).decode(errors='replace').strip():
      yield text
