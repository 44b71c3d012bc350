"""Keeps what libraries say at their start off the terminal.

TensorFlow, which only reads data here, and libtpu write to file descriptor 2
from C++, whatever their log levels are: that there is no GPU, no TPU, how sums
are rounded. What is not known as such is written all the same.
"""

import contextlib
import importlib.abc
import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

_NOISE = re.compile(
  r'^WARNING: All log messages before absl::InitializeLog'
  r'|^WARNING: Logging before InitGoogle\(\) is written to STDERR'
  r'|^[IWE]\d{4} [\d:.]+ +\d+ (port|cudart_stub|cuda_\w+|computation_placer'
  r'|gpu_device|cpu_feature_guard|common_lib|util|rendezvous)\.cc:'
  r'|^Failed to find host bounds for accelerator type'
  r'|^=== Source Location Trace: ===|^learning/.*libtpu\w*\.cc:\d+$'
  r'|^To enable the following instructions:|rebuild TensorFlow with'
  r'|^\s*$'
)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
  """Holds back what is written to standard error, and then the noise in it."""
  sys.stderr.flush()
  terminal = os.dup(2)
  with tempfile.TemporaryFile() as held:
    os.dup2(held.fileno(), 2)
    try:
      yield
    finally:
      sys.stderr.flush()
      os.dup2(terminal, 2)
      os.close(terminal)
      held.seek(0)
      lines = held.read().decode(errors='replace').splitlines()
      told = [line for line in lines if not _NOISE.search(line)]
      if told:
        print('\n'.join(told), file=sys.stderr, flush=True)


class _TensorFlowFinder(importlib.abc.MetaPathFinder):
  """Finds TensorFlow with a loader that loads it quietly and without GPUs."""

  def find_spec(self, name, path, target=None):
    del path, target
    if name != 'tensorflow':
      return None
    sys.meta_path.remove(self)
    spec = importlib.util.find_spec(name)
    if spec is not None:
      execute = spec.loader.exec_module

      def exec_module(module):
        with without_noise():
          execute(module)
          # It would take all memory of a GPU, which is JAX's.
          module.config.set_visible_devices([], 'GPU')

      spec.loader.exec_module = exec_module
    return spec


def hush_tensorflow() -> None:
  """Has TensorFlow, if it is imported at all, be imported without noise."""
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  if 'tensorflow' not in sys.modules:
    sys.meta_path.insert(0, _TensorFlowFinder())


@contextlib.contextmanager
def nothing_after_failure() -> Iterator[None]:
  """Has nothing follow the last message of a program that fails in here.

  Python would wait for all threads: those of Orbax, which wait five minutes for
  each other where a folder could not be made, and those of TensorFlow, which
  print tracebacks while Python ends.
  """
  try:
    yield
  except SystemExit as end:
    if end.code:
      _end_at_once(end.code if isinstance(end.code, int) else 1)
    raise
  except Exception:
    _end_at_once(1)
    raise


def _end_at_once(status: int) -> None:
  def end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

  # Called before threads are waited for, as `atexit` is not; the executors of
  # the standard library use it for theirs.
  threading._register_atexit(end)  # type: ignore[attr-defined]  # private
