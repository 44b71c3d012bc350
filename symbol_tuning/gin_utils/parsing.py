"""Reads gin files and gin bindings into gin's configuration."""

import contextlib
import io
import logging
import os
import pathlib
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gin
from gin import config_parser, resource_reader

from symbol_tuning import files

_DYNAMIC_REGISTRATION = '__gin__.dynamic_registration'
_INCLUDE = re.compile(r"""^include\s+['"](.+)['"]""", re.MULTILINE)
# What gin says of where it was, where our own message says it.
_IN_BINDINGS = re.compile(r'\n\s+In bindings string line.*', re.DOTALL)
_LINE = re.compile(r' \((?:<.*>, )?line \d+\)$')

# Files in buckets, as --gin_search_paths and --gin_file may name them.
gin.config.register_file_reader(
  lambda name: io.StringIO(files.path(name).read_text(encoding='utf-8')),
  lambda name: not files.is_local(name) and files.path(name).is_file(),
)


def configs_dir() -> pathlib.Path:
  """Returns the folder of the gin files that come with the package."""
  package = pathlib.Path(__file__).parents[1]
  beside_package = package.parent / 'gin'
  if (beside_package / 'runs').is_dir():
    return beside_package
  return package / 'configs'


def macro(name: str, default: Any = None) -> Any:
  """Returns the value of a gin macro, or `default` where it is not set."""
  try:
    return gin.query_parameter(f'%{name}')
  except ValueError:
    return default


def parse(
  gin_files: Sequence[str],
  gin_bindings: Sequence[str] = (),
  search_paths: Sequence[str] = (),
) -> None:
  """Reads gin files and then single bindings; gin's configuration is final.

  Args:
    gin_files: paths, absolute or relative to the working folder, one of
      `search_paths` or the package's own gin folder; later files win.
    gin_bindings: bindings such as 'TRAIN_STEPS=10'; they win over the files
      and may name the modules that the files import.
    search_paths: folders to search before the package's own.

  Raises:
    OSError: if a file is in none of those folders.
    ValueError: if a file or a binding is not gin; it is named.
  """
  read(gin_files, gin_bindings, search_paths)
  gin.finalize()


def read(
  gin_files: Sequence[str],
  gin_bindings: Sequence[str] = (),
  search_paths: Sequence[str] = (),
) -> None:
  """As `parse`, but the configuration can still be changed."""
  folders = [*map(os.path.expanduser, search_paths), str(configs_dir())]
  parsed = []
  with _searching(folders):
    for path in map(os.path.expanduser, gin_files):
      try:
        file = gin.parse_config_file(path)
      except (SyntaxError, UnicodeDecodeError, tokenize.TokenError) as error:
        raise ValueError(_why_no_file(path, folders, error)) from None
      parsed.append(file)
  imports = '\n'.join(_imports(parsed))
  gin.parse_config(imports)
  for binding in gin_bindings:
    try:
      gin.parse_config(f'{imports}\n{binding}')
    except (
      AttributeError,
      NameError,
      SyntaxError,
      ValueError,
      tokenize.TokenError,
    ) as error:
      raise ValueError(_why_no_binding(binding, error)) from None


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


def _why_no_file(path: str, folders: Sequence[str], error: Exception) -> str:
  """The message for a file, or one that it includes, which gin cannot read."""
  for found in _with_includes(path, folders):
    content = found.read_bytes()
    try:
      text = content.decode()
    except UnicodeDecodeError:
      return f'{found} is not a gin file: it is not UTF-8 text.'
    try:
      list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError):
      return f'{found}: a bracket or a quote is opened and not closed.'
    if isinstance(error, SyntaxError) and error.filename == str(found):
      return f'{found}, line {error.lineno}: {_reason(error)}'
  return f'{path}: {_reason(error)}'


def _with_includes(path: str, folders: Sequence[str]) -> Iterator[files.Path]:
  """Yields the included files first, in the order in which gin reads them."""
  places = [files.path(os.path.join(folder, path)) for folder in ('', *folders)]
  found = next((place for place in places if place.is_file()), None)
  if found is None:
    return
  text = found.read_text(encoding='utf-8', errors='replace')
  for included in _INCLUDE.findall(text):
    yield from _with_includes(included, folders)
  yield found


class _NoValues(config_parser.ParserDelegate):
  """Has gin's parser leave out the values of bindings."""

  def configurable_reference(self, scoped_configurable_name, evaluate):
    return None

  def macro(self, macro_name):
    return None


def bound_in_own_files(
  gin_files: Sequence[str], search_paths: Sequence[str]
) -> dict[files.Path, list[str]]:
  """Returns the parameters that each file which is not ours binds.

  Args:
    gin_files: as for `parse`, which has read them; what they include counts.
    search_paths: as for `parse`.
  """
  folders = [*map(os.path.expanduser, search_paths), str(configs_dir())]
  ours = configs_dir().resolve()
  found: dict[files.Path, list[str]] = {}
  for path in map(os.path.expanduser, gin_files):
    for file in _with_includes(path, folders):
      if not (files.is_local(file) and ours in files.resolved(file).parents):
        text = file.read_text(encoding='utf-8')
        found[file] = [
          _name_of(statement)
          for statement in config_parser.ConfigParser(text, _NoValues())
          if isinstance(statement, config_parser.BindingStatement)
          and statement.arg_name
        ]
  return found


def _name_of(statement: config_parser.BindingStatement) -> str:
  within = f'{statement.scope}/' if statement.scope else ''
  return f'{within}{statement.selector}.{statement.arg_name}'


def _why_no_binding(binding: str, error: Exception) -> str:
  """The message for a binding of the command line that gin cannot read."""
  name, equals, value = map(str.strip, binding.partition('='))
  flag = f'--gin.{binding}'
  if not name or not equals:
    return f'{flag}: a gin flag is written --gin.NAME=VALUE.'
  if not value:
    return f'{flag}: {name} is given no value; None and \'""\' are values, too.'
  if isinstance(error, (NameError, AttributeError)) or '@' in value:
    return f'{flag}: {_reason(error)}'
  if isinstance(error, (SyntaxError, tokenize.TokenError)):
    if value[0] in '\'"[{(':
      return f'{flag}: a bracket or a quote of the value is not closed.'
    quoted = f'--gin.{name}="{value!r}"'
    return (
      f'{flag}: {value} is no Python value. A text needs inner quotes: {quoted}'
    )
  return f'{flag}: {_reason(error)}'


def _reason(error: Exception) -> str:
  text = error.msg if isinstance(error, SyntaxError) else str(error)
  return _LINE.sub('', _IN_BINDINGS.sub('', text).splitlines()[0])
