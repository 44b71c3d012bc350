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
import sys
import time

import jax
import pytest
import random_cache

from symbol_tuning.data import vocabularies

_SERVER = multiprocessing.get_context('forkserver')
_PRELOADED = (
  'grp',
  'orbax.checkpoint',
  'symbol_tuning.train',
  'symbol_tuning.tasks',
  'symbol_tuning.evaluation.jobs',
  'symbol_tuning.data.cache.reader',
  'symbol_tuning.training.loop',
)
# More faults of each kind: a few hundred, for half an hour.
LONG = os.environ.get('SYMBOL_TUNING_FAULTS') == 'long'
NOBODY = 65534
STEPS = 12
PERIOD = 3
_SMALL = [
  f'--gin.config.DecoderConfig.{name}={value}'
  for name, value in {
    'num_layers': 1, 'embed_dim': 16, 'head_dim': 8, 'mlp_dim': 32
  }.items()
]  # fmt: skip
_STAND_INS = (
  '--gin.DATA_SOURCE=@sources.SyntheticSource()',
  '--gin.sources.SyntheticSource.num_train=40',
  '--gin.sources.SyntheticSource.num_validation=20',
)
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

  @property
  def message(self) -> str:
    """Its last line."""
    lines = [line for line in self.err.splitlines() if line.strip()]
    return lines[-1] if lines else ''

  def assert_done(self) -> None:
    assert self.status == 0, self

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

  def __init__(
    self,
    module: str,
    arguments: list[str],
    folder: pathlib.Path,
    user: int | None = None,
    largest_file: int | None = None,
    compiled: pathlib.Path | None = None,
  ):
    """Starts it.

    Args:
      module: such as 'symbol_tuning.train'.
      arguments: of its command line.
      folder: where it is started; what it prints is kept beneath.
      user: who it is run by; None: who runs the tests.
      largest_file: the most bytes that it may write to a file.
      compiled: where compiled steps are kept, for the next program.
    """
    self._start = time.monotonic()
    stem = f'.printed-{time.monotonic_ns()}'
    self._printed = [folder / f'{stem}.{kind}' for kind in ('out', 'err')]
    _SERVER.set_forkserver_preload(list(_PRELOADED))
    self.process = _SERVER.Process(
      target=_run,
      args=(
        module,
        arguments,
        [str(path) for path in self._printed],
        str(folder),
        user,
        largest_file,
        compiled,
      ),
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


def _run(
  module, arguments, printed, folder, user, largest_file, compiled
) -> None:
  os.setsid()
  for descriptor, path in zip((1, 2), printed, strict=True):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
  sys.stdout = os.fdopen(1, 'w', buffering=1)
  sys.stderr = os.fdopen(2, 'w', buffering=1)
  os.chdir(folder)
  if compiled is not None:
    jax.config.update('jax_compilation_cache_dir', str(compiled))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
    jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
  if largest_file is not None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
  if user is not None:
    os.setuid(user)
  sys.argv = [module, *arguments]
  sys.modules.pop(module, None)
  runpy.run_module(module, run_name='__main__', alter_sys=True)


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
    *_SMALL,
    *(f'--gin.{name}={value!r}' for name, value in (values | macros).items()),
  ]


def evaluation_arguments(output: str) -> list[str]:
  """The command line of an evaluation of the run `whole`."""
  return [
    *_asking(),
    '--gin_file=runs/eval.gin',
    "--gin.CHECKPOINT_PATH='whole'",
    f'--gin.EVAL_OUTPUT_DIR={output!r}',
    "--gin.MIXTURE_OR_TASK_NAME=['icl_flipped_subj', 'icl_flipped_teh']",
    '--gin.settings.DataSettings.evaluation_queries=6',
  ]


def labelling_arguments(output: str) -> list[str]:
  """The command line that labels the rows of `rows.jsonl`."""
  return [
    *_asking(),
    '--gin_file=runs/infer.gin',
    "--gin.CHECKPOINT_PATH='whole'",
    "--gin.DATASET='subj'",
    "--gin.INPUT_PATH='rows.jsonl'",
    f'--gin.OUTPUT_PATH={output!r}',
    '--gin.labelling.label_rows.rows_per_part=4',
  ]


def caching_arguments(folder: str) -> list[str]:
  """The command line that writes a mixture of stand-ins as packed rows."""
  return [
    '--gin_file=models/tiny.gin',
    '--gin_file=runs/cache.gin',
    *_STAND_INS,
    "--gin.MIXTURE_OR_TASK_NAME='symbol_tuning_sst2'",
    f'--gin.CACHE_DIR={folder!r}',
    '--gin.NUM_ROWS=40',
    '--gin.NUM_SHARDS=4',
  ]


def _asking() -> list[str]:
  return [
    '--gin_file=models/tiny.gin',
    *_SMALL,
    *_STAND_INS,
    "--gin.TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 16}",
    "--gin.SEPARATOR='eos'",
    '--gin.settings.DataSettings.evaluation_exemplars=1',
  ]


def write_cache(folder: pathlib.Path) -> None:
  """Writes a cache that the quickstart's model can read."""
  vocabulary = vocabularies.tiny()
  random_cache.write(
    folder, 'random_rows', _LENGTHS, vocabulary, vocab_size=1000
  )
