"""Whether the values of a configuration are what their parameters take.

Python would find out when a value is used, minutes later, and would not say
which macro it is from. The annotations of what gin configures say it at once.
"""

import collections.abc
import inspect
import math
import os
import types
import typing
from collections.abc import Mapping
from typing import Any

import gin

from symbol_tuning.gin_utils import usage

# The least values of macros that have one.
LEAST = {
  'BATCH_SIZE': 1,
  'CHECKPOINT_PERIOD': 1,
  'DROPOUT_RATE': 0,
  'EVAL_PERIOD': 1,
  'EVAL_QUERIES': 1,
  'LABEL_SMOOTHING': 0,
  'LEARNING_RATE': 0,
  'LOSS_POSITIONS_PER_ROW': 1,
  'NUM_EXAMPLES': 1,
  'NUM_MICROBATCHES': 1,
  'NUM_ROWS': 1,
  'NUM_SHARDS': 1,
  'RANDOM_SEED': 0,
  'TRAIN_STEPS': 1,
  'Z_LOSS': 0,
}
# Macros that must be below a value.
BELOW = {'DROPOUT_RATE': 1, 'LABEL_SMOOTHING': 1}
_NAMES = ('CHECKPOINT', 'DIR', 'FILE', 'MODEL', 'NAME', 'PATH')
_WORDS = {
  bool: 'True or False',
  float: 'a number',
  int: 'a whole number',
  str: 'a text in quotes',
  type(None): 'None',
}


def expand_home() -> None:
  """Replaces the ~ that paths begin with, wherever they are bound."""
  for (scope, selector), parameters in list(gin.config._CONFIG.items()):
    for parameter, value in list(parameters.items()):
      expanded = _expanded(value)
      if expanded != value:
        gin.bind_parameter((scope, selector, parameter), expanded)


def _expanded(value: Any) -> Any:
  if isinstance(value, str) and value.startswith('~'):
    return os.path.expanduser(value)
  if isinstance(value, (list, tuple)):
    return type(value)(map(_expanded, value))
  if isinstance(value, dict):
    return {key: _expanded(part) for key, part in value.items()}
  return value


def check(used: usage.Usage) -> None:
  """Checks every value that a program reads; 1e3 becomes a whole number.

  Raises:
    ValueError: naming the first that is not what its parameter takes.
  """
  for reading in used.readings:
    fitted = _checked(reading.name, reading.value, _hint(reading))
    if fitted is not reading.value:
      key = (reading.scope, reading.selector, reading.parameter)
      gin.bind_parameter(key, fitted)


def _checked(name: str, value: Any, hint: Any) -> Any:
  """Returns the value as its parameter takes it, or the reference to it.

  Raises:
    ValueError: if it does not take it.
  """
  if macro := usage.macro_name(value):
    bound = usage.macro_value(macro)
    fitted = _checked(macro, bound, hint)
    if fitted is not bound:
      gin.bind_parameter(f'%{macro}', fitted)
    _check_range(macro, fitted)
    return value
  fitted = _fitted(value, hint)
  if fitted is _MISFIT:
    raise ValueError(
      f'{name} is {value!r}; it must be {_words(hint)}{_advice(value, hint)}.'
    )
  if fitted == '' and name.upper().endswith(_NAMES):
    raise ValueError(f'{name} is empty; give it a value, or None.')
  return fitted


def _check_range(name: str, value: Any) -> None:
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    return
  least, below = LEAST.get(name), BELOW.get(name)
  if not math.isfinite(value):
    raise ValueError(f'{name} is {value}; it must be finite.')
  if least is not None and value < least:
    raise ValueError(f'{name} is {value}; it must be at least {least}.')
  if below is not None and value >= below:
    raise ValueError(f'{name} is {value}; it must be below {below}.')


def _hint(reading: usage.Reading) -> Any:
  """The annotation of a parameter; Any where there is none to be had."""
  wrapped = gin.config._REGISTRY[reading.selector].wrapped
  function = wrapped.__init__ if inspect.isclass(wrapped) else wrapped
  try:
    return typing.get_type_hints(function).get(reading.parameter, Any)
  except (AttributeError, NameError, TypeError):
    return Any


