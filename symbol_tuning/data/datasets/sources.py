"""Where labelled examples come from: local files, the hub, TFDS, or code.

Sources are frozen dataclasses, to be chosen and combined in gin:

    FirstAvailable((LocalSource('~/data'), HubSource()))

A root that is no folder is an error there too, lest a slip of the pen has the
hub serve what was meant to be read from files. All sources give the rows of a
dataset as they are stored; `pools` makes these into a `Pool` by its spec.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from absl import logging

from symbol_tuning import files
from symbol_tuning.data.datasets import hub_repositories, row_files
from symbol_tuning.data.datasets.pools import (
  Pool,
  StoredRows,
  build_pool,
  check_classes,
)
from symbol_tuning.data.datasets.spec import (
  DatasetSpec,
  HubLocation,
  Pairs,
  TfdsLocation,
)

SPLITS = ('train', 'validation')
# The environment variable that names a root of local files.
DATA_ROOT_VARIABLE = 'SYMBOL_TUNING_DATA_ROOT'


class Source(Hashable, Protocol):
  """Gives the examples of datasets."""

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    """Says why the source does not have a split; None if it has it."""

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    """Returns all labelled examples of `train` or `validation`."""


@functools.cache
def pool(
  source: Source, spec: DatasetSpec, split: str, max_examples: int = 25_000
) -> Pool:
  """Returns the examples of a split: at most `max_examples`, loaded once.

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
  check_classes(capped, spec, place)
  return capped


@dataclasses.dataclass(frozen=True)
class FirstAvailable:
  """The first of some sources that has the split of a dataset."""

  sources: tuple[Source, ...]

  def __post_init__(self):
    object.__setattr__(self, 'sources', tuple(self.sources))

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    reasons = []
    for source in self.sources:
      reason = source.missing(spec, split)
      if reason is None:
        return None
      reasons.append(reason)
    return ' '.join(reasons)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    for source in self.sources:
      reason = source.missing(spec, split)
      if reason is None:
        return source.load(spec, split)
      logging.info('%s', reason)
    raise FileNotFoundError(
      f'No source has {split} of {spec.name}. {self.missing(spec, split)}'
    )


@dataclasses.dataclass(frozen=True)
class LocalSource:
  """Files of a split in the folder `<root>/<spec.local>`.

  See `row_files.EXPECTED` for their names. A split goes by the name that the
  spec gives it on the hub or in TFDS, too: the validation split of `subj` is
  also looked for as `test`. A column that has another name on the hub is read
  by that one if the first row has it, and by the spec's otherwise.

  Attributes:
    root: may begin with `~`, hold `$VARIABLES` or be in a bucket.
    stand_ins: (split, name) pairs of other files that are to serve where the
      split has none, such as `(('train', 'test'),)`.
  """

  root: str
  stand_ins: Pairs = ()

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    return None if self._find(spec, split) else self._reason(spec, split)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    paths = self._find(spec, split)
    if not paths:
      raise FileNotFoundError(self._reason(spec, split))
    place = str(paths[0])
    if len(paths) > 1:
      place += f' and {len(paths) - 1} more'
    rows = itertools.chain.from_iterable(map(row_files.read, paths))
    first = list(itertools.islice(rows, 1))
    renamed = spec.hub.columns if spec.hub else ()
    stored = StoredRows(
      place,
      itertools.chain(first, rows),
      {ours: name for ours, name in renamed for _, row in first if name in row},
      is_typed=all(map(row_files.is_typed, paths)),
    )
    return build_pool(stored, spec)

  def _find(self, spec: DatasetSpec, split: str) -> list[files.Path]:
    """The files that serve as the split, if there are any."""
    folder = self._existing_root() / spec.local
    for name in self._names(spec, split):
      if found := row_files.find(folder, name):
        return found
    return []

  def _names(self, spec: DatasetSpec, split: str) -> list[str]:
    """What the files of a split may be called."""
    locations = [place for place in (spec.hub, spec.tfds) if place]
    theirs = [dict(place.splits).get(split, split) for place in locations]
    others = [name for ours, name in self.stand_ins if ours == split]
    return list(dict.fromkeys([split, *theirs, *others]))

  def _reason(self, spec: DatasetSpec, split: str) -> str:
    folder = self._existing_root() / spec.local
    names = ' or '.join(map(repr, self._names(spec, split)))
    return (
      f'{folder} has no files of {split} of {spec.name}; it has:'
      f' {row_files.listing(folder)}. Looked for {row_files.EXPECTED}, where'
      f' <split> is {names}.'
    )

  def _existing_root(self) -> files.Path:
    expanded = os.path.expandvars(self.root)
    if not expanded.strip():
      raise FileNotFoundError(
        f'The data root is {self.root!r}, which is no folder: is a variable'
        ' not set?'
      )
    root = files.path(expanded)
    if not root.is_dir():
      raise FileNotFoundError(
        f'The data root {str(root)!r} is no folder. It should hold a folder'
        ' for each dataset, for example sst2/train.jsonl.'
      )
    return root


