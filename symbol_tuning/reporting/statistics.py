"""Intervals by the bootstrap, paired where checkpoints had the same queries.

The queries of a task are drawn anew, with replacement, thousands of times
(Efron, 1979), for all checkpoints at once: what two checkpoints share, such as
a query that is hard for both, then cancels in their difference. An average over
tasks gives every task the same weight, and draws within each.

Queries on which all checkpoints did the same are alike, so it is enough to draw
how many there are of each kind: the numbers are multinomial. That is exact, and
it does not depend on the order of queries.

Shape suffixes: B resamples, Q queries, R checkpoints, K kinds of queries.
"""

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

NUM_RESAMPLES = 10_000
_PERCENTILES = (2.5, 97.5)


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A number and its 95 % interval."""

  value: float
  low: float
  high: float

  @property
  def half_width(self) -> float:
    """Half the length of the interval."""
    return (self.high - self.low) / 2

  @property
  def excludes_zero(self) -> bool:
    """Whether the interval lies on one side of zero."""
    return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True)
class Measurement:
  """What was measured of one checkpoint on one task.

  Attributes:
    values_Q: one number a query.
    queries: a name of the queries, in this order; measurements on queries of
      the same name are paired.
  """

  values_Q: np.ndarray
  queries: str


@dataclasses.dataclass(frozen=True)
class Resampled:
  """Averages over tasks, and what they are when queries are drawn anew.

  Attributes:
    means_R: the average of each checkpoint.
    draws_BR: the same in each resample.
    shares_BR: the same where values are 0 or 1: a task on which all queries
      ended alike shows no spread, so its share is drawn from what is known of
      it then (Jeffreys' prior, Beta(½, ½)), once for all checkpoints that
      answered it alike.
  """

  means_R: np.ndarray
  draws_BR: np.ndarray
  shares_BR: np.ndarray

  def mean(self, checkpoint: int) -> Estimate:
    """An average of any values."""
    return _estimate(self.means_R[checkpoint], self.draws_BR[:, checkpoint])

  def share(self, checkpoint: int) -> Estimate:
    """An average of values that are 0 or 1; its interval has a width."""
    return _estimate(self.means_R[checkpoint], self.shares_BR[:, checkpoint])

  def difference(self, first: int, second: int) -> Estimate:
    """How much greater the second checkpoint's share is."""
    return _estimate(
      self.means_R[second] - self.means_R[first],
      self.shares_BR[:, second] - self.shares_BR[:, first],
    )


def _estimate(value: float, draws_B: np.ndarray) -> Estimate:
  """The middle of the draws; of shares drawn from a prior, up to the value."""
  low, high = np.percentile(draws_B, _PERCENTILES)
  return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def resample(
  tasks: Sequence[Sequence[Measurement]],
  num_resamples: int = NUM_RESAMPLES,
  seed: int = 0,
) -> Resampled:
  """Draws the queries of tasks anew.

  Args:
    tasks: for each task the measurements of all checkpoints, in one order.
    num_resamples: how often queries are drawn.
    seed: of the draws.

  Raises:
    ValueError: if there is no task, or a task without queries.
  """
  if not tasks:
    raise ValueError('There is no task to resample.')
  means, draws, shares = zip(
    *(_resample_task(task, num_resamples, seed) for task in tasks), strict=True
  )
  return Resampled(
    np.mean(means, axis=0), np.mean(draws, axis=0), np.mean(shares, axis=0)
  )


def _resample_task(
  task: Sequence[Measurement], num_resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """The means, draws and shares of one task, as in `Resampled`."""
  if not all(len(measurement.values_Q) for measurement in task):
    raise ValueError('A task without queries cannot be resampled.')
  means_R = np.array([measurement.values_Q.mean() for measurement in task])
  draws_BR = np.empty((num_resamples, len(task)))
  shares_BR = np.empty_like(draws_BR)
  for queries in dict.fromkeys(measurement.queries for measurement in task):
    members = [i for i, m in enumerate(task) if m.queries == queries]
    values_QR = np.stack([task[i].values_Q for i in members], axis=1)
    rng = np.random.default_rng([seed, zlib.crc32(queries.encode())])
    draws_BR[:, members] = _draw_means(values_QR, num_resamples, rng)
    shares_BR[:, members] = _with_spread(draws_BR[:, members], values_QR, rng)
  return means_R, draws_BR, shares_BR


def _draw_means(
  values_QR: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
  """The means of queries that are drawn with replacement, float [B, R]."""
  kinds_KR, counts_K = np.unique(values_QR, axis=0, return_counts=True)
  num_queries = len(values_QR)
  drawn_BK = rng.multinomial(
    num_queries, counts_K / num_queries, size=num_resamples
  )
  return drawn_BK @ kinds_KR / num_queries


def _with_spread(
  draws_BR: np.ndarray, values_QR: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
  """Draws of shares, where the queries of a column ended alike from a prior."""
  is_alike_R = (values_QR == values_QR[0]).all(axis=0)
  rest_2B1 = rng.beta(0.5, len(values_QR) + 0.5, size=(2, len(draws_BR), 1))
  alike_BR = np.where(values_QR[0] > 0, 1 - rest_2B1[0], rest_2B1[1])
  return np.where(is_alike_R, alike_BR, draws_BR)
