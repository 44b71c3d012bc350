"""A program that runs as several processes, on one host or many.

    JAX_COORDINATOR_ADDRESS=10.0.0.1:1234 JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=0 \
      python -m symbol_tuning.train …

Each process runs the same command. Who the others are is said by T5X's flags
--coordinator_address, --process_count and --process_index, or by environment
variables, as above; on a TPU slice, under SLURM and under Open MPI,
--multiprocess is enough, and JAX finds out.

All fail together. A process that ends with an error tells the others why
through JAX's coordination service, and each of them says so and ends. One that
is gone without a word is missed by the service after
--heartbeat_timeout_seconds; it then names that process and ends all others.
"""

import contextlib
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import jax
from absl import flags
from jax._src import distributed as jax_distributed

_MULTIPROCESS = flags.DEFINE_bool(
  'multiprocess',
  False,
  'This is one of several processes; JAX finds out which (on a TPU slice, under'
  ' SLURM or Open MPI).',
)
_COORDINATOR_ADDRESS = flags.DEFINE_string(
  'coordinator_address',
  os.environ.get('JAX_COORDINATOR_ADDRESS'),
  'Host and port of process 0, where several processes meet.',
)
_PROCESS_COUNT = flags.DEFINE_integer(
  'process_count',
  os.environ.get('JAX_NUM_PROCESSES'),
  'How many processes there are.',
)
_PROCESS_INDEX = flags.DEFINE_integer(
  'process_index',
  os.environ.get('JAX_PROCESS_ID'),
  'Which of them this is, from 0.',
)
_HEARTBEAT_TIMEOUT = flags.DEFINE_integer(
  'heartbeat_timeout_seconds',
  30,
  'How long a process may be silent until the others take it for dead.',
)

_FAILURE = 'symbol_tuning/failure'
_POLL_SECONDS = 1.0
_JOIN_SECONDS = 300
_HINT_SECONDS = 15
# What errors say which are due to the death of another process.
_LOST_CONNECTION = ('Gloo ', 'NCCL ')


@contextlib.contextmanager
def joined() -> Iterator[None]:
  """Makes this process one of several, where the flags say so.

  To be entered before JAX computes anything. An error that leaves the context
  ends this process and all others.

  Raises:
    SystemExit: with a message, if the other processes cannot be found.
  """
  if not _one_of_several():
    yield
    return
  # SIGTERM ends a program, but for the training loop, which asks for it.
  jax.config.update('jax_enable_preemption_service', False)
  _join()
  client = jax_distributed.global_state.client
  threading.Thread(target=_watch, args=[client], daemon=True).start()
  try:
    yield
    jax.distributed.shutdown()
  except BaseException as error:
    _end_all(client, error)


def _one_of_several() -> bool:
  where = (_COORDINATOR_ADDRESS, _PROCESS_COUNT, _PROCESS_INDEX)
  missing = [f'--{flag.name}' for flag in where if flag.value is None]
  if missing and len(missing) < len(where) and not _MULTIPROCESS.value:
    sys.exit(f'error: several processes need {" and ".join(missing)}, too.')
  return _MULTIPROCESS.value or not missing


def _join() -> None:
  hint = threading.Timer(_HINT_SECONDS, _hint_at_others)
  hint.start()
  try:
    jax.distributed.initialize(
      _COORDINATOR_ADDRESS.value,
      _PROCESS_COUNT.value,
      _PROCESS_INDEX.value,
      initialization_timeout=_JOIN_SECONDS,
      heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT.value,
    )
  except (RuntimeError, ValueError) as error:
    sys.exit(f'error: cannot join the other processes: {error}')
  finally:
    hint.cancel()


def _hint_at_others() -> None:
  where = _COORDINATOR_ADDRESS.value or 'process 0'
  print(
    f'{socket.gethostname()} waits for the other processes, at most'
    f' {_JOIN_SECONDS} s; are all of them started, and do they reach {where}?',
    file=sys.stderr,
    flush=True,
  )


def _watch(client: Any) -> None:
  """Ends this process when another one tells of its failure."""
  while True:
    time.sleep(_POLL_SECONDS)
    try:
      failure = client.key_value_try_get(_FAILURE)
    except jax.errors.JaxRuntimeError as error:
      if 'NOT_FOUND' in str(error):
        continue
      return
    if not failure.startswith(_name()):
      print(f'\nerror: {_name()} ends, for {failure}', file=sys.stderr)
      _end(1)


def _end_all(client: Any, error: BaseException) -> None:
  """Ends this process because of an error, and has the others end too."""
  cause, status = error, 1
  if isinstance(error, SystemExit):
    # Its message, if it has one, was printed.
    cause = error.__context__ or error
    status = error.code if isinstance(error.code, int) else 1
  else:
    traceback.print_exception(error)
  reason = str(cause) or type(cause).__name__
  if any(mark in reason for mark in _LOST_CONNECTION):
    _await_verdict(reason)
  with contextlib.suppress(jax.errors.JaxRuntimeError):
    client.key_value_set(_FAILURE, f'{_name()} failed: {reason}')
    # Process 0, which serves the others, is there until they have read it.
    time.sleep(3 * _POLL_SECONDS)
  _end(status)


def _await_verdict(reason: str) -> None:
  """Waits until JAX, or the process itself, tells which one has failed."""
  seconds = 2 * _HEARTBEAT_TIMEOUT.value
  print(
    f'\nerror: {_name()} has lost another process; in at most {seconds} s JAX'
    f' will tell which one, and end this one ({reason})',
    file=sys.stderr,
    flush=True,
  )
  time.sleep(seconds)


def _end(status: int) -> None:
  """Ends at once: to leave in good order would mean to wait for the others."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(status)


def _name() -> str:
  state = jax_distributed.global_state
  return (
    f'process {state.process_id} of {state.num_processes}'
    f' ({socket.gethostname()})'
  )
