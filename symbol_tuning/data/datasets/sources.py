"""Where labelled examples come from: local files, the hub, TFDS, or code.

A source gives the rows of a dataset as they are stored; `build_pool` turns the
rows of any source into a `Pool` by the dataset's spec. Sources are frozen
dataclasses, to be chosen and combined in gin:

    FirstAvailable((LocalSource('~/data'), HubSource()))
"""

import contextlib
import dataclasses
import functools
import json
import numbers
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from absl import logging

from symbol_tuning.data.datasets.spec import DatasetSpec, HubLocation

SPLITS = ('train', 'validation')
# The environment variable that names a root of local files.
DATA_ROOT_VARIABLE = 'SYMBOL_TUNING_DATA_ROOT'
UNLABELLED = '-1'

Row = Mapping[str, Any]


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


@dataclasses.dataclass(frozen=True)
class Table:
  """Raw rows, and how their columns and labels differ from the spec's.

  Attributes:
    place: where the rows are, for messages.
    rows: (number of the row or line, row) pairs.
    columns: the table's name of a column, where it is not the spec's.
    label_values: the table's labels in id order, where not the spec's.
  """

  place: str
  rows: Iterable[tuple[int, Row]]
  columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
  label_values: Sequence[int | str] | None = None


class Source(Protocol):
  """Gives the examples of datasets."""

  def available(self, spec: DatasetSpec) -> bool:
    """Whether the source is one to ask for this dataset."""

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    """All labelled examples of `train` or `validation`."""


@functools.cache
def pool(
  source: Source, spec: DatasetSpec, split: str, max_examples: int = 25_000
) -> Pool:
  """The examples of a split: at most `max_examples`, loaded once.

  The choice of examples is the same on every machine and keeps their order.

  Raises:
    ValueError: an unknown split, or a class without examples.
  """
  if split not in SPLITS:
    raise ValueError(f'split {split!r} is none of {", ".join(SPLITS)}.')
  loaded = source.load(spec, split)
  if len(loaded) <= max_examples:
    return loaded
  # RandomState, unlike Generator, promises the same stream in every version.
  chosen = np.random.RandomState(0).permutation(len(loaded))[:max_examples]
  chosen.sort()
  capped = Pool(
    texts=tuple(loaded.texts[i] for i in chosen),
    labels=tuple(loaded.labels[i] for i in chosen),
    num_classes=loaded.num_classes,
  )
  place = f'{spec.name}, {split}, {max_examples} of {len(loaded)} examples'
  _check_classes(capped, spec, place)
  return capped


def build_pool(table: Table, spec: DatasetSpec) -> Pool:
  """Writes the rows of a table by the spec's template.

  Rows labelled -1, which is the hub's "no label", and rows whose text is empty
  are skipped. White space is collapsed, so that no text holds the blank line
  that stands between the examples of a prompt.

  Raises:
    ValueError: a missing column or value, a label that the spec does not
      have, half a character, or a class without examples.
  """
  columns = {
    name: table.columns.get(name, name)
    for name in (*spec.text_columns, spec.label_column)
  }
  class_ids = _class_ids(spec, table.label_values)
  texts, labels, skipped = [], [], 0
  for number, row in table.rows:
    place = f'{table.place}:{number}'
    values = _values(row, columns, place)
    label = _label_key(values[spec.label_column])
    fields = {name: _one_line(values[name]) for name in spec.text_columns}
    if label == UNLABELLED or not any(fields.values()):
      skipped += 1
      continue
    if label not in class_ids:
      raise ValueError(
        f'{place}: {columns[spec.label_column]} is {label!r}, but {spec.name} '
        f'has the labels {", ".join(class_ids)}.'
      )
    labels.append(class_ids[label])
    texts.append(_checked(spec.template.format_map(fields), place))
  if skipped:
    logging.info(
      '%s: skipped %d rows of no label or text', table.place, skipped
    )
  built = Pool(tuple(texts), tuple(labels), spec.num_classes)
  _check_classes(built, spec, table.place)
  return built


