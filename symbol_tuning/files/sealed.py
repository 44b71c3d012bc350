"""JSON objects that tell whether they were changed after they were written.

The digest is of the values, so that other white space is no change. It is no
proof against who changes a file on purpose.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_DIGEST = 'digest'


def to_json(values: Mapping[str, Any]) -> str:
  """Returns a JSON object with its digest."""
  plain = json.loads(json.dumps(values))
  sealed = plain | {_DIGEST: _digest(plain)}
  return json.dumps(sealed, indent=2, ensure_ascii=False) + '\n'


def from_json(text: str | bytes) -> dict[str, Any]:
  """Returns the values of a JSON object; earlier versions wrote no digest.

  Raises:
    ValueError: if it is no JSON object, or was changed.
  """
  values = json.loads(text)
  if not isinstance(values, dict):
    raise ValueError('it is no JSON object')
  digest = values.pop(_DIGEST, None)
  if digest is not None and digest != _digest(values):
    raise ValueError('it was changed after it was written')
  return values


def _digest(values: Mapping[str, Any]) -> str:
  text = json.dumps(values, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()
