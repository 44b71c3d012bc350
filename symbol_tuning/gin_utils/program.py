"""Runs a configured function as a program."""

import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin
import jax
import numpy as np
from absl import app, flags
from absl import logging as absl_logging
from jax.experimental import multihost_utils

from symbol_tuning import compilation_cache, reading, run_config
from symbol_tuning.gin_utils import parsing, quiet, usage, values

_GIN_FILE = flags.DEFINE_multi_string(
  'gin_file', [], 'Path of a gin file; may be repeated, later files win.'
)
_GIN_SEARCH_PATHS = flags.DEFINE_list(
  'gin_search_paths', [], 'Folders searched for gin files, before our own.'
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
  'gin_bindings', [], 'A gin binding; --gin.NAME=VALUE is the short form.'
)
_MODULE_IMPORT = flags.DEFINE_multi_string(
  'module_import',
  [],
  'A module of your own to import first, such as one that registers tasks; may'
  ' be repeated.',
)
_DRY_RUN = flags.DEFINE_bool(
  'dry_run',
  False,
  'Print the configuration and build everything; compile and write nothing.',
)
_TRACEBACK = flags.DEFINE_bool(
  'traceback', False, 'Print the whole traceback of an error.'
)

# T5X's name for --module_import.
_MODULE_MACRO = 'MIXTURE_OR_TASK_MODULE'
# What bad input raises, in our code, in gin's and in libraries'.
_USER_ERRORS = (
  AttributeError,
  FloatingPointError,
  ImportError,
  LookupError,
  NameError,
  OSError,
  SyntaxError,
  TypeError,
  ValueError,
)
# What gin adds to the message of an error that a configured function raises.
_IN_CALL = re.compile(r'\n  In call to configurable .*')


def rewrite_gin_flags(argv: Sequence[str]) -> list[str]:
  """Turns `--gin.NAME=VALUE` into `--gin_bindings=NAME=VALUE`."""
  rewritten = []
  for arg in argv:
    name, equals, value = arg.partition('=')
    if not name.lstrip('-').startswith('gin.'):
      rewritten.append(arg)
      continue
    if not equals:
      raise ValueError(f'{arg}: a gin flag is written --gin.NAME=VALUE.')
    binding = name.lstrip('-').removeprefix('gin.')
    rewritten.append(f'--gin_bindings={binding}={value}')
  return rewritten


def _check_same_in_all_processes() -> None:
  """Processes that do different things would wait for each other for ever."""
  if jax.process_count() == 1:
    return
  digest = hashlib.sha256(gin.config_str().encode()).digest()
  digests = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
  others = np.flatnonzero((digests != digests[0]).any(axis=1))
  if others.size:
    raise ValueError(
      f'The configuration of process {others[0]} is not that of process 0: give'
      ' all processes the same gin files and flags.'
    )


def _check_configured(function: Callable[..., Any]) -> None:
  try:
    gin.get_configurable(function)
  except ValueError:
    module = function.__module__
    raise ValueError(
      f'No gin file configures {module}.{function.__name__}. Name one with'
      f' --gin_file=…; ready ones are in {parsing.configs_dir()}.'
    ) from None


def _positional_bindings(
  arguments: Sequence[str], macros: Sequence[str]
) -> list[str]:
  """Binds a program's positional arguments to the macros they stand for."""
  if len(arguments) > len(macros):
    raise ValueError(
      f'Unknown argument {arguments[len(macros)]!r}; see --help.'
    )
  return [
    f'{name} = {argument!r}'
    for name, argument in zip(macros, arguments, strict=False)
  ]


