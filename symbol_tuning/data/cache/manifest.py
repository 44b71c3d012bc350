"""What a cache says of itself, and whether it is whole.

A cache is a folder. `settings.json` is written first: all that its rows depend
on. Then come the shards, each with a file that describes it, and when all are
there `manifest.json`, which holds everything. Without it, nothing is read.
"""

import collections
import contextlib
import dataclasses
import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any

from symbol_tuning import files, reading
from symbol_tuning.files import sealed

MANIFEST_FILE = 'manifest.json'
SETTINGS_FILE = 'settings.json'
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class CacheSettings:
  """All that the rows of a cache depend on.

  Attributes:
    mixture_or_task_name: what SeqIO calls the mixture.
    tasks: the mixing rate of each of its tasks.
    vocabulary: the fingerprint of the vocabulary.
    token_type: how a token is stored (see cache.rows).
    task_feature_lengths: most tokens of 'inputs' and 'targets' of an example.
    loss_positions_per_row: the most positions of a row with loss.
    num_packing_bins: rows that are filled at the same time.
    seed: of the order of examples and of every choice in a prompt.
    num_rows: rows of all shards.
    num_shards: files.
    data: the data settings, as JSON values.
    version: of this package, by which the cache is written.
    pools: a digest of the labelled examples of each task; caches of earlier
      versions have none.
    format: of the cache.
  """

  mixture_or_task_name: str
  tasks: Mapping[str, float]
  vocabulary: str
  token_type: str
  task_feature_lengths: Mapping[str, int]
  loss_positions_per_row: int
  num_packing_bins: int
  seed: int
  num_rows: int
  num_shards: int
  data: Mapping[str, Any]
  version: str
  pools: Mapping[str, str] = dataclasses.field(default_factory=dict)
  format: int = FORMAT

  @property
  def row_length(self) -> int:
    """Positions of a row."""
    return sum(self.task_feature_lengths.values())

  def rows_of(self, shard: int) -> int:
    """Returns how many rows a shard has; shards differ by one at most."""
    rows, more = divmod(self.num_rows, self.num_shards)
    return rows + (shard < more)

  def shard_name(self, shard: int) -> str:
    return f'rows-{shard:05d}-of-{self.num_shards:05d}.array_record'

  def check_equal(self, other: 'CacheSettings', place: files.Path) -> None:
    """Raises ValueError naming the first difference to those in a file."""
    changed = [
      task
      for task, digest in other.pools.items()
      if self.pools.get(task, digest) != digest
    ]
    if changed:
      raise ValueError(
        f'{place}: the examples of {", ".join(changed)} are not those that the'
        ' cache there was begun with. Choose another CACHE_DIR, or remove that'
        ' one.'
      )
    ours, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
    # Caches of earlier versions do not say.
    theirs['pools'] = theirs['pools'] or ours['pools']
    for name, value in ours.items():
      if value != theirs[name]:
        raise ValueError(
          f'{place}: the cache there was begun with {name} = {theirs[name]!r},'
          f' and this run has {value!r}. Choose another CACHE_DIR, or remove'
          ' that one.'
        )


@dataclasses.dataclass(frozen=True)
class Statistics:
  """What is in rows.

  Attributes:
    rows: their number.
    positions: of all rows, padding included.
    tokens: positions that are not padding.
    target_tokens: positions with loss.
    most_target_tokens: of any row; None in caches of earlier versions.
    examples: their number, by task.
    dropped: prompts that were left out because the query alone is too long, by
      task; some were drawn for rows after the last one.
  """

  rows: int = 0
  positions: int = 0
  tokens: int = 0
  target_tokens: int = 0
  most_target_tokens: int | None = 0
  examples: Mapping[str, int] = dataclasses.field(default_factory=dict)
  dropped: Mapping[str, int] = dataclasses.field(default_factory=dict)

  def __add__(self, other: 'Statistics') -> 'Statistics':
    return Statistics(
      rows=self.rows + other.rows,
      positions=self.positions + other.positions,
      tokens=self.tokens + other.tokens,
      target_tokens=self.target_tokens + other.target_tokens,
      most_target_tokens=_greater(
        self.most_target_tokens, other.most_target_tokens
      ),
      examples=_added(self.examples, other.examples),
      dropped=_added(self.dropped, other.dropped),
    )

  @property
  def non_padding(self) -> float:
    """The share of positions that are not padding."""
    return self.tokens / max(1, self.positions)


def _greater(first: int | None, second: int | None) -> int | None:
  return None if first is None or second is None else max(first, second)


def _added(
  first: Mapping[str, int], second: Mapping[str, int]
) -> dict[str, int]:
  total = collections.Counter(first)
  total.update(second)
  return dict(sorted(total.items()))