_MISFIT = object()


def _fitted(value: Any, hint: Any) -> Any:
  """The value if it is of this type, 3 for 3.0 where it must be whole."""
  if usage.macro_name(value):
    return _checked('', value, hint)
  if hint is Any or isinstance(value, gin.config.ConfigurableReference):
    return value
  origin, arguments = typing.get_origin(hint), typing.get_args(hint)
  if origin in (typing.Union, types.UnionType):
    fits = (_fitted(value, argument) for argument in arguments)
    return next((fit for fit in fits if fit is not _MISFIT), _MISFIT)
  if origin is typing.Literal:
    return value if value in arguments else _MISFIT
  if hint in _WORDS:
    return _fitted_plain(value, hint)
  kind = origin or hint
  if _is_mapping(kind):
    return _fitted_mapping(value, arguments)
  if _is_sequence(kind):
    return _fitted_sequence(value, arguments)
  # A class or a function of ours, which only a reference can be.
  is_plain = value is None or isinstance(value, (bool, int, float, str))
  return _MISFIT if is_plain and _is_library_type(kind) else value


def _is_mapping(kind: Any) -> bool:
  return inspect.isclass(kind) and issubclass(kind, Mapping)


def _is_sequence(kind: Any) -> bool:
  # A named tuple, such as optax.GradientTransformation, is a class to gin.
  return (
    inspect.isclass(kind)
    and issubclass(kind, collections.abc.Sequence)
    and not hasattr(kind, '_fields')
  )


def _is_library_type(kind: Any) -> bool:
  return inspect.isclass(kind) and kind.__module__ not in ('builtins', 'typing')


def _fitted_plain(value: Any, hint: type) -> Any:
  if hint is int and isinstance(value, float) and value.is_integer():
    return int(value)
  kinds = (int, float) if hint is float else hint
  is_truth = isinstance(value, bool) and hint is not bool
  return value if isinstance(value, kinds) and not is_truth else _MISFIT


def _fitted_mapping(value: Any, arguments: tuple[Any, ...]) -> Any:
  if not isinstance(value, dict):
    return _MISFIT
  _, hint = arguments or (Any, Any)
  fitted = {key: _fitted(part, hint) for key, part in value.items()}
  return _unless_misfit(value, fitted, fitted.values())


def _fitted_sequence(value: Any, arguments: tuple[Any, ...]) -> Any:
  if not isinstance(value, (list, tuple)):
    return _MISFIT
  hints = arguments or (Any, ...)
  if len(hints) == 1 or hints[-1] is Ellipsis:
    hints = hints[:1] * len(value)
  if len(hints) != len(value):
    return _MISFIT
  fitted = list(map(_fitted, value, hints))
  return _unless_misfit(value, type(value)(fitted), fitted)


def _unless_misfit(value: Any, fitted: Any, parts: Any) -> Any:
  if any(part is _MISFIT for part in parts):
    return _MISFIT
  return value if repr(fitted) == repr(value) else fitted


def _words(hint: Any) -> str:
  """What a parameter takes, in words."""
  origin, arguments = typing.get_origin(hint), typing.get_args(hint)
  if origin in (typing.Union, types.UnionType):
    return ' or '.join(dict.fromkeys(map(_words, arguments)))
  if origin is typing.Literal:
    return f'one of {", ".join(map(repr, arguments))}'
  if hint in _WORDS:
    return _WORDS[hint]
  kind = origin or hint
  if _is_mapping(kind):
    return f'a mapping {{name: {_words(arguments[1]) if arguments else "…"}}}'
  if _is_sequence(kind):
    inner = [_words(a) for a in arguments if a is not Ellipsis] or ['values']
    return f'a list of {" and ".join(dict.fromkeys(inner))}'
  return 'a reference such as @module.name()'


def _advice(value: Any, hint: Any) -> str:
  takes_text = hint is str or str in typing.get_args(hint)
  if isinstance(value, str) and not takes_text and 'whole' in _words(hint):
    return ', without quotes'
  return ''
