"""What of a configuration a program reads, found out without running it.

gin asks nobody whether a binding is of use: a macro with a slip of the pen in
its name is set, and nothing reads it. So the references are followed here, from
the function that is run.
"""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import gin

from symbol_tuning import files

Scope = tuple[str, ...]  # Of the names in it, outermost first; () for none.

_MACRO = 'gin.macro'
# What library code looks up by itself, without a reference in a gin file.
_LOOKED_UP = (
  'symbol_tuning.data.settings.DataSettings',
  'symbol_tuning.data.algorithmic.bigbench.BigBench',
)
# T5X's macros that have no counterpart, and what to do instead.
T5X_MACROS = {
  'USE_CACHED_TASKS': (
    'a mixture is read from a cache with --gin_file=runs/train_cached.gin and'
    ' CACHE_DIR, and made while training goes on with runs/train.gin'
  ),
  'LOSS_NORMALIZING_FACTOR': (
    'the loss is always the mean over the targets of the whole batch'
  ),
  'SHUFFLE_TRAIN_EXAMPLES': 'training examples are always shuffled',
  'EVALUATOR_NUM_EXAMPLES': (
    'EVAL_QUERIES is the number of queries of each dataset while training, and'
    ' settings.DataSettings.evaluation_queries otherwise'
  ),
  'EVALUATOR_USE_MEMORY_CACHE': 'questions are always loaded once',
  'JSON_WRITE_N_RESULTS': 'all prompts and predictions are written',
  'USE_HARDWARE_RNG': "random keys are JAX's default ones",
  'INFER_OUTPUT_DIR': 'EVAL_OUTPUT_DIR is where results go',
  'SAVING_PERIOD': 'CHECKPOINT_PERIOD is the number of steps between',
}


@dataclasses.dataclass(frozen=True)
class Reading:
  """A parameter of a configurable that the program uses, and its binding.

  Attributes:
    selector: the configurable.
    parameter: its name.
    value: as it is bound: a reference or a plain value.
    scope: in which it is bound.
  """

  selector: str
  parameter: str
  value: Any
  scope: str = ''

  @property
  def name(self) -> str:
    """How the parameter is named in gin files and flags."""
    within = f'{self.scope}/' if self.scope else ''
    return f'{within}{_name_in_files(self.selector)}.{self.parameter}'

  @property
  def key(self) -> tuple[str, str, str]:
    """What tells bindings apart."""
    return self.scope, self.selector, self.parameter


@dataclasses.dataclass(frozen=True)
class Usage:
  """What a program reads of gin's configuration.

  Attributes:
    readings: every bound parameter of every configurable that it uses, by the
      binding that counts in the scope it is used in.
    macros: names of the macros that these refer to, set or not.
    called: the configurables that gin calls, with what is bound alone.
  """

  readings: tuple[Reading, ...]
  macros: frozenset[str]
  called: frozenset[str] = frozenset()

  def reads(self, key: tuple[str, str, str] | None) -> bool:
    """Whether a binding is read, given by its `Reading.key`."""
    return any(reading.key == key for reading in self.readings)

  def unset(self) -> list[str]:
    """The macros and parameters that must be set and are not."""
    bound = {(reading.selector, reading.parameter) for reading in self.readings}
    return sorted(name for name in self.macros if not is_set(name)) + sorted(
      Reading(selector, parameter, None).name
      for selector in self.called
      for parameter in _without_default(selector)
      if (selector, parameter) not in bound
    )


def _name_in_files(selector: str) -> str:
  """A configurable as files that import its module call it: loop.Schedule."""
  source = gin.config._REGISTRY[selector].import_source
  if source is None:
    return gin.config._REGISTRY.minimal_selector(selector)
  statement, name = source
  module = statement.alias or statement.module
  return f'{module.rpartition(".")[2] if statement.is_from else module}.{name}'


def of(function: Callable[..., Any]) -> Usage:
  """Follows the references from a function that gin configures."""
  _, first = gin.config._as_scope_and_selector(function)
  pending: list[tuple[Scope, str]] = [((), first)]
  pending += [((), selector) for selector in _LOOKED_UP]
  called = {first}
  seen: set[tuple[Scope, str]] = set()
  macros: set[str] = set()
  readings: dict[tuple[str, str, str], Reading] = {}
  while pending:
    scope, selector = pending.pop()
    if (scope, selector) in seen:
      continue
    seen.add((scope, selector))
    for reading in _bindings(scope, selector):
      readings[reading.key] = reading
      within = set[str]()
      for inner, reference in _references(reading.value, within, scope):
        pending.append((inner, reference.configurable.selector))
        if reference.evaluate:
          called.add(reference.configurable.selector)
      macros |= within
  return Usage(tuple(readings.values()), frozenset(macros), frozenset(called))


def _without_default(selector: str) -> list[str]:
  """The parameters that a configurable cannot be called without."""
  wrapped = gin.config._REGISTRY[selector].wrapped
  try:
    parameters = inspect.signature(wrapped).parameters.values()
  except (TypeError, ValueError):
    return []
  return [
    parameter.name
    for parameter in parameters
    if parameter.default is parameter.empty
    and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
  ]


def _bindings(scope: Scope, selector: str) -> Iterable[Reading]:
  """What is bound of a configurable where it is called; inner scopes win."""
  found = {}
  for size in range(len(scope) + 1):
    outer = '/'.join(scope[:size])
    bound = gin.config._CONFIG.get((outer, selector), {})
    for parameter, value in bound.items():
      found[parameter] = Reading(selector, parameter, value, outer)
  return found.values()


