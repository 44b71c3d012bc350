"""Ends a process that lives but hangs, so that its launcher starts it again.

    with watchdog.Watchdog(3600):
      for batch in batches:
        …
        watchdog.finished('a batch')

A host that has stopped, or a file system that never answers, leaves all
processes of a job waiting for ever, while their chips cost. Each process
watches itself: when nothing was finished for too long, it prints where each of
its threads stands and ends with the status EX_TEMPFAIL of sysexits.h, 75: "try
again". The launchers do, and training, evaluation and labelling go on where
they were. What finishes things need not know whether anybody watches.
"""

import contextlib
import faulthandler
import os
import socket
import sys
import threading
import time

from jax._src import distributed as jax_distributed

STATUS = os.EX_TEMPFAIL
# Processes that hang together notice it within moments of each other. The first
# waits for the rest to print too, for they are ended when it has gone.
_GRACE_SECONDS = 10


# Who watches this process; the innermost is told.
_watching: list['Watchdog'] = []


def finished(what: str, rest: float = 0.0) -> None:
  """Tells the watchdog, if there is one, that something was finished.

  Args:
    what: such as 'step 12'.
    rest: seconds after it in which nothing is done on purpose.
  """
  if _watching:
    _watching[-1].note(what, rest)


class Watchdog(contextlib.AbstractContextManager):
  """Ends the process when `finished` was not called for too long.

  A context manager: it watches from its start to its end.
  """

  def __init__(self, seconds: float | None):
    """Watches with a limit.

    Args:
      seconds: the longest that one thing may take, be it the first step with
        its compilation, a batch of an evaluation or a checkpoint; None: no
        limit.

    Raises:
      ValueError: if `seconds` is not positive.
    """
    if seconds is not None and seconds <= 0:
      raise ValueError(
        f'the watchdog waits {seconds} s; it must be more than 0, or None, '
        'which waits for ever'
      )
    self._seconds = seconds
    self._what = 'the start'
    self._last = time.monotonic()
    self._ended = threading.Event()

  def __enter__(self) -> 'Watchdog':
    self.note(self._what)
    _watching.append(self)
    if self._seconds is not None:
      threading.Thread(
        target=self._watch, args=[self._seconds], daemon=True
      ).start()
    return self

  def __exit__(self, *_) -> None:
    self._ended.set()
    _watching.remove(self)

  def note(self, what: str, rest: float = 0.0) -> None:
    """Begins to wait anew; see `finished`."""
    self._what, self._last = what, time.monotonic() + rest

  def _watch(self, seconds: float) -> None:
    while not self._ended.wait(min(1.0, seconds / 10)):
      silent = time.monotonic() - self._last
      if silent > seconds:
        self._end_process(silent)

  def _end_process(self, silent: float) -> None:
    # jax.process_index() would wait for devices, which may be what hangs.
    index = jax_distributed.global_state.process_id
    print(
      f'\nerror: process {index} ({socket.gethostname()}) hangs: nothing was'
      f' finished for {silent:.0f} s, since {self._what}. It ends with status'
      f' {STATUS}; the same command goes on from what was saved. Its threads'
      ' stand here:',
      file=sys.stderr,
      flush=True,
    )
    faulthandler.dump_traceback(sys.stderr)
    sys.stdout.flush()
    time.sleep(min(_GRACE_SECONDS, silent))
    os._exit(STATUS)
