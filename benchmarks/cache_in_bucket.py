r"""Measures reading a cache from a bucket: copied once, or row by row.

    python benchmarks/cache_in_bucket.py --rows=4096 --latency_ms=20

Rows are read in random order, as in training. Grain reads copies of the shards
(files.local_copy); the alternative fetches each row from the bucket by a range
request. The bucket is a server on this machine whose answers are held back as
long as a real one's take to begin.
"""

import concurrent.futures
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
from absl import app, flags
from array_record.python import array_record_module

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'tests/helpers'))
import object_store

from symbol_tuning import files

_ROWS = flags.DEFINE_integer('rows', 4096, 'How many rows the cache has.')
_ROW_BYTES = flags.DEFINE_integer('row_bytes', 12_000, 'Bytes of a row.')
_READ = flags.DEFINE_integer('read', 1024, 'How many rows are read.')
_LATENCY = flags.DEFINE_float('latency_ms', 20.0, 'Until an answer begins.')
_THREADS = flags.DEFINE_integer('threads', 16, 'Of row by row.')


class DistantStore(object_store.ObjectStore):
  """A store that takes its time to answer."""

  def forward(self, handler) -> None:
    time.sleep(_LATENCY.value / 1000)
    super().forward(handler)


def main(argv) -> None:
  del argv
  with DistantStore() as store, tempfile.TemporaryDirectory() as folder:
    os.environ.update(store.environment)
    os.environ['SYMBOL_TUNING_DISK_CACHE'] = folder
    shard = files.path(f'gs://{object_store.BUCKET}/rows.array_record')
    rng = np.random.default_rng(0)
    with files.replacing(shard) as partial:
      writer = array_record_module.ArrayRecordWriter(
        str(partial), 'group_size:1,uncompressed'
      )
      for _ in range(_ROWS.value):
        writer.write(rng.bytes(_ROW_BYTES.value))
      writer.close()
    order = rng.integers(0, _ROWS.value, _READ.value)
    megabytes = files.size(shard) / 1e6
    start = time.perf_counter()
    copy = files.local_copy(shard)
    copied = time.perf_counter() - start
    reader = array_record_module.ArrayRecordReader(str(copy))
    start = time.perf_counter()
    for number in order:
      reader.read([int(number)])
    from_copy = time.perf_counter() - start
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(_THREADS.value) as pool:
      list(pool.map(lambda n: _fetch(shard, n), order))
    by_row = time.perf_counter() - start
  read = _READ.value
  print(
    f'{megabytes:.0f} MB copied in {copied:.1f} s ({megabytes / copied:.0f}'
    f' MB/s); then {read / from_copy:,.0f} rows/s from the copy;'
    f' {read / by_row:,.0f} rows/s row by row with {_THREADS.value} threads'
  )


def _fetch(shard: files.Path, number: int) -> bytes:
  begin = int(number) * _ROW_BYTES.value
  return files.paths.filesystem(shard).cat_file(
    os.fspath(shard), begin, begin + _ROW_BYTES.value
  )


if __name__ == '__main__':
  app.run(main)
