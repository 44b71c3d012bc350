"""Runs the programs themselves, cheaply, to do them harm.

A server process imports what the programs import, once; each program is a fork
of it, with its own command line, output, user and limits. Its work is tiny: the
quickstart's model on a cache of random rows.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import re
import resource
import runpy
import signal
import sys
import time

import jax
import pytest
import random_cache

from symbol_tuning.data import vocabularies

_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(
  [
    *('grp', 'orbax.checkpoint', 'symbol_tuning.train', 'symbol_tuning.tasks'),
    *('symbol_tuning.evaluation.jobs', 'symbol_tuning.data.cache.reader'),
    'symbol_tuning.training.loop',
  ]
)
# More faults of each kind: a few hundred, for half an hour.
LONG = os.environ.get('SYMBOL_TUNING_FAULTS') == 'long'
NOBODY = 65534
STEPS = 12
PERIOD = 3
SMALL = [
  f'--gin.config.DecoderConfig.{name}={value}'
  for name, value in {
    'num_layers': 1, 'embed_dim': 16, 'head_dim': 8, 'mlp_dim': 32
  }.items()
]  # fmt: skip
_LENGTHS = {'inputs': 16, 'targets': 8}


def tries(few: int, many: int) -> pytest.MarkDecorator:
  """Numbers of tries, to parametrize a test with."""
  return pytest.mark.parametrize('number', range(many if LONG else few))


@dataclasses.dataclass
class Ended:
  """What is left of a program.

  Attributes:
    status: its exit status; negative for the signal that killed it.
    out: what it printed.
    err: what it printed as errors.
    seconds: how long it ran.
  """

  status: int
  out: str
  err: str
  seconds: float

  def assert_done(self, *told: str) -> None:
    """It has done its work, and has told this."""
    assert self.status == 0, self
    for text in told:
      assert text in self.out, (text, self)

  def assert_clear(self, *names: str, seconds: float = 30) -> None:
    """It has ended soon, with one line that names what is wrong."""
    told = [line for line in self.err.splitlines() if line.strip()]
    told = [line for line in told if not line.startswith('warning: ')]
    assert self.status > 0, self
    assert 'Traceback' not in self.out + self.err, self
    assert len(told) == 1, self
    assert re.match('(error|convert): ', told[0]), self
    for name in names:
      assert name in told[0], (name, self)
    assert self.seconds < seconds, self


class Program:
  """A program that runs.

  Attributes:
    process: to be killed, stopped or waited for.
  """

  def __init__(self, folder: pathlib.Path, *command: str, **limits):
    """Starts it.

    Args:
      folder: where it is started; what it prints is kept beneath, and for the
        next program what it compiles.
      *command: its module, such as 'symbol_tuning.train', and arguments.
      **limits: see `_run`.
    """
    self._start = time.monotonic()
    stem = folder / f'.printed-{time.monotonic_ns()}'
    self._printed = [stem.with_suffix(kind) for kind in ('.out', '.err')]
    self.process = _SERVER.Process(
      target=_run, args=(folder, self._printed, command), kwargs=limits
    )
    self.process.start()

  def printed(self) -> str:
    return ''.join(path.read_text() for path in self._printed if path.exists())

  def wait_for(self, text: str, seconds: float = 60) -> bool:
    """Whether it prints a text before it ends."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
      if text in self.printed():
        return True
      if not self.process.is_alive():
        return text in self.printed()
      time.sleep(0.01)
    return False

  def wait(self, seconds: float = 120) -> Ended:
    """What is left of it when it ends, which it must within a time."""
    self.process.join(seconds)
    if self.process.is_alive():
      self.process.kill()
      self.process.join()
      raise TimeoutError(f'it does not end: {self.printed()}')
    out, err = (path.read_text() for path in self._printed)
    for path in self._printed:
      path.unlink()
    seconds = time.monotonic() - self._start
    return Ended(self.process.exitcode, out, err, seconds)


def _run(folder, printed, command, user=None, largest_file=None) -> None:
  """Becomes the program.

  Args:
    folder: where it runs.
    printed: files for its two outputs.
    command: its module and arguments.
    user: who it is run by; None: who runs the tests.
    largest_file: the most bytes that it may write to a file.
  """
  os.setsid()
  # Of tests in the background, it is ignored.
  signal.signal(signal.SIGINT, signal.default_int_handler)
  for descriptor, path in zip((1, 2), printed, strict=True):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
  sys.stdout = os.fdopen(1, 'w', buffering=1)
  sys.stderr = os.fdopen(2, 'w', buffering=1)
  os.chdir(folder)
  jax.config.update('jax_compilation_cache_dir', str(folder / 'compiled'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
  if largest_file is not None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
  if user is not None:
    os.setuid(user)
  sys.argv = list(command)
  sys.modules.pop(command[0], None)
  runpy.run_module(command[0], run_name='__main__', alter_sys=True)


def train_arguments(folder: pathlib.Path, model_dir='run', **macros):
  """The command line of a run on the cache in a folder."""
  values = {
    'MIXTURE_OR_TASK_NAME': 'random_rows',
    'MODEL_DIR': str(folder / model_dir),
    'CACHE_DIR': str(folder / 'cache'),
    'INITIAL_CHECKPOINT_PATH': None,
    'TASK_FEATURE_LENGTHS': _LENGTHS,
    'TRAIN_STEPS': STEPS,
    'CHECKPOINT_PERIOD': PERIOD,
    'BATCH_SIZE': 4,
    'DROPOUT_RATE': 0.1,
  }
  return [
    '--gin_file=models/tiny.gin',
    '--gin_file=runs/train_cached.gin',
    '--gin.loop.Schedule.log_period=1',
    *SMALL,
    *(f'--gin.{name}={value!r}' for name, value in (values | macros).items()),
  ]


def write_cache(folder: pathlib.Path) -> None:
  """Writes a cache that the quickstart's model can read."""
  vocabulary = vocabularies.tiny()
  random_cache.write(
    folder, 'random_rows', _LENGTHS, vocabulary, vocab_size=1000
  )
