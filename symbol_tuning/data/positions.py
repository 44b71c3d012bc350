"""What a place in the training data is a place in.

A run that goes on with another batch size, seed or mixture, or with files that
have changed, would skip rows, or read some twice, without an error. So a
position says what data it is of, by the names of gin's macros, of data settings
and of tasks.
"""

from collections.abc import Mapping
from typing import Any

OF = 'of'
DIGESTS = 'digests'


class OtherDataError(ValueError):
  """A position is one in other data."""


def check(
  position: Mapping[str, Any],
  of: Mapping[str, Any],
  digests: Mapping[str, str] | None = None,
) -> None:
  """Compares what a position was saved with; earlier versions saved less.

  Args:
    position: as the iterator saved it.
    of: what the iterator reads now, as JSON values.
    digests: of the files that it reads now, by task.

  Raises:
    OtherDataError: naming the first difference.
  """
  for key, current in ((OF, of), (DIGESTS, digests or {})):
    saved = position.get(key, current)
    for name in sorted(saved.keys() | current.keys()):
      before, now = saved.get(name), current.get(name)
      if before != now:
        raise OtherDataError(
          f'{name} was {before!r} where the run was saved, and is {now!r}: rows'
          ' would be skipped or read twice. Go on with the earlier value, use'
          ' another MODEL_DIR, or read the new data from their start:'
          ' --gin.RESTART_DATA=True'
        )
