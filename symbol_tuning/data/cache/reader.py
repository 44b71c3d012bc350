"""Training batches from a cache, without TensorFlow and SeqIO.

Grain shuffles the rows, divides them among processes and reads ahead. Which
rows are in a batch follows from the seed and the number of the batch alone, so
that any place in the data is reached at once.
"""

import bisect
import concurrent.futures
import copy
import functools
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import gin
import grain
import jax
import numpy as np
from array_record.python import array_record_module

from symbol_tuning import files
from symbol_tuning.data import positions
from symbol_tuning.data.cache import manifest, rows
from symbol_tuning.data.shards import BatchShard
from symbol_tuning.data.vocabularies import VocabularyName

Batch = dict[str, np.ndarray]

_POSITION = 'batches_read'
# By name: to import it is to import SeqIO.
_DATA_SETTINGS = 'symbol_tuning.data.settings.DataSettings'
# Those that no row depends on, or that are compared in another way.
_FREE = ('vocabulary', 'source', 'skip_missing', 'evaluation_exemplars',
         'evaluation_queries')  # fmt: skip
# Rows are read one by one, in random order: reading ahead would be for nothing.
_READER_OPTIONS = 'readahead_buffer_size:0,max_parallelism:0'
_READER_BUFFER = 32 * 1024


