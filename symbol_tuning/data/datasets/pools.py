"""Makes rows into a pool: the labelled texts of one split of a dataset.

A value becomes text or a class only once it is known what it is: text columns
take text and numbers, `labels` reads the label column, and all else is refused
with the file and line where it stands.
"""

import collections
import dataclasses
import decimal
import hashlib
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from absl import logging

from symbol_tuning.data.datasets.labels import LabelReader, StoredLabel
from symbol_tuning.data.datasets.row_files import Row
from symbol_tuning.data.datasets.spec import DatasetSpec

# How programs write a missing value into CSV; all are words, too.
_DOUBTFUL = frozenset(('NA', 'N/A', '<NA>', 'NULL', 'null', 'None'))


@dataclasses.dataclass(frozen=True)
class Pool:
  """The labelled examples of one split of one dataset.

  Attributes:
    texts: the input texts.
    labels: the class id of each text, 0 ≤ id < `num_classes`.
    num_classes: the number of classes.
  """

  texts: tuple[str, ...]
  labels: tuple[int, ...]
  num_classes: int

  def __len__(self) -> int:
    return len(self.texts)

  def digest(self) -> str:
    """Returns 16 hexadecimal digits that tell these examples from others."""
    found = hashlib.sha256()
    for text, label in zip(self.texts, self.labels, strict=True):
      found.update(f'{label} {len(text)} {text}\n'.encode())
    return found.hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class StoredRows:
  """Rows as they are stored, and how they differ from what the spec says.

  Attributes:
    place: where they are, for messages.
    rows: (where the row is, row) pairs.
    columns: the stored name of a column, where it is not the spec's.
    is_typed: whether numbers and texts that spell them are told apart.
  """

  place: str
  rows: Iterable[tuple[str, Row]]
  columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
  is_typed: bool = True


def build_pool(
  stored: StoredRows,
  spec: DatasetSpec,
  say: Callable[[str], None] = logging.warning,
) -> Pool:
  """Writes rows by the spec's template.

  Rows labelled -1, which is the hub's "no label", and rows without any text
  are skipped and counted; rows that repeat another's text are counted. So are
  those with a text such as NA in a file that tells no texts from other values:
  it may be the text, or stand for a missing one.

  Args:
    stored: the rows.
    spec: their dataset.
    say: takes a line with these counts, unless all rows are plain examples.

  Raises:
    ValueError: a missing column or value, a value that is no text, a label
      that the spec does not have or that may be two of its labels, half a
      character, or a class without examples.
  """
  label_column = stored.columns.get(spec.label_column, spec.label_column)
  texts: list[str] = []
  labels: list[StoredLabel] = []
  places: dict[StoredLabel, str] = {}
  text_columns = [stored.columns.get(c, c) for c in spec.text_columns]
  num_doubtful = 0
  for place, row in stored.rows:
    texts.append(row_text(row, spec, place, stored.columns))
    num_doubtful += not stored.is_typed and any(
      row[column] in _DOUBTFUL for column in text_columns
    )
    labels.append(_stored_label(row, label_column, place))
    places.setdefault(labels[-1], place)
  reader = LabelReader(spec, stored.is_typed)
  class_ids = reader.class_ids(places, label_column)
  kept = [
    (text, class_ids[label])
    for text, label in zip(texts, labels, strict=True)
    if text and label in class_ids
  ]
  built = Pool(
    texts=tuple(text for text, _ in kept),
    labels=tuple(label for _, label in kept),
    num_classes=spec.num_classes,
  )
  num_unlabelled = sum(label not in class_ids for label in labels)
  if counts := _counts(built, len(texts), num_unlabelled, num_doubtful):
    say(f'{stored.place}: of {len(texts)} rows, {counts}.')
  check_classes(built, spec, stored.place)
  return built


