r"""The command line of every main: gin files and gin bindings, as in T5X.

A main is one configured function and nothing else:

    if __name__ == '__main__':
      gin_utils.run(loop.train)

    python -m symbol_tuning.train \
      --gin_file=experiments/quickstart_symbol_tune.gin \
      --gin.MODEL_DIR="'/tmp/model'" --gin.TRAIN_STEPS=100

Configuration files use gin's dynamic registration: they import the modules
whose functions they bind, so no library code mentions gin.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import io
import logging
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import gin
import jax
import numpy as np
from absl import app, flags
from absl import logging as absl_logging
from gin import resource_reader
from jax.experimental import multihost_utils

from symbol_tuning import files

# TensorFlow, which reads the data, has nothing to say that users need.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

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
_TRACEBACK = flags.DEFINE_bool(
  'traceback', False, 'Print the whole traceback of an error.'
)

CONFIG_FILE = 'config.gin'
_DYNAMIC_REGISTRATION = '__gin__.dynamic_registration'
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


# Files in buckets, as --gin_search_paths and --gin_file may name them.
gin.config.register_file_reader(
  lambda name: io.StringIO(files.path(name).read_text(encoding='utf-8')),
  lambda name: not files.is_local(name) and files.path(name).is_file(),
)


def configs_dir() -> pathlib.Path:
  """Returns the folder of the gin files that come with the package."""
  package = pathlib.Path(importlib.util.find_spec('symbol_tuning').origin)
  beside_package = package.parent.parent / 'gin'
  if (beside_package / 'runs').is_dir():
    return beside_package
  return package.parent / 'configs'


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


@contextlib.contextmanager
def _searching(folders: Sequence[str]):
  """Has gin look for files in the working directory and in these folders.

  And not in Python packages: it would take any folder of the working directory
  for one, fail on those that are none, and log an error for each folder that
  lacks a file.
  """

  def not_in_a_package(path: str) -> str:
    raise ValueError(f'{path} is looked for in folders only')

  prefixes = gin.config._LOCATION_PREFIXES
  before = list(prefixes)
  prefixes[:] = ['', *folders]
  in_packages = resource_reader._parse_config_path
  resource_reader._parse_config_path = not_in_a_package
  logging.disable(logging.ERROR)
  try:
    yield
  finally:
    logging.disable(logging.NOTSET)
    resource_reader._parse_config_path = in_packages
    prefixes[:] = before


def parse(
  gin_files: Sequence[str],
  gin_bindings: Sequence[str] = (),
  search_paths: Sequence[str] = (),
) -> None:
  """Reads gin files and then single bindings into gin's configuration.

  Args:
    gin_files: paths, absolute or relative to the working folder, one of
      `search_paths` or the package's own gin folder; later files win.
    gin_bindings: bindings such as 'TRAIN_STEPS=10'; they win over the files
      and may name the modules that the files import.
    search_paths: folders to search before the package's own.

  Raises:
    OSError: if a file is in none of those folders.
  """
  with _searching([*search_paths, str(configs_dir())]):
    parsed = gin.parse_config_files_and_bindings(
      list(gin_files), bindings=[], finalize_config=False
    )
  gin.parse_config([*_imports(parsed), *gin_bindings])
  gin.finalize()


def _imports(parsed: Iterable[Any]) -> list[str]:
  """The statements that import what parsed files and their includes import."""

  def modules(file) -> Iterator[str]:
    for included in file.includes:
      yield from modules(included)
    yield from file.imports

  names = [name for file in parsed for name in modules(file)]
  statements = []
  for name in dict.fromkeys([_DYNAMIC_REGISTRATION, *names]):
    package, _, module = name.rpartition('.')
    origin = f'from {package} ' if package else ''
    statements.append(f'{origin}import {module}')
  return statements


def macro(name: str, default: Any = None) -> Any:
  """Returns the value of a gin macro, or `default` where it is not set."""
  try:
    return gin.query_parameter(f'%{name}')
  except ValueError:
    return default


def _save_config(folder: str) -> None:
  path = files.path(folder) / CONFIG_FILE
  path.parent.mkdir(parents=True, exist_ok=True)
  files.write_text(path, gin.config_str())


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


def _configured(function: Callable[..., Any]) -> Callable[..., Any]:
  try:
    return gin.get_configurable(function)
  except ValueError:
    module = function.__module__
    raise ValueError(
      f'No gin file configures {module}.{function.__name__}. Name one with'
      f' --gin_file=…; ready ones are in {configs_dir()}.'
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
  unused_macros: Sequence[str] = (),
  within: Callable[[], contextlib.AbstractContextManager[None]] = (
    contextlib.nullcontext
  ),
) -> None:
  """Runs `function` as a program, its arguments bound by gin.

  The configuration is saved as config.gin in the folder that the macro
  MODEL_DIR or, for an evaluation, EVAL_OUTPUT_DIR names. Bad input ends the
  program with exit status 1 and one message; --traceback shows where it
  was raised.

  Args:
    function: what the gin files configure.
    gin_files: read before those of the command line.
    positional_macros: the macros that the arguments of the command line set,
      in order.
    unused_macros: what the gin files of other programs require and this one
      does without; always None.
    within: the context of all this, entered once the flags are known.
  """

  def call(argv: Sequence[str]) -> None:
    # By gin, so that processes which are given its configuration import them
    # too.
    gin.parse_config([f'import {name}' for name in _MODULE_IMPORT.value])
    parse(
      [*gin_files, *_GIN_FILE.value],
      [
        *_GIN_BINDINGS.value,
        *_positional_bindings(argv[1:], positional_macros),
        *(f'{name} = None' for name in unused_macros),
      ],
      _GIN_SEARCH_PATHS.value,
    )
    configured = _configured(function)
    _check_same_in_all_processes()
    output = macro('EVAL_OUTPUT_DIR') or macro('MODEL_DIR')
    if isinstance(output, str) and jax.process_index() == 0:
      _save_config(output)
    configured()

  def main(argv: Sequence[str]) -> None:
    if not flags.FLAGS['verbosity'].present:
      absl_logging.set_verbosity(absl_logging.WARNING)
    with within(), _one_message():
      call(argv)

  app.run(main, argv=rewrite_gin_flags(sys.argv))


@contextlib.contextmanager
def _one_message() -> Iterator[None]:
  """Ends the program with one message for bad input."""
  try:
    yield
  except _USER_ERRORS as error:
    if _TRACEBACK.value:
      traceback.print_exc()
    print(f'\nerror: {error}', file=sys.stderr)
    sys.exit(1)
  except KeyboardInterrupt:
    sys.exit(130)
