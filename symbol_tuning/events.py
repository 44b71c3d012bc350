"""TensorBoard's event files, written without TensorFlow.

Its own protocol and record writer are used, over files of either kind.
"""

import itertools
import os
import socket
import time
from collections.abc import Mapping

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer import record_writer

from symbol_tuning import files

_numbers = itertools.count()


class EventFile:
  """An event file of scalars, new in its folder; to be closed."""

  def __init__(
    self,
    folder: files.Path,
    first_step: int | None = None,
    seconds: float = files.SECONDS,
  ):
    """Makes the file.

    Args:
      folder: must exist.
      first_step: tells TensorBoard to forget what earlier files say of this
        step and those after it; None to forget nothing.
      seconds: how far the file may lag behind in a bucket, see files.Growing.
    """
    name = (
      f'events.out.tfevents.{time.time():.0f}.{socket.gethostname()}'
      f'.{os.getpid()}.{next(_numbers)}'
    )
    self._writer = record_writer.RecordWriter(
      files.Growing(folder / name, seconds=seconds)
    )
    self._record(file_version='brain.Event:2')
    if first_step is not None:
      session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._record(step=first_step, session_log=session)

  def write(self, step: int, scalars: Mapping[str, float]) -> None:
    """Adds scalars by tag."""
    values = [
      summary_pb2.Summary.Value(tag=tag, simple_value=value)
      for tag, value in scalars.items()
    ]
    self._record(step=step, summary=summary_pb2.Summary(value=values))

  def close(self) -> None:
    """Ends the file."""
    self._writer.close()

  def _record(self, **fields) -> None:
    event = event_pb2.Event(wall_time=time.time(), **fields)
    self._writer.write(event.SerializeToString())
    self._writer.flush()