class CachedTrainData:
  """An endless iterator of packed training batches from a cache.

  Each process reads its own rows of each batch. Every row is read once in an
  epoch, and epochs differ in order. The batches of all processes together are
  the same, row by row, whatever the number of processes.

  Attributes:
    shard: which part of each batch this process reads.
  """

  def __init__(
    self,
    cache_dir: str,
    mixture_or_task_name: str,
    task_feature_lengths: Mapping[str, int],
    vocabulary: VocabularyName,
    batch_size: int,
    loss_positions_per_row: int | None = None,
    seed: int = 0,
    num_threads: int = 2,
    batches_ahead: int = 8,
    shard: BatchShard | None = None,
  ):
    """Opens the cache; no row is read yet.

    Args:
      cache_dir: the folder.
      mixture_or_task_name: what the cache is expected to hold.
      task_feature_lengths: the lengths that it is expected to have.
      vocabulary: the vocabulary of the model.
      batch_size: rows of a batch, over all processes.
      loss_positions_per_row: the most positions of a row with loss that the
        run can have; None for no limit.
      seed: of the order of rows.
      num_threads: how many batches are read at the same time.
      batches_ahead: how many batches are read ahead.
      shard: which part of each batch to read; one for each process by default.

    Raises:
      FileNotFoundError: if there is no cache, or part of it is missing.
      ValueError: if the cache is not what this run needs, a shard is damaged,
        or the batch cannot be divided among the processes.
    """
    folder = files.path(cache_dir)
    cache = manifest.read_manifest(folder)
    _check_expected(
      cache,
      folder / manifest.MANIFEST_FILE,
      loss_positions_per_row,
      mixture_or_task_name=mixture_or_task_name,
      task_feature_lengths=dict(task_feature_lengths),
      vocabulary=vocabulary.fingerprint(),
    )
    _check_data_settings(cache.settings, folder / manifest.MANIFEST_FILE)
    records = Records(folder, cache.shards)
    _check_contents(folder, cache.shards)
    self.shard = shard or BatchShard.of_process()
    self._of = {
      'MIXTURE_OR_TASK_NAME': mixture_or_task_name,
      'BATCH_SIZE': batch_size,
      'RANDOM_SEED': seed,
      'the rows of the cache': _fingerprint(cache),
    }
    dataset = _batches(records, cache.settings, batch_size, seed, self.shard)
    options = grain.ReadOptions(
      num_threads=num_threads, prefetch_buffer_size=batches_ahead
    )
    self._iterator = iter(dataset.to_iter_dataset(options))

  def __iter__(self) -> Iterator[Batch]:
    return self

  def __next__(self) -> Batch:
    return next(self._iterator)

  def get_state(self) -> dict[str, Any]:
    """Returns the position in the data, as JSON values."""
    batches_read = self._iterator.get_state()['next_index']
    return {_POSITION: batches_read, positions.OF: self._of}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes on from a position that `get_state` returned, at once.

    Raises:
      ValueError: if the position is not one in a cache.
      OtherDataError: if it is one in other rows.
    """
    if _POSITION not in state:
      raise ValueError(
        f'The run was begun with other data than a cache: its position there is'
        f' {state}. Go on with those data, or use another MODEL_DIR.'
      )
    positions.check(state, self._of)
    self._iterator.set_state({'next_index': state[_POSITION]})


def _batches(
  records: 'Records',
  settings: manifest.CacheSettings,
  batch_size: int,
  seed: int,
  shard: BatchShard,
) -> grain.MapDataset:
  """Returns the endless batches of this process."""
  shuffled = grain.MapDataset.source(records).shuffle(seed=seed).repeat()
  parts_of_batches = shuffled.batch(
    shard.num_rows(batch_size),
    drop_remainder=True,
    batch_fn=functools.partial(
      rows.decode,
      row_length=settings.row_length,
      tokens=settings.token_type,
    ),
  )
  return parts_of_batches[shard.index :: shard.count]


class Records:
  """The records of all shards, by number; for Grain."""

  def __init__(self, folder: files.Path, shards: tuple[manifest.Shard, ...]):
    """Looks at the sizes of the files, but opens none.

    From a bucket, each is copied to this host when a row of it is first read.

    Raises:
      FileNotFoundError: if a file is missing.
      OSError: if the disk cache may not hold copies of all of them.
      ValueError: if a file does not have its size.
    """
    for shard in shards:
      _check_size(folder / shard.name, shard.size)
    files.check_room(sum(shard.size for shard in shards), folder)
    self._paths = [folder / shard.name for shard in shards]
    self._ends = list(
      itertools.accumulate(shard.statistics.rows for shard in shards)
    )
    self._readers: dict[int, array_record_module.ArrayRecordReader] = {}
    self._lock = threading.Lock()

  def __len__(self) -> int:
    return self._ends[-1]

  def __getitem__(self, number: int) -> bytes:
    shard = bisect.bisect_right(self._ends, number)
    first = self._ends[shard - 1] if shard else 0
    try:
      return self._reader(shard).read([number - first])[0]
    except (IndexError, RuntimeError, ValueError) as error:
      reason = str(error).split(';')[0]
      raise ValueError(manifest.damaged(self._paths[shard], reason)) from None

  def _reader(self, shard: int) -> array_record_module.ArrayRecordReader:
    if shard not in self._readers:
      with self._lock:
        if shard not in self._readers:
          self._readers[shard] = array_record_module.ArrayRecordReader(
            str(files.local_copy(self._paths[shard])),
            _READER_OPTIONS,
            file_reader_buffer_size=_READER_BUFFER,
          )
    return self._readers[shard]


def _fingerprint(cache: manifest.Manifest) -> str:
  digests = [shard.sha256 for shard in cache.shards]
  return hashlib.sha256(' '.join(digests).encode()).hexdigest()[:16]


def _check_contents(
  folder: files.Path, shards: tuple[manifest.Shard, ...]
) -> None:
  """Reads each file once; several processes share the work.

  Raises:
    ValueError: if a file does not hold what was written.
  """

  def check(shard: manifest.Shard) -> None:
    local = files.local_copy(folder / shard.name)
    if not shard.has_content(local.parent):
      raise ValueError(manifest.damaged(folder / shard.name, 'it was changed'))

  share = shards[jax.process_index() :: jax.process_count()]
  with concurrent.futures.ThreadPoolExecutor() as pool:
    list(pool.map(check, share))


def _check_size(path: files.Path, size: int) -> None:
  try:
    found = files.size(path)
  except FileNotFoundError:
    raise FileNotFoundError(
      f'{path} is missing, a shard of the cache. Run python -m'
      ' symbol_tuning.cache_tasks with the settings of the cache: it writes'
      ' only what is missing.'
    ) from None
  if found != size:
    raise ValueError(manifest.damaged(path, f'{found:,} of {size:,} bytes'))


def _check_expected(
  cache: manifest.Manifest,
  place: files.Path,
  most_loss_positions: int | None,
  **expected: Any,
) -> None:
  for name, value in expected.items():
    found = getattr(cache.settings, name)
    if found != value:
      raise ValueError(
        f'{place}: the cache has {name} = {found!r}, and this run {value!r}.'
        ' Use another cache, or change the run.'
      )
  # The run's budget is compared with what rows have, not with what they might.
  most = cache.statistics.most_target_tokens
  if most is None:
    most = cache.settings.loss_positions_per_row
  if most_loss_positions is not None and most > most_loss_positions:
    raise ValueError(
      f'{place}: rows of the cache have loss on up to {most} positions, and'
      f' this run looks at {most_loss_positions}. Set LOSS_POSITIONS_PER_ROW to'
      f' {most} or more, or write the cache anew.'
    )


def _check_data_settings(
  written: manifest.CacheSettings, place: files.Path
) -> None:
  """Raises ValueError for a data setting in gin that the rows do not follow."""
  try:
    bound = gin.get_bindings(_DATA_SETTINGS, resolve_references=False)
  except ValueError:  # No gin file has named it.
    return
  # In order, so that all processes name the same one.
  for name in sorted(bound.keys() & written.data.keys() - set(_FREE)):
    stored = written.data[name]
    # A copy has macros' values in their places.
    value = copy.deepcopy(bound[name])
    if json.loads(json.dumps(value)) != stored:
      raise ValueError(
        f'{place}: the cache was written with DataSettings.{name} = {stored!r};'
        f' gin sets {value!r}, which its rows do not follow. Write a cache with'
        ' that setting, or set the one that the cache has.'
      )
