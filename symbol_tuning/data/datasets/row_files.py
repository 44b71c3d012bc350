"""Finds and reads files of rows: JSON lines, CSV, TSV and Parquet.

Files are named as people and the Hugging Face hub name them; what cannot be
read is refused with the file and, where there is one, the line.
"""

import collections
import csv
import gzip
import itertools
import json
import pathlib
import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from symbol_tuning import files

Row = Mapping[str, Any]

_FORMATS = ('.jsonl', '.csv', '.tsv', '.parquet')
_ENDING = r'\.(?:(?:jsonl|csv|tsv)(?:\.gz)?|parquet)'
_SHARD = r'-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?'
EXPECTED = (
  '<split>.jsonl, .csv or .tsv (also .gz) or .parquet; shards such as'
  ' <split>-00000-of-00002.parquet; the same in the folder data/; or files in'
  ' the folder <split>/'
)

# What splits are called, as the first word of a file's name.
_SPLITS = frozenset(('train', 'validation', 'valid', 'val', 'dev', 'test'))

# How programs write a missing number into CSV.
_NAN = frozenset(('nan', 'NaN'))

csv.field_size_limit(sys.maxsize)  # By default 128 KiB a cell.


def find(folder: files.Path, split: str) -> list[files.Path]:
  """Returns the files of a split, in the order of their rows; [] if none.

  See EXPECTED for how they are named.

  Raises:
    ValueError: there are several candidates, shards are missing, or a file is
      called after another split than its folder.
  """
  found: list[list[files.Path]] = []
  for parent in (folder, folder / 'data'):
    names = _file_names(parent)
    whole = [n for n in names if re.fullmatch(re.escape(split) + _ENDING, n)]
    found.extend([parent / name] for name in whole)
    if shards := _shards(parent, split, names):
      found.append(shards)
  if inside := _inside(folder / split, split):
    found.append(inside)
  if len(found) > 1:
    firsts = ', '.join(str(paths[0]) for paths in found)
    raise ValueError(
      f'The split {split!r} stands in {folder} more than once ({firsts}):'
      ' keep one of them.'
    )
  return found[0] if found else []


def listing(folder: files.Path) -> str:
  """Returns what stands in a folder and in the folders in it, for messages."""
  if not folder.is_dir():
    return 'no such folder'
  names = sorted(
    str(path.relative_to(folder))
    for pattern in ('*', '*/*')
    for path in folder.glob(pattern)
    if path.is_file()
  )
  shown = ', '.join(names[:12])
  return f'{shown}, …' if len(names) > 12 else shown or 'no file'


def is_typed(path: files.Path) -> bool:
  """Whether a file tells numbers from texts."""
  return not {'.csv', '.tsv'} & set(path.suffixes)


def read(path: files.Path) -> Iterator[tuple[str, Row]]:
  """Yields (`file:number`, row) pairs; numbers are of lines, or of rows.

  The numbers in a Parquet column that the hub's `datasets` wrote as ClassLabel
  are replaced by the names that the file gives them.

  Raises:
    ValueError: the file, or a line of it, cannot be read.
  """
  suffix = pathlib.Path(path.name.removesuffix('.gz')).suffix
  if suffix not in _FORMATS:
    raise ValueError(
      f'{path} is none of {", ".join(_FORMATS)} (the first three also .gz).'
    )
  readers = {'.jsonl': _read_jsonl, '.parquet': _read_parquet}
  return readers.get(suffix, _read_separated)(path)


def with_class_names(
  row: Row, names: Mapping[str, Sequence[str]], place: str
) -> Row:
  """Returns the row with the names of its classes instead of their numbers.

  Args:
    row: the row.
    names: the class names of each column that has some.
    place: where the row is, for messages.

  Raises:
    ValueError: a number beyond the names.
  """
  if not names:
    return row
  named = dict(row)
  for column, classes in names.items():
    number = row.get(column)
    # -1 is the hub's "no label", and a ClassLabel may be stored by name.
    if not isinstance(number, int | np.integer) or number == -1:
      continue
    number = int(number)
    if not 0 <= number < len(classes):
      raise ValueError(
        f'{place}: {column} is {number}, but it is stored as the number of one'
        f' of the classes {", ".join(classes)}.'
      )
    named[column] = classes[number]
  return named


def _file_names(folder: files.Path) -> list[str]:
  if not folder.is_dir():
    return []
  return sorted(path.name for path in folder.iterdir() if path.is_file())


def _inside(folder: files.Path, split: str) -> list[files.Path]:
  """The files of a folder that is named after a split."""
  names = [n for n in _file_names(folder) if re.search(_ENDING + '$', n)]
  for name in names:
    (word,) = re.findall('^[a-z]*', name.lower())
    if word in _SPLITS and not split.startswith(word):
      raise ValueError(
        f'{folder / name} is called after another split than its folder: move'
        ' or rename it.'
      )
  stems = collections.Counter(re.sub(_ENDING + '$', '', n) for n in names)
  if twice := [stem for stem, count in stems.items() if count > 1]:
    raise ValueError(
      f'{folder} holds {", ".join(twice)} in several formats: keep one of them.'
    )
  shards = (re.fullmatch('(.*)' + _SHARD, stem) for stem in stems)
  for prefix in {shard[1] for shard in shards if shard}:
    _shards(folder, prefix, names)
  return [folder / name for name in names]