@dataclasses.dataclass(frozen=True)
class Shard:
  """A complete file of rows.

  Attributes:
    name: of the file.
    size: in bytes.
    sha256: of its content.
    statistics: what is in it.
  """

  name: str
  size: int
  sha256: str
  statistics: Statistics

  def write(self, folder: files.Path) -> None:
    """Says that the shard is complete."""
    files.write_text(_description(folder, self.name), _to_json(self))

  def is_whole(self, folder: files.Path) -> bool:
    """Whether the file is there in its full size; its content is not read."""
    try:
      return files.size(folder / self.name) == self.size
    except FileNotFoundError:
      return False

  def has_content(self, folder: files.Path) -> bool:
    """Whether the file holds what was written; reads all of it."""
    return files.sha256(folder / self.name) == self.sha256


@dataclasses.dataclass(frozen=True)
class Manifest:
  """A complete cache."""

  settings: CacheSettings
  shards: tuple[Shard, ...]

  @property
  def statistics(self) -> Statistics:
    """What is in all shards."""
    each = (shard.statistics for shard in self.shards)
    return functools.reduce(operator.add, each, Statistics())

  def write(self, folder: files.Path) -> None:
    """Says that the cache is complete."""
    statistics = dataclasses.asdict(self.statistics) | {
      'non_padding': round(self.statistics.non_padding, 4)
    }
    text = _to_json(self, statistics=statistics)
    files.write_text(folder / MANIFEST_FILE, text)


def read_settings(folder: files.Path) -> CacheSettings | None:
  """Returns the settings of a cache that was begun, None where none was."""
  path = folder / SETTINGS_FILE
  if not path.exists():
    return None
  return _settings(_from_json(path), path)


def write_settings(folder: files.Path, settings: CacheSettings) -> None:
  """Begins a cache.

  Raises:
    FileExistsError: if another process has begun another one there.
  """
  folder.mkdir(parents=True, exist_ok=True)
  files.create_text(folder / SETTINGS_FILE, _to_json(settings))


def read_shard(
  folder: files.Path, settings: CacheSettings, shard: int
) -> Shard | None:
  """Returns a shard that is complete, None for one that is not."""
  path = _description(folder, settings.shard_name(shard))
  if not path.exists():
    return None
  described = _shard(_from_json(path), path)
  return described if described.is_whole(folder) else None


def read_shards(
  folder: files.Path, settings: CacheSettings
) -> list[Shard | None]:
  """Returns all shards by number, None for those that are not complete."""
  numbers = range(settings.num_shards)
  return [read_shard(folder, settings, number) for number in numbers]


def read_manifest(folder: files.Path) -> Manifest:
  """Returns what a complete cache says of itself.

  Raises:
    FileNotFoundError: if there is none, or it is not complete.
    ValueError: if the manifest is damaged or of another format.
  """
  path = folder / MANIFEST_FILE
  if not path.exists():
    raise FileNotFoundError(_why_not_there(folder))
  values = _from_json(path)
  with _explained(path):
    settings = _settings(values['settings'], path)
    shards = tuple(_shard(shard, path) for shard in values['shards'])
  return Manifest(settings, shards)


def _why_not_there(folder: files.Path) -> str:
  settings = read_settings(folder)
  if settings is None:
    return (
      f'No cache in {folder}: it has no {MANIFEST_FILE}. Write one with python'
      ' -m symbol_tuning.cache_tasks, or correct CACHE_DIR.'
    )
  whole = sum(shard is not None for shard in read_shards(folder, settings))
  return (
    f'The cache in {folder} is not complete: {whole} of {settings.num_shards}'
    ' shards are there. Run python -m symbol_tuning.cache_tasks with its'
    ' settings again; it goes on where it was.'
  )


def _description(folder: files.Path, shard_name: str) -> files.Path:
  return folder / f'{shard_name}.json'


def _to_json(value: Any, **more: Any) -> str:
  return sealed.to_json(more | dataclasses.asdict(value))


@contextlib.contextmanager
def _explained(path: files.Path) -> Iterator[None]:
  """Names the file whose values are not those of a cache."""
  try:
    yield
  except (AttributeError, KeyError, TypeError) as error:
    reason = f'{type(error).__name__}: {error}'
    raise ValueError(damaged(path, reason)) from None


def damaged(path: files.Path, reason: str) -> str:
  """Says what to do about a file of a cache that is not what was written."""
  return (
    f'{path} is damaged ({reason}). Remove it and run python -m'
    ' symbol_tuning.cache_tasks with the settings of the cache: it writes only'
    ' what is missing.'
  )


def _from_json(path: files.Path) -> dict[str, Any]:
  try:
    return sealed.from_json(path.read_bytes())
  except ValueError as error:
    raise ValueError(damaged(path, str(error))) from None


def _settings(values: dict[str, Any], path: files.Path) -> CacheSettings:
  with _explained(path):
    if values['format'] != FORMAT:
      raise ValueError(
        f'{path}: the cache has format {values["format"]}, and symbol_tuning'
        f' {values["version"]} wrote it; this version reads format {FORMAT}.'
        ' Write the cache anew.'
      )
    return CacheSettings(**values)


def _shard(values: dict[str, Any], path: files.Path) -> Shard:
  with _explained(path):
    reading.check_within(values['name'], path)
    statistics = {'most_target_tokens': None} | values['statistics']
    return Shard(**values | {'statistics': Statistics(**statistics)})
