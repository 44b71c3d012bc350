"""What is measured of ranked options."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from symbol_tuning.evaluation import metrics


def targets_of(labels, num_options):
  return [
    ((query, option), option == label, 2)
    for query, label in enumerate(labels)
    for option in range(num_options)
  ]


def test_accuracy_and_chance_of_a_worked_example():
  targets = targets_of([0, 1, 2], 3)
  scores = [-1, -2, -3, -1, -2, -3, -3, -2, -1]
  values = metrics.rank_classification(targets, scores)
  assert values['accuracy'] == pytest.approx(100 * 2 / 3)
  assert values['chance'] == pytest.approx(100 / 3)


def test_first_of_equal_options_wins():
  values = metrics.rank_classification(targets_of([0, 1, 1], 2), [-1.0] * 6)
  assert values['accuracy'] == pytest.approx(100 / 3)


def test_several_options_may_be_right():
  targets = [((0, 0), True, 1), ((0, 1), False, 1), ((0, 2), True, 1)]
  values = metrics.rank_classification(targets, [-3.0, -2.0, -1.0])
  assert values['accuracy'] == 100
  assert values['chance'] == pytest.approx(100 * 2 / 3)


@hypothesis.given(st.data())
def test_accuracy_does_not_depend_on_the_order_of_examples(data):
  labels = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=6))
  targets = targets_of(labels, 3)
  scores = data.draw(
    st.lists(
      st.sampled_from([-3.0, -2.0, -1.0]),
      min_size=len(targets),
      max_size=len(targets),
    )
  )
  order = data.draw(st.permutations(range(len(targets))))
  naive = np.mean(
    [
      np.argmax(scores[3 * query : 3 * query + 3]) == label
      for query, label in enumerate(labels)
    ]
  )
  values = metrics.rank_classification(
    [targets[i] for i in order], [scores[i] for i in order]
  )
  assert values['accuracy'] == pytest.approx(100 * naive)


def test_length_normalization_divides_by_the_target_tokens():
  targets = [((0, 0), False, 1), ((0, 1), True, 4)]
  values = metrics.rank_classification(targets, [-2.0, -4.0])
  assert values['accuracy'] == 0
  assert values['length_normalized_accuracy'] == 100


@pytest.mark.parametrize(
  ('targets', 'scores', 'message'),
  [
    ([], [], 'the task is empty'),
    (targets_of([0], 2), [-1.0], '2 targets, but 1 scores'),
    (targets_of([0], 2), [-1.0, math.nan], 'query 0, option 1 is nan'),
    (targets_of([5], 2), [-1.0, -1.0], 'Query 0 has no correct option'),
    (targets_of([0], 3)[::2], [-1.0, -1.0], 'Query 0 has the options'),
  ],
)
def test_bad_input_is_named(targets, scores, message):
  with pytest.raises(ValueError, match=message):
    metrics.rank_classification(targets, scores)


def test_standard_error_is_binomial_and_never_zero():
  assert metrics.standard_error(50, 10_000) == pytest.approx(0.5, rel=1e-3)
  assert metrics.standard_error(100, 100) > 1
  assert metrics.average_standard_error([3, 4]) == pytest.approx(2.5)
