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
import json
import os
from collections.abc import Iterable, Mapping

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
    """Reads a file once, in parts; asks a bucket that keeps a CRC-32C for it.

    Raises:
      OSError: if it cannot be read.
    """
    size = files.size(path)
    kept = files.kept_crc32c(path)
    if kept is not None:
      return cls(size, size, (kept,))
    period = _LEAST_BYTES
    while period * _MOST_MARKS < size:
      period *= 2
    crc, marks = 0, []
    with path.open('rb') as file:
      while part := file.read(period):
        crc = google_crc32c.extend(crc, part)
        marks.append(crc)
    return cls(size, period, tuple(marks or [0]))

  def is_same(self, other: 'Digest') -> bool:
    """Whether two files are the same, be one on a disk and one in a bucket."""
    return (self.size, self.marks[-1]) == (other.size, other.marks[-1])

  def difference(self, other: 'Digest') -> range:
    """The bytes in which the first difference to a file of this size is."""
    if self.period != other.period:
      return range(self.size)
    pairs = zip(self.marks, other.marks, strict=True)
    same = next(i for i, (mine, theirs) in enumerate(pairs) if mine != theirs)
    start = same * self.period
    return range(start, min(start + self.period, self.size))


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


def write_part(folder: files.PathLike, part: str, to: files.PathLike) -> None:
  """Writes the digests of what one of several processes has written itself.

  Args:
    folder: to which names are relative.
    part: the name of the process's own folder there.
    to: the file to write.
  """
  folder, to = files.path(folder), files.path(to)
  names = [f'{part}/{name}' for name in _names(folder / part)]
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
  problem = None
  there = [name for name in (FILE, SEAL) if (folder / name).exists()]
  try:
    if there == [SEAL]:
      raise DamagedError(f'{folder / FILE} is missing')
    for name in there:
      _check_some(folder, read(folder / name))
  except DamagedError as error:
    problem = str(error)
  problem = _of_any_process(problem)
  if problem:
    raise DamagedError(problem)
  return bool(there)


def lacks_seal(folder: files.Path) -> bool:
  """Whether Orbax's marks are there, and no digests of them."""
  has_marks = any((folder / name).exists() for name in COMMIT_FILES)
  return has_marks and not (folder / SEAL).exists()


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
    if not digest.is_same(expected[name]):
      raise DamagedError(_difference(folder, name, expected[name], digest))


def _difference(
  folder: files.Path, name: str, expected: Digest, found: Digest
) -> str:
  damaged = expected.difference(found)
  place = (
    f'{folder / name} is not what was written, in bytes {damaged.start}–'
    f'{damaged.stop}'
  )
  arrays = ocdbt.arrays_in(folder, name, damaged)
  if not arrays:
    return place
  more = f' and {len(arrays) - 3} more' if len(arrays) > 3 else ''
  return f'{place}: {", ".join(arrays[:3])}{more}'


def _names(folder: files.Path) -> list[str]:
  """All files beneath a folder but for the digests and Orbax's marks."""
  late = {FILE, SEAL, *COMMIT_FILES}
  return [name for name in files.names(folder) if name not in late]


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
  told = (bytes(row).decode(errors='replace').strip() for row in texts)
  return next(filter(None, told), None)