def _references(
  value: Any,
  macros: set[str],
  scope: Scope = (),
  macro: Scope = (),
) -> Iterator[tuple[Scope, gin.config.ConfigurableReference]]:
  """What a value refers to, also through macros, and the scope it is called in.

  That is the reference's own, or else, as gin has it: of what is handed over
  uncalled, the one that it is handed to; of what a macro calls, its name.

  Args:
    value: as it is bound.
    macros: macros that were followed; these are added.
    scope: in which the value is read.
    macro: the names of the macro that holds it; () for none.
  """
  for part in gin.config._iterate_flattened_values(value):
    if not isinstance(part, gin.config.ConfigurableReference):
      continue
    own = tuple(part.scopes)
    name = macro_name(part)
    if name is None:
      yield own or (part.evaluate and macro) or scope, part
    elif name not in macros:
      macros.add(name)
      yield from _references(macro_value(name), macros, scope, own)


def macro_name(value: Any) -> str | None:
  """The macro that a value is a reference to, if it is one."""
  if isinstance(value, gin.config.ConfigurableReference):
    configurable = value.configurable
    if configurable and configurable.selector == _MACRO:
      return '/'.join(value.scopes)
  return None


def macro_value(name: str) -> Any:
  """A macro's value as it is bound; None where it is not set."""
  return gin.config._CONFIG.get((name, _MACRO), {}).get('value')


def macros_set() -> Iterator[str]:
  """The names of all macros that have a value, be it %gin.REQUIRED."""
  return (name for name, kind in gin.config._CONFIG if kind == _MACRO)


def is_set(name: str) -> bool:
  """Whether a macro has a value that is not %gin.REQUIRED."""
  return (name, _MACRO) in gin.config._CONFIG and not _is_required(
    macro_value(name)
  )


def _is_required(value: Any) -> bool:
  return (
    isinstance(value, gin.config.ConfigurableReference)
    and value.configurable.wrapped is gin.config._retrieve_constant
    and value.scoped_configurable_fn() is gin.REQUIRED
  )


def check_set(used: Usage) -> None:
  """Raises ValueError naming all macros that must be set and are not.

  Those that other programs need are set to None.
  """
  for name in set(macros_set()) - used.macros:
    if not is_set(name):
      gin.bind_parameter(f'%{name}', None)
  missing = used.unset()
  if not missing:
    return
  hints = [f'--gin.{name}=…' for name in missing]
  if 'MODEL' in missing or 'VOCABULARY' in missing:
    hints = [h for h in hints if h[6:-2] not in ('MODEL', 'VOCABULARY')]
    hints.insert(0, '--gin_file=models/… (sets MODEL and VOCABULARY)')
  raise ValueError(
    f'{", ".join(missing)} must be set: add {" ".join(hints)}. The headers of'
    ' the gin files say what they are.'
  )


def unread(bindings: Sequence[str], used: Usage) -> list[str]:
  """Returns a sentence for each binding that the program does not read.

  Args:
    bindings: of the command line, such as 'TRAIN_STEPS=10'.
    used: what the program reads.
  """
  sentences = []
  for binding in bindings:
    name = binding.partition('=')[0].strip()
    if name in used.macros or used.reads(_key(name)):
      continue
    sentence = f'--gin.{binding} has no effect: this program does not read it'
    if name in T5X_MACROS:
      sentence += f'; {T5X_MACROS[name]}.'
    elif near := _near(name, used):
      sentence += f'; did you mean {" or ".join(near)}?'
    else:
      sentence += '.'
    sentences.append(sentence)
  return sentences


def unread_in_files(
  bound: Mapping[files.Path, Sequence[str]], used: Usage
) -> list[str]:
  """Returns a sentence for each file that binds what the program does not read.

  Args:
    bound: the parameters that each file binds.
    used: what the program reads.
  """
  sentences = []
  for file, names in bound.items():
    idle = [name for name in names if _is_idle(name, used)]
    if idle:
      more = f' and {len(idle) - 3} more' if len(idle) > 3 else ''
      verb, them = ('have', 'them') if idle[1:] else ('has', 'it')
      sentences.append(
        f'{file}: {", ".join(idle[:3])}{more} {verb} no effect: this program'
        f' does not read {them}.'
      )
  return sentences


def _is_idle(name: str, used: Usage) -> bool:
  key = _key(name)
  if key is None or used.reads(key):
    return False
  # What @gin.configurable decorates reads its bindings when it is called.
  return gin.config._REGISTRY[key[1]].import_source is not None


def _key(name: str) -> tuple[str, str, str] | None:
  """The `Reading.key` of a parameter by its name; None for a macro."""
  configurable, dot, parameter = name.rpartition('.')
  if not dot:
    return None
  scope, _, selector = configurable.rpartition('/')
  match = gin.config._REGISTRY.get_match(selector)
  return (scope, match.selector, parameter) if match else None


def _near(name: str, used: Usage) -> list[str]:
  known = used.macros if '.' not in name else {r.name for r in used.readings}
  return difflib.get_close_matches(name, known, n=2, cutoff=0.6)


def misspelt(used: Usage, ours: Sequence[str]) -> list[str]:
  """Returns a sentence for each macro of a file that looks like a slip.

  That is one that nothing at all refers to, and that is set beside a macro of
  almost the same name which is read.

  Args:
    used: what the program reads.
    ours: macros that are not looked at.
  """
  referred: set[str] = set()
  for parameters in list(gin.config._CONFIG.values()):
    for value in parameters.values():
      list(_references(value, referred))
  sentences = []
  for name in sorted(set(macros_set()) - referred - set(ours)):
    if near := difflib.get_close_matches(name, used.macros, n=1, cutoff=0.85):
      sentences.append(
        f'{name} is set in a gin file, and nothing reads it; did you mean'
        f' {near[0]}?'
      )
  return sentences
