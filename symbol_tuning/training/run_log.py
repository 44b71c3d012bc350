"""What a run tells while it goes on: a progress line, TensorBoard and JSONL.

`metrics.jsonl` holds the same numbers for plots to be redrawn
from; a run that is resumed first drops the lines of the steps it repeats.
"""

import collections
import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping

import jax
import numpy as np

from symbol_tuning import files
from symbol_tuning.events import EventFile
from symbol_tuning.progress import duration
from symbol_tuning.training.step import Metrics


def say(text: str) -> None:
  """Prints a line; process 0 does."""
  if jax.process_index() == 0:
    print(text, flush=True)


Batch = Mapping[str, jax.Array]

_BATCHES_KEPT = 64


class NotFiniteError(FloatingPointError):
  """A loss, a gradient or an update is not finite.

  Attributes:
    step: the first such step.
    batch: what it was trained on; None if it is not kept any more.
  """

  def __init__(self, message: str, step: int, batch: Batch | None):
    super().__init__(message)
    self.step = step
    self.batch = batch


class Window:
  """The steps since the last report; times them from when it is made."""

  def __init__(self):
    self._start = time.monotonic()
    self._metrics: list[Metrics] = []
    # Not all of a long window, for they stay on the device.
    self._batches: collections.deque[Batch] = collections.deque(
      maxlen=_BATCHES_KEPT
    )

  def add(self, metrics: Metrics, batch: Batch) -> None:
    """Keeps a step's metrics and batch without waiting for the device."""
    self._metrics.append(metrics)
    self._batches.append(batch)

  def summary(self, last_step: int) -> dict[str, float]:
    """Means over the steps; waits for them to be done.

    Returns:
      loss and z_loss (of all targets alike, in nats), target_tokens (a step),
      grad_norm, update_norm, non_padding (share of positions),
      tokens_per_second (without padding) and steps_per_second.

    Raises:
      NotFiniteError: if a loss, a gradient or an update is not finite.
    """
    fetched = jax.device_get(self._metrics)
    seconds = time.monotonic() - self._start
    rows = jax.tree.map(lambda *values: np.array(values, np.float64), *fetched)
    finite = np.isfinite(rows.loss + rows.grad_norm + rows.update_norm)
    if not finite.all():
      first = int(np.argmin(finite))
      raise NotFiniteError(
        f'at step {last_step - len(finite) + first + 1} the loss is '
        f'{rows.loss[first]}, the norm of its gradient {rows.grad_norm[first]} '
        f'and that of the update {rows.update_norm[first]}',
        step=last_step - len(finite) + first + 1,
        batch=self._batch(first),
      )
    weights = rows.target_tokens
    return {
      'loss': float(np.dot(rows.loss, weights) / max(weights.sum(), 1)),
      'z_loss': float(np.dot(rows.z_loss, weights) / max(weights.sum(), 1)),
      'target_tokens': float(weights.mean()),
      'grad_norm': float(rows.grad_norm.mean()),
      'update_norm': float(rows.update_norm.mean()),
      'non_padding': float(rows.non_padding.mean()),
      'tokens_per_second': float(rows.tokens.sum() / seconds),
      'steps_per_second': len(finite) / seconds,
    }

  def _batch(self, number: int) -> Batch | None:
    """That of a step of the window, counted from 0."""
    forgotten = len(self._metrics) - len(self._batches)
    return self._batches[number - forgotten] if number >= forgotten else None


class RunLog:
  """Writes a run's progress; a context manager. Only process 0 writes."""

  def __init__(self, model_dir: files.Path, first_step: int, total_steps: int):
    """Opens the files.

    Args:
      model_dir: the run's folder.
      first_step: steps done before this process started.
      total_steps: steps of the whole run.
    """
    self._first_step = first_step
    self._total_steps = total_steps
    self._start = time.monotonic()
    self._writes = jax.process_index() == 0
    self._warned = False
    self._line = _ProgressLine()
    self._folder = model_dir
    if self._writes:
      self._folder.mkdir(parents=True, exist_ok=True)
      self._events = EventFile(self._folder, first_step + 1)
      self._jsonl = _reopened(self._folder / 'metrics.jsonl', first_step)

  def __enter__(self) -> 'RunLog':
    return self

  def __exit__(self, *_) -> None:
    if self._writes:
      self._line.end()
      for log in (self._events, self._jsonl):
        with self._warning():
          log.close()

  def start_clock(self) -> None:
    """The time left is estimated from what steps take from now on."""
    self._start = time.monotonic()

  def say(self, text: str) -> None:
    """Prints a line of its own."""
    if self._writes:
      self._line.end()
      print(text, flush=True)

  def write(self, name: str, text: str) -> None:
    """Writes a file of the run's folder."""
    if self._writes:
      files.write_text(self._folder / name, text)

  def training(self, step: int, summary: Mapping[str, float]) -> None:
    """Reports a window of steps that ends with `step`."""
    if not self._writes:
      return
    self._record(step, summary, 'train')
    self._line.show(
      f'step {step}/{self._total_steps}'
      f' · loss {summary["loss"]:.4f}'
      f' · {summary["tokens_per_second"]:,.0f} tokens/s'
      f' · {summary["non_padding"]:.0%} not padding'
      f' · {self._time_left(step)} left'
    )

  def evaluation(self, step: int, summary: Mapping[str, float]) -> None:
    """Reports what an evaluation measured."""
    if self._writes:
      self._record(step, summary, 'eval')
      measured = ' · '.join(f'{k} {v:.4g}' for k, v in summary.items())
      self.say(f'step {step}/{self._total_steps} · {measured}')

  def _record(self, step: int, values: Mapping[str, float], kind: str) -> None:
    line = {'step': step, 'kind': kind, 'time': time.time(), **values}
    with self._warning():
      self._jsonl.write(f'{json.dumps(line)}\n'.encode())
      self._jsonl.flush()
    with self._warning():
      self._events.write(step, {f'{kind}/{k}': v for k, v in values.items()})

  @contextlib.contextmanager
  def _warning(self) -> Iterator[None]:
    """Goes on where a line cannot be written, and says so once."""
    try:
      yield
    except OSError as error:
      if not self._warned:
        print(
          f'\nwarning: cannot write the log in {self._folder} ({error});'
          ' training goes on without it',
          file=sys.stderr,
          flush=True,
        )
      self._warned = True

  def _time_left(self, step: int) -> str:
    elapsed = time.monotonic() - self._start
    done = step - self._first_step
    return duration((self._total_steps - step) * elapsed / done)


class _ProgressLine:
  """One line that is overwritten on a terminal, else a line each time."""

  def __init__(self):
    self._overwrites = sys.stdout.isatty()
    self._open = False

  def show(self, text: str) -> None:
    if self._overwrites:
      print(f'\r\033[K{text}', end='', flush=True)
      self._open = True
    else:
      print(text, flush=True)

  def end(self) -> None:
    if self._open:
      print(flush=True)
      self._open = False


def _reopened(path: files.Path, first_step: int) -> files.Growing:
  """Opens a JSONL file to append, without lines beyond `first_step`."""
  lines = path.read_text().splitlines() if path.exists() else []
  kept = [line for line in lines if _step_of(line) <= first_step]
  return files.Growing(path, ''.join(f'{line}\n' for line in kept).encode())


def _step_of(line: str) -> float:
  """A line's step; infinite for one that was cut off while being written."""
  try:
    return json.loads(line)['step']
  except ValueError:
    return math.inf