@dataclasses.dataclass(frozen=True)
class HubSource:
  """The Hugging Face hub. Data files only: no code of a repository runs."""

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    """A network that fails is no reason, but an error when loading."""
    if spec.hub is None:
      return f'{spec.name} names no hub repository; use another source for it.'
    return _missing_split(spec.hub, spec, split)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    hub, reason = spec.hub, self.missing(spec, split)
    if hub is None or reason:
      raise ValueError(reason)
    import datasets  # Takes seconds, and only this source needs it.

    place = f'{hub.repository}/{hub.configuration or ""}'.rstrip('/')
    # A converted branch keeps each configuration in a folder of its name.
    selected_by = 'data_dir' if hub.revision else 'name'
    with (
      _explaining_failure(f'The hub repository {place}', spec),
      hub_repositories.answering(hub.repository),
    ):
      loaded = datasets.load_dataset(
        hub.repository,
        **{selected_by: hub.configuration},
        revision=hub.revision,
        split=dict(hub.splits)[split],
      )
      rows = loaded.to_list()
    names = {
      column: feature.names
      for column, feature in loaded.features.items()
      if isinstance(feature, datasets.ClassLabel)
    }
    numbered = _numbered(f'{place} {split}', rows, names)
    return build_pool(StoredRows(place, numbered, dict(hub.columns)), spec)


def _missing_split(
  location: HubLocation | TfdsLocation, spec: DatasetSpec, split: str
) -> str | None:
  if split in dict(location.splits):
    return None
  return f'{spec.name} names no {split} split in {location}.'


@dataclasses.dataclass(frozen=True)
class TfdsSource:
  """TensorFlow Datasets, prepared in `data_dir` or downloaded to it."""

  data_dir: str | None = None

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    """A network that fails is no reason, but an error when loading."""
    if spec.tfds is None:
      return f'TFDS has no {spec.name}; use another source for it.'
    return _missing_split(spec.tfds, spec, split)

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    location, reason = spec.tfds, self.missing(spec, split)
    if location is None or reason:
      raise ValueError(reason)
    import tensorflow_datasets as tfds  # Takes seconds; see HubSource.

    with _explaining_failure(f'The TFDS dataset {location.name}', spec):
      loaded, info = tfds.load(
        location.name,
        split=dict(location.splits)[split],
        data_dir=self.data_dir,
        with_info=True,
      )
      rows = list(loaded.as_numpy_iterator())
    names = {
      column: feature.names
      for column, feature in info.features.items()
      if isinstance(feature, tfds.features.ClassLabel)
    }
    place = f'tfds {location.name} {split}'
    numbered = _numbered(place, rows, names)
    return build_pool(StoredRows(place, numbered, dict(location.columns)), spec)


def _numbered(
  place: str, rows: Sequence[row_files.Row], names: Mapping[str, list[str]]
) -> Iterator[tuple[str, row_files.Row]]:
  """Yields (place, row) pairs, with the names of classes for numbers."""
  for number, row in enumerate(rows, start=1):
    where = f'{place}:{number}'
    yield where, row_files.with_class_names(row, names, where)


@contextlib.contextmanager
def _explaining_failure(what: str, spec: DatasetSpec) -> Iterator[None]:
  try:
    yield
  except Exception as error:
    raise ConnectionError(
      f'{what} could not be read ({type(error).__name__}: {error}). Without a '
      f'network, put its rows into <root>/{spec.local}/<split>.jsonl, .csv or '
      f'.parquet and name the root in {DATA_ROOT_VARIABLE}.'
    ) from error


@dataclasses.dataclass(frozen=True)
class SyntheticSource:
  """Examples made by code, in the shape of the real ones; needs no network."""

  seed: int = 0
  num_train: int = 2_000
  num_validation: int = 400

  def missing(self, spec: DatasetSpec, split: str) -> str | None:
    return None

  def load(self, spec: DatasetSpec, split: str) -> Pool:
    from symbol_tuning.data.datasets import synthetic

    num_examples = {'train': self.num_train, 'validation': self.num_validation}
    rows = synthetic.rows(spec, split, num_examples[split], self.seed)
    place = f'synthetic {spec.name} {split}'
    stored = StoredRows(place, _numbered(place, rows, {}))
    # Short texts of few words are bound to come again.
    return build_pool(stored, spec, say=logging.debug)


def from_environment(stand_ins: Pairs = ()) -> Source:
  """Returns the local files that the environment names the root of, or the hub.

  The variable is SYMBOL_TUNING_DATA_ROOT.

  Args:
    stand_ins: of the local files, see `LocalSource`.

  Raises:
    ValueError: the variable is empty, or stand-ins, and no local files.
  """
  root = os.environ.get(DATA_ROOT_VARIABLE)
  if root is not None and not root.strip():
    raise ValueError(
      f'{DATA_ROOT_VARIABLE} is set to {root!r}: name the folder of local'
      ' files, or unset it to read from the hub.'
    )
  if root:
    return LocalSource(root, stand_ins)
  if stand_ins:
    raise ValueError(
      f'stand_ins = {stand_ins!r} are of local files: set'
      f' {DATA_ROOT_VARIABLE} to the folder that holds them.'
    )
  return HubSource()