def _values(row: Row, columns: Mapping[str, str], place: str) -> Row:
  """The values that the spec asks for, by the spec's column names."""
  missing = [there for there in columns.values() if row.get(there) is None]
  if missing:
    raise ValueError(
      f'{place}: no value in column {", ".join(missing)}; the row has '
      f'{", ".join(key for key in row if row[key] is not None) or "nothing"}.'
    )
  return {name: row[there] for name, there in columns.items()}


def _class_ids(
  spec: DatasetSpec, label_values: Sequence[int | str] | None
) -> dict[str, int]:
  """Class ids by label name and by raw value, which wins over a name."""
  values = label_values or spec.label_values or range(spec.num_classes)
  by_value = {_label_key(value): i for i, value in enumerate(values)}
  by_name = {_label_key(name): i for i, name in enumerate(spec.labels)}
  return by_name | by_value


def _label_key(value: Any) -> str:
  """A label in one spelling: 1, '1', 1.0 and True are the same."""
  if isinstance(value, numbers.Real) and value % 1 == 0:
    return str(int(value))
  return str(value).strip().lower()


def _one_line(value: Any) -> str:
  return ' '.join(str(value).split())


def _checked(text: str, place: str) -> str:
  """Refuses half characters, which JSON can hold and no tokenizer reads."""
  try:
    text.encode()
  except UnicodeEncodeError as error:
    raise ValueError(
      f'{place}: the text has half of a character, {text[error.start]!r}, as'
      ' texts have that were cut: remove it.'
    ) from None
  return text


def _check_classes(examples: Pool, spec: DatasetSpec, place: str) -> None:
  present = set(examples.labels)
  absent = [name for i, name in enumerate(spec.labels) if i not in present]
  if absent:
    raise ValueError(
      f'{place}: no examples of {", ".join(map(repr, absent))} among '
      f'{len(examples)} labelled ones; {spec.name} needs every class.'
    )


@dataclasses.dataclass(frozen=True)
class FirstAvailable:
  """The first of some sources that has the dataset."""

  sources: tuple[Source, ...]

  def __post_init__(self):
    object.__setattr__(self, 'sources', tuple(self.sources))

  def available(self, spec: DatasetSpec) -> bool:
    return any(source.available(spec) for source in self.sources)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    for source in self.sources:
      if source.available(spec):
        return source.load(spec, split)
    raise FileNotFoundError(f'None of {self.sources} has {spec.name}.')


@dataclasses.dataclass(frozen=True)
class LocalSource:
  """Files `<root>/<spec.local>/<split>.jsonl` or `.parquet`.

  `root` may begin with `~` and hold `$VARIABLES`. Without a validation file,
  the split that the hub uses for validation serves, then `test`; without a
  train file, `test`.
  """

  root: str

  def available(self, spec: DatasetSpec) -> bool:
    folder = self._existing_root() / spec.local
    return any(_find_file(folder, spec, split) for split in SPLITS)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    folder = self._existing_root() / spec.local
    path = _find_file(folder, spec, split)
    if path is None:
      nearest = folder if folder.is_dir() else folder.parent
      raise FileNotFoundError(
        f'No {split}.jsonl or {split}.parquet of {spec.name} in {folder}; '
        f'{nearest} has {_listing(nearest)}.'
      )
    return build_pool(Table(str(path), _READERS[path.suffix](path)), spec)

  def _existing_root(self) -> pathlib.Path:
    root = pathlib.Path(os.path.expandvars(self.root)).expanduser()
    if not root.is_dir():
      raise FileNotFoundError(
        f'The data root {str(root)!r} is no folder. It should hold '
        '<dataset>/<split>.jsonl or .parquet, for example sst2/train.jsonl.'
      )
    return root


def _find_file(
  folder: pathlib.Path, spec: DatasetSpec, split: str
) -> pathlib.Path | None:
  """The file that serves as the split, if there is one."""
  on_hub = [dict(spec.hub.splits)[split]] if spec.hub else []
  names = [split, *on_hub, 'test']
  files = (folder / f'{name}{suffix}' for name in names for suffix in _READERS)
  return next((file for file in files if file.is_file()), None)


def _listing(folder: pathlib.Path) -> str:
  return ', '.join(sorted(path.name for path in folder.iterdir())) or 'nothing'


