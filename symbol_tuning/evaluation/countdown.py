"""One line now and then that says how far an evaluation is."""

import time
from collections.abc import Callable

import jax

from symbol_tuning import watchdog
from symbol_tuning.progress import duration


def print_line(line: str) -> None:
  """Prints a line, on one host."""
  if jax.process_index() == 0:
    print(line, flush=True)


class Countdown:
  """Counts tokens and tells the time left.

  Attributes:
    total: tokens to score, of all tasks and checkpoints.
    done: tokens scored or skipped.
    write: writes a line.
  """

  def __init__(
    self,
    total: int,
    period: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
    write: Callable[[str], None] = print_line,
  ):
    """Starts the clock.

    Args:
      total: tokens to score.
      period: the fewest seconds from one line of `advance` to the next.
      clock: tells the time in seconds.
      write: takes a line.
    """
    self.total = total
    self.done = 0
    self._skipped = 0
    self._period = period
    self._clock = clock
    self.write = write
    self._start = self._last = clock()

  def advance(self, num_tokens: int) -> None:
    """Counts tokens that have been scored, and tells the watchdog."""
    self.done += num_tokens
    watchdog.finished(f'{self.done:,} tokens of an evaluation')
    if self._clock() - self._last >= self._period:
      self.say('evaluating')

  def skip(self, num_tokens: int) -> None:
    """Counts tokens whose scores were there already."""
    self.done += num_tokens
    self._skipped += num_tokens

  def say(self, what: str) -> None:
    """Writes a line: `what`, the share done and the time left."""
    self._last = self._clock()
    share = 100 * self.done / max(1, self.total)
    self.write(f'{what} · {share:.0f} % · {self._time_left()}')

  def _time_left(self) -> str:
    scored = self.done - self._skipped
    if not scored:
      return 'time left unknown'
    seconds = (self._last - self._start) / scored * (self.total - self.done)
    return f'{duration(seconds)} left'
