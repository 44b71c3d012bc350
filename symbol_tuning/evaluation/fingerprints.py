"""A fingerprint tells questions, and what was done with them, apart."""

import hashlib
from collections.abc import Iterable
from typing import Any


def of_values(values: Iterable[Any]) -> str:
  """Tells series of plain values apart, such as other fingerprints."""
  digest = hashlib.sha256()
  for value in values:
    digest.update(repr(value).encode())
  return digest.hexdigest()
