"""The checkpoints that an evaluation is of, in the order they are evaluated.

They are named, or they are those that a training writes while it goes on: then
the queue waits for the next one, as T5X's and Flax's iterators of checkpoints
do. Those yield the newest only; here none is passed over that is still there.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning import files, watchdog
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.models.checkpoints import steps as steps_lib
from symbol_tuning.progress import duration

_NONE = -1


@dataclasses.dataclass(frozen=True)
class NewCheckpoints:
  """Every checkpoint of a training, those there and those to come.

  Attributes:
    model_dir: the run's folder; it may appear later.
    final_step: the training's last step, after which nothing is waited for;
      None if it is not known.
    timeout: seconds without a new checkpoint after which the training is taken
      to have ended.
    poll_period: seconds between looks at the folder.
  """

  model_dir: str
  final_step: int | None = None
  timeout: float = 3600.0
  poll_period: float = 10.0

  def __iter__(self) -> Iterator[Checkpoint]:
    """Yields them in the order of their steps, each once."""
    last = _NONE
    while (step := self._wait_for_one_after(last)) != _NONE:
      last = step
      yield Checkpoint(f'step_{step}', str(self._steps / str(step)), step, step)
      if self.final_step is not None and step >= self.final_step:
        return

  @property
  def _steps(self) -> files.Path:
    return files.path(self.model_dir) / steps_lib.STEPS

  def _wait_for_one_after(self, last: int) -> int:
    """The first step after `last`; -1 if none comes. The same on all hosts."""
    end = time.monotonic() + self.timeout
    is_waiting = False
    while True:
      found = self._first_after(last)
      found = int(multihost_utils.broadcast_one_to_all(np.int32(found)))
      has_ended = multihost_utils.broadcast_one_to_all(time.monotonic() > end)
      if found != _NONE or has_ended:
        break
      if not is_waiting:
        print_line(f'waiting for a checkpoint in {self._steps}')
        is_waiting = True
      watchdog.finished(f'a look at {self._steps}', rest=self.poll_period)
      time.sleep(self.poll_period)
    if found == _NONE:
      print_line(f'No new checkpoint for {duration(self.timeout)}: done.')
    return found

  def _first_after(self, last: int) -> int:
    found = steps_lib.all_steps(self._steps)
    later = [n for n in found if n > last and steps_lib.is_finished(found[n])]
    return min(later, default=_NONE)


def named(
  checkpoints: str | Sequence[str] | Mapping[str, str],
) -> list[Checkpoint]:
  """Returns checkpoints that are there already.

  Args:
    checkpoints: a path, paths, or paths by label. Without a label, a checkpoint
      is called by the name of its folder or by its step.

  Raises:
    FileNotFoundError: if there is no such path.
    ValueError: if there are none, two have the same label, a label is not the
      name of a folder, or a folder holds a published model and a run.
  """
  paths = _labelled(checkpoints)
  if not paths:
    raise ValueError('checkpoints is empty: give a path, or paths by label.')
  for label, path in paths.items():
    check_label(label)
    if not files.path(path).exists():
      raise FileNotFoundError(f'No checkpoint at {path}.')
  return [
    Checkpoint(label, path, _step_of(path), order)
    for order, (label, path) in enumerate(paths.items())
  ]


def check_label(label: str) -> None:
  """Refuses a label whose results would be in no folder of their own.

  Raises:
    ValueError: if it is not the name of a folder.
  """
  if label in ('', '.', '..') or '/' in label:
    raise ValueError(
      f'The checkpoint label {label!r} cannot be the name of a folder: choose'
      " a word such as 'tuned'."
    )


def _labelled(
  checkpoints: str | Sequence[str] | Mapping[str, str],
) -> dict[str, str]:
  if isinstance(checkpoints, Mapping):
    return dict(checkpoints)
  if isinstance(checkpoints, str):
    checkpoints = [checkpoints]
  labels = [_label(path) for path in checkpoints]
  twice = {label for label in labels if labels.count(label) > 1}
  if twice:
    raise ValueError(
      f'Several checkpoints are called {min(twice)!r}: give paths by label,'
      " {'one': '…', 'another': '…'}."
    )
  return dict(zip(labels, checkpoints, strict=True))


def _label(path: str) -> str:
  name = files.path(path).name
  return f'step_{name}' if name.isdecimal() else name


def _step_of(path: str) -> int | None:
  """The step of a run's newest whole checkpoint or of one of its steps."""
  chosen = steps_lib.choose(files.path(path))
  return chosen.step if chosen else None