def _read_jsonl(path: pathlib.Path) -> Iterator[tuple[int, Row]]:
  with path.open(encoding='utf-8') as lines:
    for number, line in enumerate(lines, start=1):
      if not line.strip():
        continue
      try:
        row = json.loads(line)
      except json.JSONDecodeError as error:
        raise ValueError(f'{path}:{number}: not JSON ({error}).') from None
      if not isinstance(row, dict):
        raise ValueError(f'{path}:{number}: not a JSON object: {line:.40}')
      yield number, row


def _read_parquet(path: pathlib.Path) -> Iterator[tuple[int, Row]]:
  with pq.ParquetFile(path) as file:
    rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
    yield from enumerate(rows, start=1)


_READERS = {'.jsonl': _read_jsonl, '.parquet': _read_parquet}


@dataclasses.dataclass(frozen=True)
class HubSource:
  """The Hugging Face hub. Data files only: no code of a repository runs."""

  def available(self, spec: DatasetSpec) -> bool:
    """Whether it has a repository. A network that fails is an error."""
    return spec.hub is not None

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    hub = spec.hub
    if hub is None:
      raise ValueError(
        f'{spec.name} names no hub repository; use another source for it.'
      )
    import datasets  # Takes seconds, and only this source needs it.

    place = f'{hub.repository}/{hub.configuration or ""}'.rstrip('/')
    with _explaining_failure(f'The hub repository {place}', spec):
      loaded = datasets.load_dataset(
        hub.repository,
        **_selection(hub),
        revision=hub.revision,
        split=dict(hub.splits)[split],
      )
      rows = loaded.to_list()
    table = Table(place, enumerate(rows, start=1), dict(hub.columns))
    return build_pool(table, spec)


def _selection(hub: HubLocation) -> dict[str, str | None]:
  """How `load_dataset` is told the configuration."""
  if hub.revision is None:
    return {'name': hub.configuration}
  return {'data_dir': hub.configuration}


@dataclasses.dataclass(frozen=True)
class TfdsSource:
  """TensorFlow Datasets, prepared in `data_dir` or downloaded to it."""

  data_dir: str | None = None

  def available(self, spec: DatasetSpec) -> bool:
    """Whether TFDS has the dataset. A network that fails is an error."""
    return spec.tfds is not None

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    if spec.tfds is None:
      raise ValueError(f'TFDS has no {spec.name}; use another source for it.')
    import tensorflow_datasets as tfds  # Takes seconds; see HubSource.

    with _explaining_failure(f'The TFDS dataset {spec.tfds.name}', spec):
      loaded = tfds.load(
        spec.tfds.name,
        split=dict(spec.tfds.splits)[split],
        data_dir=self.data_dir,
      )
      rows = [_decoded(row) for row in loaded.as_numpy_iterator()]
    table = Table(
      f'tfds {spec.tfds.name}',
      enumerate(rows, start=1),
      dict(spec.tfds.columns),
      spec.tfds.label_values,
    )
    return build_pool(table, spec)


def _decoded(row: Row) -> Row:
  return {
    key: value.decode() if isinstance(value, bytes) else value
    for key, value in row.items()
  }


@contextlib.contextmanager
def _explaining_failure(what: str, spec: DatasetSpec) -> Iterator[None]:
  try:
    yield
  except Exception as error:
    raise ConnectionError(
      f'{what} could not be read ({type(error).__name__}: {error}). Without a '
      f'network, put its rows into <root>/{spec.local}/<split>.jsonl or '
      '.parquet and use LocalSource(<root>).'
    ) from error


@dataclasses.dataclass(frozen=True)
class SyntheticSource:
  """Examples made by code, in the shape of the real ones; needs no network."""

  seed: int = 0
  num_train: int = 2_000
  num_validation: int = 400

  def available(self, spec: DatasetSpec) -> bool:
    return True

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    from symbol_tuning.data.datasets import synthetic

    num_examples = {'train': self.num_train, 'validation': self.num_validation}
    rows = synthetic.rows(spec, split, num_examples[split], self.seed)
    place = f'synthetic {spec.name} {split}'
    return build_pool(Table(place, enumerate(rows, start=1)), spec)


def from_environment() -> Source:
  """The local files that the environment names the root of, or the hub."""
  root = os.environ.get(DATA_ROOT_VARIABLE)
  return LocalSource(root) if root else HubSource()
