"""Stopping in good order when the machine is taken away, or on Ctrl-C.

A scheduler that wants a machine back sends SIGTERM some seconds before; people
press Ctrl-C, which sends SIGINT. The loop then saves and stops, and the same
command goes on later. When the context of a notice ends, the signal is sent
again, to end the process as its sender expects. A second Ctrl-C ends it at
once. A signal that is ignored from the start stays ignored, such as SIGINT in
what a script runs in the background.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax._src import distributed
from jax.experimental import multihost_utils

# Whether to stop after a step; every process gets the same answer.
Noticed = Callable[[int], bool]


def notice() -> contextlib.AbstractContextManager[Noticed]:
  """What notices signals here, or in any of several processes."""
  return _of_one() if jax.process_count() == 1 else _of_any()


@contextlib.contextmanager
def _of_one() -> Iterator[Noticed]:
  """Notices SIGTERM and SIGINT in a process that trains alone."""
  received: list[int] = []

  def receive(number: int, frame: Any) -> None:
    del frame
    if number == signal.SIGINT:
      _first_interrupt()
    received.append(number)

  numbers = list(filter(_is_heeded, [signal.SIGTERM, signal.SIGINT]))
  if threading.current_thread() is not threading.main_thread():
    numbers = []  # Only the main thread may handle signals.
  previous = {number: signal.signal(number, receive) for number in numbers}
  try:
    yield lambda step: bool(received)
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)
  # An error, which has its own end, does not come here.
  if received:
    signal.raise_signal(received[-1])


@contextlib.contextmanager
def _of_any() -> Iterator[Noticed]:
  """Notices SIGTERM in any of the processes, at the same step in all.

  JAX's preemption service has them agree on a step. It takes SIGTERM to itself
  from the moment it is started, and so it is started only here. SIGINT is taken
  for SIGTERM.
  """
  stops = False

  def noticed(step: int) -> bool:
    nonlocal stops
    stops = multihost_utils.reached_preemption_sync_point(step)
    return stops

  def terminate(number: int, frame: Any) -> None:
    del number, frame
    _first_interrupt()
    os.kill(os.getpid(), signal.SIGTERM)

  jax.config.update('jax_enable_preemption_service', True)
  distributed.global_state.initialize_preemption_sync_manager()
  previous = signal.getsignal(signal.SIGINT)
  if _is_heeded(signal.SIGINT):
    signal.signal(signal.SIGINT, terminate)
  try:
    yield noticed
  finally:
    if manager := distributed.global_state.preemption_sync_manager:
      manager.shutdown()
    distributed.global_state.preemption_sync_manager = None
    signal.signal(signal.SIGINT, previous)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
  if stops:
    jax.distributed.shutdown()
    signal.raise_signal(signal.SIGTERM)


def _is_heeded(number: int) -> bool:
  """Whether a signal does something, so that it may stop the run instead."""
  return signal.getsignal(number) is not signal.SIG_IGN


def _first_interrupt() -> None:
  """Says what follows, and lets the next one end the process."""
  print(
    '\nInterrupted: saving after the step that is computed; again to end at '
    'once, without.',
    file=sys.stderr,
    flush=True,
  )
  signal.signal(signal.SIGINT, signal.default_int_handler)
