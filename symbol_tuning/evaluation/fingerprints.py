"""A fingerprint tells questions, and what was done with them, apart."""

import functools
import hashlib
import itertools
from collections.abc import Iterable
from typing import Any


def of_values(values: Iterable[Any]) -> str:
  """Tells series of plain values apart, such as other fingerprints."""
  digest = hashlib.sha256()
  for value in values:
    digest.update(repr(value).encode())
  return digest.hexdigest()


def of_function(function: Any) -> str:
  """Tells functions apart by their names and by what a partial one binds.

  What a function of the same name does is not looked at.

  Args:
    function: any callable, or a plain value that a partial one binds.
  """
  if isinstance(function, functools.partial):
    bound = sorted(function.keywords.items())
    parts = [function.func, *function.args, *itertools.chain(*bound)]
    return of_values(map(of_function, parts))
  if hasattr(function, '__qualname__'):
    module = getattr(function, '__module__', None)  # str.lower has none.
    return f'{module}.{function.__qualname__}'
  return repr(function)
