"""Stopping in good order when the machine is taken away, or on Ctrl-C.

A scheduler that wants a machine back sends SIGTERM some seconds before; people
press Ctrl-C, which sends SIGINT. The loop then saves and stops, and the same
command goes on later. When the context of a notice ends, the signal is sent
again, to end the process as its sender expects. A second Ctrl-C ends it at
once.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import Any, Protocol

import jax
from jax._src import distributed
from jax.experimental import multihost_utils


class Preemption(contextlib.AbstractContextManager, Protocol):
  """Notices that the process is to stop; a context manager."""

  def noticed(self, step: int) -> bool:
    """Whether to stop after this step; every process gets the same answer."""


def notice() -> Preemption:
  """What notices signals here, or in any of several processes."""
  return OfOne() if jax.process_count() == 1 else OfAny()


class OfOne:
  """Notices SIGTERM and SIGINT in a process that trains alone."""

  def __init__(self):
    self._noticed: int | None = None
    self._handles = threading.current_thread() is threading.main_thread()

  def __enter__(self) -> Preemption:
    if self._handles:
      self._previous = {
        number: signal.signal(number, self._notice)
        for number in (signal.SIGTERM, signal.SIGINT)
      }
    return self

  def __exit__(self, error_type, *_) -> None:
    if self._handles:
      for number, handler in self._previous.items():
        signal.signal(number, handler)
      # An error has its own end.
      if self._noticed is not None and error_type is None:
        signal.raise_signal(self._noticed)

  def noticed(self, step: int) -> bool:
    del step
    return self._noticed is not None

  def _notice(self, number: int, frame: Any) -> None:
    del frame
    if number == signal.SIGINT:
      _say_interrupted()
      # Pressed again, it interrupts.
      signal.signal(signal.SIGINT, signal.default_int_handler)
    self._noticed = number


class OfAny:
  """Notices SIGTERM in any of the processes, at the same step in all.

  JAX's preemption service has them agree on a step. It takes SIGTERM to itself
  from the moment it is started, and so it is started only here. SIGINT is taken
  for SIGTERM.
  """

  def __init__(self):
    self._stops = False

  def __enter__(self) -> Preemption:
    jax.config.update('jax_enable_preemption_service', True)
    distributed.global_state.initialize_preemption_sync_manager()
    self._previous = signal.signal(signal.SIGINT, self._terminate)
    return self

  def __exit__(self, error_type, *_) -> None:
    if manager := distributed.global_state.preemption_sync_manager:
      manager.shutdown()
    distributed.global_state.preemption_sync_manager = None
    signal.signal(signal.SIGINT, self._previous)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if self._stops and error_type is None:
      jax.distributed.shutdown()
      signal.raise_signal(signal.SIGTERM)

  def noticed(self, step: int) -> bool:
    self._stops = multihost_utils.reached_preemption_sync_point(step)
    return self._stops

  def _terminate(self, number: int, frame: Any) -> None:
    del number, frame
    _say_interrupted()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGTERM)


def _say_interrupted() -> None:
  print(
    '\nInterrupted: saving after the step that is computed; again to end at '
    'once, without.',
    file=sys.stderr,
    flush=True,
  )
