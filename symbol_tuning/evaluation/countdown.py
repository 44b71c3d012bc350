"""One line now and then that says how far an evaluation or labelling is."""

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
  """Counts tokens, or rows, and tells the time left.

  Attributes:
    total: what there is to do, of all tasks.
    done: of it, done or skipped; a batch may end with part of a row.
    write: writes a line.
  """

  def __init__(
    self,
    total: int,
    what: str = 'evaluating',
    unit: str = 'tokens of an evaluation',
    period: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
    write: Callable[[str], None] = print_line,
  ):
    """Starts the clock.

    Args:
      total: what there is to do.
      what: is being done.
      unit: what is counted.
      period: the fewest seconds from one line of `advance` to the next.
      clock: tells the time in seconds.
      write: takes a line.
    """
    self.total = total
    self.done = 0.0
    self._skipped = 0
    self._what = what
    self._unit = unit
    self._period = period
    self._clock = clock
    self.write = write
    self._start = self._last = clock()

  def advance(self, count: float) -> None:
    """Counts what was done, and tells the watchdog."""
    self.done += count
    watchdog.finished(f'{self.done:,.0f} {self._unit}')
    if self._clock() - self._last >= self._period:
      self.say(self._what)

  def skip(self, count: int) -> None:
    """Counts what was done already."""
    self.done += count
    self._skipped += count

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