def row_text(
  row: Row, spec: DatasetSpec, place: str, columns: Mapping[str, str]
) -> str:
  """Returns the input text of a row; '' if all its text columns are empty.

  White space is collapsed, and lines that empty columns leave without text are
  left out, so that no text holds the blank line that stands between the
  examples of a prompt.

  Args:
    row: as it is stored.
    spec: its dataset.
    place: where it is, for messages.
    columns: the stored name of a column, where it is not the spec's.

  Raises:
    ValueError: a text column is missing or holds no text.
  """
  stored = {name: columns.get(name, name) for name in spec.text_columns}
  _check_present(row, stored.values(), place)
  fields = {
    name: _text(row[there], f'{place}: {there}')
    for name, there in stored.items()
  }
  if not any(fields.values()):
    return ''
  lines = spec.template.format_map(fields).split('\n')
  return '\n'.join(line for line in lines if line.strip())


def check_classes(examples: Pool, spec: DatasetSpec, place: str) -> None:
  """Raises ValueError if a class has no examples."""
  present = set(examples.labels)
  absent = [name for i, name in enumerate(spec.labels) if i not in present]
  if absent:
    raise ValueError(
      f'{place}: no examples of {", ".join(map(repr, absent))} among '
      f'{len(examples)} labelled ones; {spec.name} needs every class.'
    )


def _stored_label(row: Row, column: str, place: str) -> StoredLabel:
  _check_present(row, [column], place)
  try:
    label = StoredLabel.of(_decoded(row[column]))
  except ValueError as error:
    raise ValueError(f'{place}: {column} {error}.') from None
  if label.is_text and not label.text:
    raise ValueError(f'{place}: no value in column {column}.')
  return label


def _check_present(row: Row, columns: Iterable[str], place: str) -> None:
  missing = [column for column in columns if _is_missing(row.get(column))]
  if missing:
    raise ValueError(
      f'{place}: no value in column {", ".join(missing)}; the row has '
      f'{", ".join(k for k in row if not _is_missing(row[k])) or "nothing"}.'
    )


def _is_missing(value: Any) -> bool:
  """Whether a value is null, or NaN, as pandas writes missing values."""
  is_number = isinstance(value, numbers.Real | decimal.Decimal)
  return value is None or (is_number and math.isnan(value))


def _text(value: Any, place: str) -> str:
  """The text of a text or number, its white space collapsed."""
  try:
    value = _decoded(value)
  except ValueError as error:
    raise ValueError(f'{place} {error}.') from None
  is_number = isinstance(value, numbers.Real | decimal.Decimal)
  is_truth = isinstance(value, bool | np.bool_)
  if not isinstance(value, str) and (
    is_truth or not is_number or math.isinf(value)
  ):
    raise ValueError(
      f'{place} is {value!s:.60}, a {type(value).__name__}; a text column'
      ' holds text or numbers.'
    )
  text = ' '.join(str(value).split())
  try:
    text.encode()
  except UnicodeEncodeError as error:
    raise ValueError(
      f'{place}: the text has half of a character, {text[error.start]!r}, as'
      ' texts have that were cut: remove it.'
    ) from None
  return text


def _decoded(value: Any) -> Any:
  """Bytes as text; anything else as it is."""
  if not isinstance(value, bytes):
    return value
  try:
    return value.decode()
  except UnicodeDecodeError as error:
    raise ValueError(f'holds bytes that are not UTF-8 ({error})') from None


def _counts(
  built: Pool, num_rows: int, num_unlabelled: int, num_doubtful: int
) -> str:
  """Says how many rows are no plain examples; '' if all are."""
  labels_of_text = collections.defaultdict(set)
  for text, label in zip(built.texts, built.labels, strict=True):
    labels_of_text[text].add(label)
  counts = {
    'skipped without a label': num_unlabelled,
    'skipped without text': num_rows - num_unlabelled - len(built),
    'repeat the text of another row': len(built) - len(labels_of_text),
    'texts have several labels': sum(
      len(labels) > 1 for labels in labels_of_text.values()
    ),
    'hold NA, NULL or the like, which is read as text': num_doubtful,
  }
  return ', '.join(f'{count} {what}' for what, count in counts.items() if count)
