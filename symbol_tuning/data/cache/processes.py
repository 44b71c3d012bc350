"""Writes the shards of a cache in several processes of this machine."""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import process
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import tensorflow as tf

from symbol_tuning import progress
from symbol_tuning.data.cache.environment import Environment
from symbol_tuning.data.cache.writer import CacheJob

# Threads would share the lock of TensorFlow's; forked processes inherit it.
_CONTEXT = multiprocessing.get_context('spawn')
# Of a process that writes; `_start` sets them.
_rows: Synchronized
_stop: Event


@dataclasses.dataclass(frozen=True)
class LocalProcesses:
  """A runner of cache.writer.

  Attributes:
    num_workers: processes; None for one for each core.
    period: seconds from one line of progress to the next.
  """

  num_workers: int | None = None
  period: float = 10.0

  def __call__(self, job: CacheJob, shards: Sequence[int]) -> None:
    """Writes shards; stops all processes at the first error.

    Raises:
      ChildProcessError: if a process was killed.
    """
    num_workers = min(self.num_workers or os.cpu_count() or 1, len(shards))
    rows = _CONTEXT.Value('q', 0)
    stop = _CONTEXT.Event()
    total = sum(map(job.settings.rows_of, shards))
    pool = concurrent.futures.ProcessPoolExecutor(
      num_workers, _CONTEXT, _start, (Environment.current(), rows, stop)
    )
    try:
      pending = {pool.submit(_write_shard, job, shard) for shard in shards}
      self._wait(pending, rows, total)
    except process.BrokenProcessPool:
      raise ChildProcessError(
        'A process that wrote a shard was killed: is memory short? Try fewer'
        f' than {num_workers} workers.'
      ) from None
    finally:
      stop.set()
      pool.shutdown(cancel_futures=True)

  def _wait(
    self,
    pending: set[concurrent.futures.Future],
    rows: Synchronized,
    total: int,
  ) -> None:
    """Tells from time to time how far all processes are."""
    start = time.monotonic()
    while pending:
      done, pending = concurrent.futures.wait(
        pending, self.period, concurrent.futures.FIRST_COMPLETED
      )
      for future in done:
        future.result()
      if not rows.value:
        print('caching · processes are starting', flush=True)
        continue
      seconds = time.monotonic() - start
      told = progress.line('caching', rows.value, total, 'rows', seconds)
      print(f'{told} · shards to finish: {len(pending)}', flush=True)


def _start(environment: Environment, rows: Synchronized, stop: Event) -> None:
  """Prepares a process; Ctrl-C is left to the one that started it."""
  global _rows, _stop
  threading.Thread(target=_end_with_parent, daemon=True).start()
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  tf.config.threading.set_intra_op_parallelism_threads(1)
  tf.config.threading.set_inter_op_parallelism_threads(1)
  environment.enter()
  _rows, _stop = rows, stop


def _end_with_parent() -> None:
  """Ends the process when the one that started it has ended, however it did."""
  parent = multiprocessing.parent_process()
  assert parent  # As the pool started this process.
  parent.join()
  os._exit(1)


def _write_shard(job: CacheJob, shard: int) -> None:
  def on_row():
    with _rows.get_lock():
      _rows.value += 1
    if _stop.is_set():
      raise InterruptedError('The process was told to stop.')

  job.write_shard(shard, on_row)
