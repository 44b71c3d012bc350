"""Biases that were planted are found, and no others."""

import dataclasses

import numpy as np
import pytest

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.evaluation import results
from symbol_tuning.reporting.why import diagnostics

LABELS = ('no', 'yes')


def outcome_of(fake, made, mixture='icl_flipped'):
  [outcome] = (
    fake.collect('one', {(mixture, 'x'): made}).tasks(mixture).values()
  )
  return outcome


def asked(fake, choose, shown, num_queries=200, options=LABELS, seed=0):
  """Queries whose exemplars are drawn by `shown`, answers by `choose`."""
  rng = np.random.default_rng(seed)
  made = []
  for query in range(num_queries):
    label, classes = int(rng.integers(len(options))), shown(rng)
    chosen = choose(label, classes)
    made.append(fake.prediction(query, options, label, chosen, classes))
  return made


def by_exemplars(outcome):
  return diagnostics.by([outcome], lambda own: own.ranked.num_per_class_Q)


def by_category(outcome):
  return diagnostics.by([outcome], lambda own: own.ranked.categories)


def balanced(rng):
  return rng.permutation([0, 0, 1, 1]).tolist()


def test_repeating_the_last_label_is_recency_bias(fake):
  made = asked(fake, lambda label, classes: classes[-1], balanced)
  outcome = outcome_of(fake, made)
  bias = diagnostics.recency([outcome])
  assert bias.predicted == 1
  assert bias.expected == pytest.approx(
    np.mean([p.label == p.prediction for p in made])
  )
  assert bias.excess.excludes_zero and bias.excess.value > 0.4
  assert diagnostics.recency([outcome], place=4) is None


def test_a_bias_of_a_single_query_may_be_noise(fake):
  outcome = outcome_of(fake, [fake.prediction(0, LABELS, 0, 1, (0, 0, 1))])
  for bias in (diagnostics.recency, diagnostics.majority):
    excess = bias([outcome]).excess
    assert not excess.excludes_zero and excess.half_width > 0.1


def test_a_right_answer_is_no_bias_though_it_is_the_last_label(fake):
  made = asked(fake, lambda label, classes: label, balanced)
  bias = diagnostics.recency([outcome_of(fake, made)])
  assert bias.excess.value == bias.excess.low == bias.excess.high == 0


def test_preferring_the_frequent_label_is_majority_bias(fake):
  def dropped(rng):
    return rng.permutation([0, 1, int(rng.integers(2))]).tolist()

  def most(label, classes):
    return max((0, 1), key=classes.count)

  made = asked(fake, most, dropped)
  bias = diagnostics.majority([outcome_of(fake, made)])
  assert bias.predicted == 1 and bias.num_queries == 200
  assert bias.excess.value == pytest.approx(0.5, abs=0.12)


def test_balanced_prompts_tell_of_no_majority(fake):
  made = asked(fake, lambda label, classes: label, balanced)
  assert diagnostics.majority([outcome_of(fake, made)]) is None


def test_confusion_counts_right_and_predicted_labels(fake):
  pairs = [(0, 0), (0, 2), (1, 2), (1, 2), (2, 2)]
  made = [
    fake.prediction(query, ('a', 'b', 'c'), label, chosen)
    for query, (label, chosen) in enumerate(pairs)
  ]
  counts_CC = diagnostics.confusion([outcome_of(fake, made)], 3)
  assert counts_CC.tolist() == [[1, 0, 1], [0, 0, 2], [0, 0, 1]]


def test_accuracy_is_told_by_the_number_of_exemplars(fake):
  few = fake.predictions(0, 20, shown=(0, 1))
  many = [
    fake.prediction(query, LABELS, 0, 0, (0, 0, 1, 1))
    for query in range(20, 30)
  ]
  groups = by_exemplars(outcome_of(fake, [*few, *many]))
  assert [(k, g.num_queries, g.accuracy.value) for k, g in groups.items()] == [
    (1, 20, 0),
    (2, 10, 1),
  ]
  assert groups[1].chance == 0.5


def test_symbols_are_told_by_their_category(fake):
  made = [
    fake.prediction(query, ('x', 'y'), 0, query % 2, category=name)
    for query, name in enumerate(['integers', 'letters', 'words'] * 2)
  ]
  groups = by_category(outcome_of(fake, made))
  assert list(groups) == ['integers', 'letters', 'words']
  assert all(group.num_queries == 2 for group in groups.values())
  natural = outcome_of(fake, fake.predictions(5, 10))
  assert by_category(natural) == {}


def test_formats_are_told_apart(fake):
  made = [
    fake.prediction(query, LABELS, 0, query % 2, form=FORMATS[query // 4])
    for query in range(8)
  ]
  groups = diagnostics.by(
    [outcome_of(fake, made)], lambda own: own.ranked.formats
  )
  assert list(groups) == ['Input: …⏎Output:', 'Input: …⏎Target:']
  assert all(group.accuracy.value == 0.5 for group in groups.values())


def test_classes_that_are_not_shown_make_no_majority(fake):
  made = [
    fake.prediction(query, ('a', 'b', 'c'), 0, 0, (0, 0, 2, 2))
    for query in range(10)
  ]
  without_b = [
    dataclasses.replace(
      one,
      prompt=dataclasses.replace(one.prompt, options=one.prompt.options[::2]),
      options=one.options[::2],
    )
    for one in made
  ]
  outcome = outcome_of(fake, without_b)
  assert diagnostics.majority([outcome]) is None
  assert list(by_exemplars(outcome)) == [2]


def test_written_answers_are_told_by_their_function(fake):
  made = fake.answers(3)
  outcome = outcome_of(fake, made, 'list_functions')
  groups = diagnostics.by([outcome], lambda own: own.origins)
  assert groups['sort'].accuracy.value == pytest.approx(3 / 8)


def test_a_calibrated_model_has_no_calibration_error(fake):
  """Log-odds of log 3 are a confidence of 0.75."""
  made = [
    fake.prediction(query, LABELS, 0, 0 if query % 4 else 1, margin=np.log(3))
    for query in range(400)
  ]
  measured = diagnostics.calibration([outcome_of(fake, made)])
  assert measured.confidences == pytest.approx([0.75])
  assert measured.error == pytest.approx(0, abs=1e-9)
  assert not measured.excess.excludes_zero


def test_a_model_that_is_too_sure_has_an_excess(fake):
  made = [
    fake.prediction(query, LABELS, 0, query % 2, margin=20.0)
    for query in range(200)
  ]
  measured = diagnostics.calibration([outcome_of(fake, made)])
  assert measured.error == pytest.approx(0.5, abs=1e-3)
  assert measured.excess.low > 0.4


def test_ranking_by_token_undoes_what_lengths_cost(fake):
  """The right label is less likely in sum, for it has more tokens."""
  made = [
    dataclasses.replace(
      one,
      options=(
        results.ScoredOption(' yes', -2.0, 1),
        results.ScoredOption(' not at all', -3.0, 3),
      ),
    )
    for one in (
      fake.prediction(query, LABELS, query % 2, 0) for query in range(100)
    )
  ]
  outcome = outcome_of(fake, made)
  metric = 'length_normalized_accuracy'
  measured = diagnostics.measured([outcome], metric)
  assert outcome.correct_Q.mean() == measured.value.value == 0.5
  assert measured.gain.value == 0 and not measured.gain.excludes_zero
  only_long = [one for one in made if one.label]
  gained = diagnostics.measured([outcome_of(fake, only_long)], metric)
  assert gained.value.value == gained.gain.value == 1
