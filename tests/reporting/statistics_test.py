"""Intervals against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.reporting import statistics
from symbol_tuning.reporting.statistics import Measurement, resample

Z_95 = 1.959964


def answers(num_correct, num_queries):
  return np.repeat([1.0, 0.0], [num_correct, num_queries - num_correct])


def test_a_share_has_the_binomial_interval():
  share = resample([[Measurement(answers(120, 400), 'q')]]).share(0)
  assert share.value == pytest.approx(0.3)
  error = math.sqrt(0.3 * 0.7 / 400)
  assert share.half_width == pytest.approx(Z_95 * error, rel=0.04)


def test_an_average_over_tasks_draws_within_each():
  """Tasks of 0.1 and 0.9 vary less than queries of both thrown together."""
  tasks = [[Measurement(answers(n, 200), str(n))] for n in (20, 180)]
  average = resample(tasks).share(0)
  error = math.sqrt(2 * 0.1 * 0.9 / 200) / 2
  assert average.value == pytest.approx(0.5)
  assert average.half_width == pytest.approx(Z_95 * error, rel=0.04)


@pytest.mark.parametrize('queries', [('q', 'q'), ('q', 'others')])
def test_a_difference_has_the_variance_of_pairs_or_of_the_sum(queries):
  """Of 300 queries 150 are right for both, 60 for the second, 30 the first."""
  first = np.repeat([1.0, 0.0, 1.0, 0.0], [150, 60, 30, 60])
  second = np.repeat([1.0, 1.0, 0.0, 0.0], [150, 60, 30, 60])
  task = [
    Measurement(values, name)
    for values, name in zip((first, second), queries, strict=True)
  ]
  difference = resample([task]).difference(0, 1)
  assert difference.value == pytest.approx(0.1)
  variance = ((60 + 30) / 300 - 0.1**2) / 300
  if len(set(queries)) > 1:
    variance = (0.6 * 0.4 + 0.7 * 0.3) / 300
  expected = Z_95 * math.sqrt(variance)
  assert difference.half_width == pytest.approx(expected, rel=0.04)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.booleans(), min_size=1), min_size=1, max_size=3))
def test_a_checkpoint_does_not_differ_from_itself(tasks):
  measured = [
    [Measurement(np.array(values, float), str(number))] * 2
    for number, values in enumerate(tasks)
  ]
  difference = resample(measured, num_resamples=50).difference(0, 1)
  assert difference == statistics.Estimate(0, 0, 0)
  assert not difference.excludes_zero


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_order_of_queries_changes_nothing(data):
  pairs = data.draw(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1)
  )
  shuffled = data.draw(st.permutations(pairs))
  one, other = (
    resample(
      [[Measurement(np.array(c, float), 'q') for c in zip(*p, strict=True)]],
      num_resamples=50,
    )
    for p in (pairs, shuffled)
  )
  assert one.difference(0, 1) == other.difference(0, 1)
  assert one.share(0) == other.share(0)


@given(st.integers(1, 60), st.data())
def test_the_interval_of_a_share_holds_it_and_is_within_bounds(number, data):
  correct = data.draw(st.integers(0, number))
  measured = [[Measurement(answers(correct, number), 'q')]]
  share = resample(measured, num_resamples=200).share(0)
  assert 0 <= share.low <= share.value <= share.high <= 1
  assert share.low < share.high


def test_no_error_among_few_queries_is_not_certainty():
  share = resample([[Measurement(answers(10, 10), 'q')]]).share(0)
  assert share.high == 1
  assert 0.7 < share.low < 0.85  # Jeffreys: 0.78


@pytest.mark.parametrize(('num_queries', 'is_clear'), [(1, False), (30, True)])
def test_one_query_that_ended_otherwise_is_no_effect(num_queries, is_clear):
  values = (answers(0, num_queries), answers(num_queries, num_queries))
  task = [Measurement(values_Q, 'q') for values_Q in values]
  difference = resample([task]).difference(0, 1)
  assert difference.value == difference.high == 1
  assert difference.low < 0.97
  assert difference.excludes_zero == is_clear


def test_nothing_cannot_be_resampled():
  with pytest.raises(ValueError, match='no task'):
    resample([])
  with pytest.raises(ValueError, match='without queries'):
    resample([[Measurement(np.array([]), 'q')]])