def run(
  function: Callable[..., Any],
  gin_files: Sequence[str] = (),
  positional_macros: Sequence[str] = (),
  dry_run: Callable[..., Any] | None = None,
  within: Callable[[], contextlib.AbstractContextManager[None]] = (
    contextlib.nullcontext
  ),
) -> None:
  """Runs `function` as a program, its arguments bound by gin.

  Bad input ends the program with exit status 1 and one message; --traceback
  shows where it was raised.

  Args:
    function: what the gin files configure.
    gin_files: read before those of the command line.
    positional_macros: the macros that the arguments of the command line set,
      in order.
    dry_run: what --dry_run calls in place of `function`, with the same
      arguments; None: the program has no dry run.
    within: the context of all this, entered once the flags are known.
  """

  def call(argv: Sequence[str]) -> None:
    _configure(
      function,
      [*gin_files, *_GIN_FILE.value],
      _positional_bindings(argv[1:], positional_macros),
    )
    _check_same_in_all_processes()
    if _DRY_RUN.value:
      _run_dry(function, dry_run)
    else:
      run_config.use(gin.config_str())
      compilation_cache.use()
      gin.get_configurable(function)()

  def main(argv: Sequence[str]) -> None:
    if not flags.FLAGS['verbosity'].present:
      absl_logging.set_verbosity(absl_logging.WARNING)
    with quiet.nothing_after_failure(), within(), _one_message():
      call(argv)

  app.run(main, argv=_arguments())


def _arguments() -> list[str]:
  try:
    return rewrite_gin_flags(sys.argv)
  except ValueError as error:
    sys.exit(f'error: {error}')


def _configure(
  function: Callable[..., Any],
  gin_files: Sequence[str],
  bindings: Sequence[str],
) -> None:
  """Sets gin's configuration by files and flags, and checks it.

  Raises:
    ValueError: for what is not gin, not set or not of its type.
  """
  # By gin, so that processes which are given its configuration import them too.
  gin.parse_config([f'import {name}' for name in _MODULE_IMPORT.value])
  parsing.read(
    gin_files, [*_GIN_BINDINGS.value, *bindings], _GIN_SEARCH_PATHS.value
  )
  module = parsing.macro(_MODULE_MACRO)
  if isinstance(module, str):
    gin.parse_config(f'import {module}')
  _check_configured(function)
  used = usage.of(function)
  values.expand_home()
  usage.check_set(used)
  values.check(used)
  gin.finalize()
  _warn(used, gin_files)


def _warn(used: usage.Usage, gin_files: Sequence[str]) -> None:
  """Names what nothing reads; only process 0 does."""
  bindings = [
    binding
    for binding in _GIN_BINDINGS.value
    if binding.partition('=')[0].strip() != _MODULE_MACRO
  ]
  with quiet.without_noise():
    is_first = jax.process_index() == 0
  if is_first:
    for sentence in [
      *usage.unread(bindings, used),
      *usage.misspelt(used, [b.partition('=')[0] for b in bindings]),
      *usage.unread_in_files(
        parsing.bound_in_own_files(gin_files, _GIN_SEARCH_PATHS.value), used
      ),
    ]:
      print(f'warning: {sentence}', file=sys.stderr, flush=True)


def _run_dry(
  function: Callable[..., Any], dry_run: Callable[..., Any] | None
) -> None:
  if dry_run is None:
    raise ValueError(
      '--dry_run: this program has none; train, eval and infer have.'
    )
  arguments = gin.get_bindings(function)
  if jax.process_index() == 0:
    print(gin.config_str(), flush=True)
  dry_run(**arguments)


@contextlib.contextmanager
def _one_message() -> Iterator[None]:
  """Ends the program with one message for bad input."""
  try:
    yield
  except _USER_ERRORS as error:
    if _TRACEBACK.value:
      traceback.print_exc()
    print(f'\nerror: {_message(error)}', file=sys.stderr, flush=True)
    sys.exit(1)
  except KeyboardInterrupt:
    sys.exit(130)


def _message(error: Exception) -> str:
  """The text of an error, without where gin was, and with macros named."""
  text = _IN_CALL.sub('', str(error)).strip() or type(error).__name__
  for parameter, name in _macros_by_parameter().items():
    if re.search(rf'\b{parameter} is ', text) and name not in text:
      text += f' ({name} sets {parameter}.)'
  if (advice := reading.system_advice(error)) and advice not in text:
    text += f': {advice}, and run the same command again'
  return text


def _macros_by_parameter() -> dict[str, str]:
  return {
    parameter: name
    for parameters in gin.config._CONFIG.values()
    for parameter, value in parameters.items()
    if (name := usage.macro_name(value)) and parameter != 'value'
  }
