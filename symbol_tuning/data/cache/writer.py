"""Writes a mixture as packed, tokenized rows.

Each shard is a stream of its own, SeqIO's share (shard, number of shards) of
the examples, so that shards are written in any order by any number of
processes and are always the same. A shard that is complete is never written
again.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gin
import numpy as np
import seqio
from array_record.python import array_record_module

import symbol_tuning
from symbol_tuning import files
from symbol_tuning.data import packing, settings, train_data
from symbol_tuning.data.cache import manifest, rows
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing

CONFIG_FILE = 'config.gin'
# Rows are read one by one; they are hardly smaller when compressed.
_WRITER_OPTIONS = 'group_size:1,uncompressed'

OnRow = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class CacheJob:
  """Writes the shards of one cache, each of which can be written anywhere.

  Attributes:
    folder: of the cache; every process that writes a shard must see it.
    settings: what is written.
  """

  folder: files.Path
  settings: manifest.CacheSettings

  def write_shard(self, number: int, on_row: OnRow = lambda: None) -> None:
    """Writes one shard and says that it is complete.

    Args:
      number: of the shard, from 0.
      on_row: called after each row; what it raises ends the writing.

    Raises:
      OSError: if it cannot be written.
      ValueError: if the mixture ends before the shard is full.
    """
    name = self.settings.shard_name(number)
    statistics = manifest.Statistics()
    dropped_before = dataset_tasks.dropped_queries.copy()
    with files.replacing(self.folder / name) as partial:
      with _RowFile(partial) as file:
        for row in self._rows(number):
          file.write(
            rows.encode(
              row, row[packing.SEGMENT_TASKS], self.settings.token_type
            )
          )
          statistics += _counted(row, self.settings)
          on_row()
      size = partial.stat().st_size
      checksum = files.sha256(partial)
    dropped = dataset_tasks.dropped_queries - dropped_before
    statistics += manifest.Statistics(dropped=dropped)
    manifest.Shard(name, size, checksum, statistics).write(self.folder)

  def _rows(self, number: int) -> Iterator[packing.Example]:
    chosen = self.settings
    stream = train_data.packed_rows(
      chosen.mixture_or_task_name,
      chosen.task_feature_lengths,
      loss_positions_per_row=chosen.loss_positions_per_row,
      seed=chosen.seed,
      num_packing_bins=chosen.num_packing_bins,
      shard=seqio.ShardInfo(number, chosen.num_shards),
    )
    iterator = iter(stream)
    for count in range(chosen.rows_of(number)):
      row = next(iterator, None)
      if row is None:
        raise ValueError(
          f'{chosen.mixture_or_task_name} ended after {count} rows of shard'
          f' {number}: use fewer shards than {chosen.num_shards}.'
        )
      yield row


Runner = Callable[[CacheJob, Sequence[int]], None]


def write_cache(
  mixture_or_task_name: str,
  task_feature_lengths: Mapping[str, int],
  cache_dir: str,
  num_rows: int,
  runner: Runner,
  num_shards: int = 16,
  loss_positions_per_row: int | None = None,
  seed: int = 0,
  num_packing_bins: int = 64,
) -> manifest.Manifest:
  """Writes a mixture as packed rows, or what is missing of them.

  Args:
    mixture_or_task_name: a registered name.
    task_feature_lengths: most tokens of 'inputs' and 'targets'; a row holds
      their sum.
    cache_dir: the folder. If a cache was begun there, with the same settings,
      its shards are kept.
    num_rows: how many rows; a run of n steps reads n × BATCH_SIZE.
    runner: has shards written, given the job and their numbers.
    num_shards: how many files they are divided among.
    loss_positions_per_row: the most positions of a row with loss; None for no
      limit.
    seed: of the order of examples and of every choice in a prompt.
    num_packing_bins: rows that are filled at the same time; more of them leave
      less padding.

  Raises:
    ValueError: for a mixture that is unknown or has too few examples for so
      many shards, or where another cache was begun.
    OSError: if the cache cannot be written, or another process writes it.
  """
  folder = files.path(cache_dir)
  chosen = _settings(
    mixture_or_task_name=mixture_or_task_name,
    task_feature_lengths=dict(task_feature_lengths),
    loss_positions_per_row=loss_positions_per_row
    or sum(task_feature_lengths.values()),
    num_packing_bins=num_packing_bins,
    seed=seed,
    num_rows=num_rows,
    num_shards=num_shards,
  )
  with files.only_writer(folder, 'CACHE_DIR'):
    _begin(folder, chosen)
    missing = _missing(folder, chosen)
    print(_plan(folder, chosen, missing), flush=True)
    try:
      if missing:
        runner(CacheJob(folder, chosen), missing)
    except BaseException:
      print(_progress(folder, chosen), flush=True)
      raise
    return _finish(folder, chosen)


def _settings(
  mixture_or_task_name: str, num_rows: int, num_shards: int, **others: Any
) -> manifest.CacheSettings:
  """Adds what follows from the mixture and from the data settings."""
  if not 1 <= num_shards <= num_rows:
    raise ValueError(
      f'NUM_SHARDS {num_shards} must be from 1 to NUM_ROWS, {num_rows}.'
    )
  rates = mixing.mixing_rates(mixture_or_task_name)
  mixing.check_shards(rates, num_shards)
  vocabulary = settings.current().vocabulary
  return manifest.CacheSettings(
    mixture_or_task_name=mixture_or_task_name,
    tasks={task.name: rate for task, rate in rates.items()},
    vocabulary=vocabulary.fingerprint(),
    token_type=rows.token_type(vocabulary.load().vocab_size),
    num_rows=num_rows,
    num_shards=num_shards,
    data=_data_settings(),
    version=symbol_tuning.__version__,
    pools=mixing.digests(rates),
    **others,
  )


def _data_settings() -> dict[str, Any]:
  """The current data settings, less the vocabulary, as JSON values."""
  values = vars(settings.current()) | {
    'source': repr(settings.current().source)
  }
  del values['vocabulary']
  return json.loads(json.dumps(values))


def _begin(folder: files.Path, chosen: manifest.CacheSettings) -> None:
  begun = manifest.read_settings(folder)
  if begun is None:
    try:
      manifest.write_settings(folder, chosen)
    except FileExistsError:  # Another process began one at this very moment.
      return _begin(folder, chosen)
    files.write_text(folder / CONFIG_FILE, gin.config_str())
    return
  chosen.check_equal(begun, folder / manifest.SETTINGS_FILE)
  files.remove_partial(folder)
  _remove_damaged(folder, chosen)


def _remove_damaged(folder: files.Path, chosen: manifest.CacheSettings) -> None:
  """Has shards that are not what was written be written again."""

  def check(number: int) -> None:
    shard = manifest.read_shard(folder, chosen, number)
    if shard is not None and not shard.has_content(folder):
      print(f'{folder / shard.name} is damaged: written again.', flush=True)
      (folder / shard.name).unlink()

  with concurrent.futures.ThreadPoolExecutor() as pool:
    list(pool.map(check, range(chosen.num_shards)))


def _missing(folder: files.Path, chosen: manifest.CacheSettings) -> list[int]:
  shards = manifest.read_shards(folder, chosen)
  return [number for number, shard in enumerate(shards) if shard is None]


def _progress(folder: files.Path, chosen: manifest.CacheSettings) -> str:
  whole = chosen.num_shards - len(_missing(folder, chosen))
  return (
    f'Stopped. {whole} of {chosen.num_shards} shards are complete and kept: the'
    ' same command goes on from there.'
  )


def _plan(
  folder: files.Path, chosen: manifest.CacheSettings, missing: list[int]
) -> str:
  if not missing:
    return f'All {chosen.num_shards} shards are in {folder} already.'
  num_rows = sum(map(chosen.rows_of, missing))
  return (
    f'Caching {chosen.mixture_or_task_name}, {len(chosen.tasks)} tasks, in'
    f' {folder}: {num_rows:,} rows of {chosen.row_length} tokens,'
    f' {len(missing)} of {chosen.num_shards} shards to go.'
  )


def _finish(
  folder: files.Path, chosen: manifest.CacheSettings
) -> manifest.Manifest:
  shards = manifest.read_shards(folder, chosen)
  if None in shards:
    raise FileNotFoundError(
      f'{folder / chosen.shard_name(shards.index(None))} is not there though it'
      ' was written: do all processes that write see the same folder?'
    )
  written = manifest.Manifest(chosen, tuple(filter(None, shards)))
  written.write(folder)
  total = written.statistics
  print(
    f'Cached {total.rows:,} rows: {total.tokens:,} tokens'
    f' ({total.non_padding:.1%} not padding), {total.target_tokens:,} of them'
    f' targets, at most {total.most_target_tokens} in a row,'
    f' {sum(total.examples.values()):,} prompts;'
    f' {sum(total.dropped.values()):,} were too long.',
    flush=True,
  )
  return written


def _counted(
  row: packing.Example, chosen: manifest.CacheSettings
) -> manifest.Statistics:
  """Counts what is in a row."""
  target_tokens = int(np.count_nonzero(row['decoder_loss_weights']))
  examples = np.bincount(
    row[packing.SEGMENT_TASKS], minlength=len(chosen.tasks)
  )
  return manifest.Statistics(
    rows=1,
    positions=chosen.row_length,
    tokens=int(np.count_nonzero(row['decoder_segment_ids'])),
    target_tokens=target_tokens,
    most_target_tokens=target_tokens,
    examples=dict(zip(chosen.tasks, examples.tolist(), strict=True)),
  )


class _RowFile:
  """An ArrayRecord file; a context manager."""

  def __init__(self, path: pathlib.Path):
    self._path = path
    with self._as_os_error():
      self._writer = array_record_module.ArrayRecordWriter(
        str(path), _WRITER_OPTIONS
      )

  def __enter__(self) -> '_RowFile':
    return self

  def __exit__(self, error_type, *_) -> None:
    try:
      with self._as_os_error():
        self._writer.close()
    except OSError:
      if error_type is None:
        raise

  def write(self, record: bytes) -> None:
    with self._as_os_error():
      self._writer.write(record)
      if not self._writer.ok():
        self._writer.close()

  @contextlib.contextmanager
  def _as_os_error(self) -> Iterator[None]:
    try:
      yield
    except RuntimeError as error:
      reason = str(error).split(';')[0]
      raise OSError(f'Cannot write {self._path}: {reason}.') from None
