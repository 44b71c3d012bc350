"""Stopping in good order when the machine is taken away.

A scheduler that wants a machine back sends SIGTERM some seconds before. The
loop then saves and stops, and the same command goes on later. When the context
of a notice ends, the signal is sent again, to end the process as its sender
expects.
"""

import contextlib
import signal
import threading
from typing import Protocol

import jax
from jax._src import distributed
from jax.experimental import multihost_utils


class Preemption(contextlib.AbstractContextManager, Protocol):
  """Notices SIGTERM; a context manager."""

  def noticed(self, step: int) -> bool:
    """Whether to stop after this step; every process gets the same answer."""


def notice() -> Preemption:
  """What notices SIGTERM here, or in any of several processes."""
  return OfOne() if jax.process_count() == 1 else OfAny()


class OfOne:
  """Notices SIGTERM in a process that trains alone."""

  def __init__(self):
    self._noticed = threading.Event()
    self._handles = threading.current_thread() is threading.main_thread()

  def __enter__(self) -> Preemption:
    if self._handles:
      self._previous = signal.signal(
        signal.SIGTERM, lambda *_: self._noticed.set()
      )
    return self

  def __exit__(self, *_) -> None:
    if self._handles:
      signal.signal(signal.SIGTERM, self._previous)
      if self._noticed.is_set():
        signal.raise_signal(signal.SIGTERM)

  def noticed(self, step: int) -> bool:
    del step
    return self._noticed.is_set()


class OfAny:
  """Notices SIGTERM in any of the processes, at the same step in all.

  JAX's preemption service has them agree on a step. It takes SIGTERM to itself
  from the moment it is started, and so it is started only here.
  """

  def __init__(self):
    self._stops = False

  def __enter__(self) -> Preemption:
    jax.config.update('jax_enable_preemption_service', True)
    distributed.global_state.initialize_preemption_sync_manager()
    return self

  def __exit__(self, error_type, *_) -> None:
    distributed.global_state.preemption_sync_manager.shutdown()
    distributed.global_state.preemption_sync_manager = None
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if self._stops and error_type is None:
      jax.distributed.shutdown()
      signal.raise_signal(signal.SIGTERM)

  def noticed(self, step: int) -> bool:
    self._stops = multihost_utils.reached_preemption_sync_point(step)
    return self._stops
