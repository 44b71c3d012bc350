"""Files that grow while others read them, such as logs."""

import sys
import time

from symbol_tuning.files import paths, writing

SECONDS = 30.0


class Growing:
  """A file that is written from its start, bit by bit; to be closed.

  On a disk, others see what was flushed. A bucket cannot append: there the
  whole file is written again, not more often than was asked for, and when it is
  closed. What cannot be written is kept and tried again, so that a run outlives
  a bucket that is away for a while.
  """

  def __init__(
    self, path: paths.Path, begins_with: bytes = b'', seconds: float = SECONDS
  ):
    """Replaces the file, if there is one.

    Args:
      path: of the file.
      begins_with: what it holds at first.
      seconds: how far the file may lag behind in a bucket.

    Raises:
      OSError: if it cannot be written.
    """
    self._path = path
    writing.write_bytes(path, begins_with)
    self._file = path.open('ab') if paths.is_local(path) else None
    self._content = bytearray(begins_with)
    self._seconds = seconds
    self._written = time.monotonic()
    self._told = False

  def write(self, data: bytes) -> None:
    """Adds to the file."""
    if self._file:
      with writing.naming(self._path):
        self._file.write(data)
    else:
      self._content += data

  def flush(self) -> None:
    """Has others see what was written, soon."""
    if self._file:
      with writing.naming(self._path):
        self._file.flush()
    elif time.monotonic() - self._written >= self._seconds:
      self._try_to_upload()

  def close(self) -> None:
    """Ends the file.

    Raises:
      OSError: if it cannot be written.
    """
    if self._file:
      self._file.close()
    else:
      writing.write_bytes(self._path, bytes(self._content))

  def _try_to_upload(self) -> None:
    try:
      writing.write_bytes(self._path, bytes(self._content))
      self._told = False
    except OSError as error:
      if not self._told:
        print(
          f'Cannot write a log, and will try again: {error}', file=sys.stderr
        )
      self._told = True
    self._written = time.monotonic()