def _shards(
  folder: files.Path, split: str, names: Sequence[str]
) -> list[files.Path]:
  pattern = re.compile(re.escape(split) + _SHARD + _ENDING)
  matches = [match for name in names if (match := pattern.fullmatch(name))]
  if not matches:
    return []
  numbers = [int(match[1]) for match in matches]
  totals = {int(match[2]) for match in matches}
  if len(totals) > 1 or numbers != list(range(max(totals))):
    raise ValueError(
      f'{folder}: {split!r} is not whole; of its'
      f' {" or ".join(map(str, sorted(totals)))} shards there are'
      f' {", ".join(match[0] for match in matches)}.'
    )
  return [folder / match[0] for match in matches]


def _lines(path: files.Path) -> Iterator[tuple[int, str]]:
  """The numbered lines of a UTF-8 file, without a byte order mark."""
  number = 0
  local = files.local_copy(path)
  with (gzip.open if path.suffix == '.gz' else open)(local, 'rb') as lines:
    try:
      for number, line in enumerate(lines, start=1):
        yield number, line.decode('utf-8-sig' if number == 1 else 'utf-8')
    except UnicodeDecodeError as error:
      raise ValueError(
        f'{path}:{number}: not UTF-8 ({error}); save the file as UTF-8.'
      ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
      raise ValueError(
        f'{path}: no whole gzip file, damaged after line {number} ({error}).'
      ) from None


def _read_jsonl(path: files.Path) -> Iterator[tuple[str, Row]]:
  for number, line in _lines(path):
    if not line.strip():
      continue
    place = f'{path}:{number}'
    try:
      row = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
      raise ValueError(f'{place}: not JSON ({error}).') from None
    if not isinstance(row, dict):
      raise ValueError(f'{place}: not a JSON object: {line.strip():.40}')
    yield place, row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  """A JSON object; without this, the last of several values is taken."""
  found = dict(pairs)
  if len(found) < len(pairs):
    names = ', '.join(name for name, _ in pairs)
    raise ValueError(f'an object names a value twice: {names}')
  return found


def _read_separated(path: files.Path) -> Iterator[tuple[str, Row]]:
  is_tsv = '.tsv' in path.suffixes
  # strict: an unpaired quotation mark is an error, and swallows no lines.
  reader = csv.reader(
    (line for _, line in _lines(path)),
    dialect='excel-tab' if is_tsv else 'excel',
    strict=True,
  )
  place = f'{path}:1'
  try:
    header = next(reader, [])
    if not header or len(set(header)) < len(header):
      raise ValueError(
        f'{place}: the first line must name the columns, each once; it is'
        f' {", ".join(header) or "empty"}.'
      )
    for cells in reader:
      place = f'{path}:{reader.line_num}'
      if not cells:
        continue
      if len(cells) != len(header):
        raise ValueError(
          f'{place}: {len(cells)} cells, but {len(header)} columns:'
          f' {", ".join(header)}.'
        )
      if is_tsv and any('\n' in cell for cell in cells):
        raise ValueError(
          f'{place}: a cell ends on another line than it begins; is a'
          ' quotation mark of the text taken for one around it? Write JSONL.'
        )
      values = [None if cell in _NAN else cell for cell in cells]
      yield place, dict(zip(header, values, strict=True))
  except csv.Error as error:
    raise ValueError(f'{path}:{reader.line_num}: {error}.') from None


def _read_parquet(path: files.Path) -> Iterator[tuple[str, Row]]:
  numbers = itertools.count(1)
  try:
    with pq.ParquetFile(files.local_copy(path)) as file:
      columns = file.schema_arrow.names
      if len(set(columns)) < len(columns):
        raise ValueError(
          f'{path}: two columns have one name: {", ".join(columns)}.'
        )
      names = _class_names(file.schema_arrow)
      for batch in file.iter_batches():
        for row in batch.to_pylist():
          place = f'{path}:{next(numbers)}'
          yield place, with_class_names(row, names, place)
  except (pa.ArrowException, OSError) as error:
    raise ValueError(
      f'{path}: not a Parquet file that can be read{_hint(path)} ({error}).'
    ) from None


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
  """The names that the hub's `datasets` stored for columns of classes."""
  metadata = (schema.metadata or {}).get(b'huggingface', b'{}')
  try:
    features = json.loads(metadata)['info']['features']
    return {
      column: feature['names']
      for column, feature in features.items()
      if isinstance(feature, dict) and feature.get('_type') == 'ClassLabel'
    }
  except (ValueError, KeyError, TypeError, AttributeError):
    return {}


def _hint(path: files.Path) -> str:
  with path.open('rb') as file:
    start = file.read(20)
  is_pointer = start.startswith(b'version https://git')
  return ': it is a pointer of Git LFS, fetch the file' if is_pointer else ''
