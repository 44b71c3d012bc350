"""Why a checkpoint answers as it does, told from its choices alone.

Few-shot prompts bias a model towards the label it has read last and the one it
has read most often (Zhao et al., 2021, arXiv 2102.09690). A bias is measured
here against the right answers: whatever the accuracy, predictions without a
bias fall on the last exemplar's label as often as the right answers do.

Shape suffixes: Q queries, N exemplars, the last of a prompt first, C classes.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from symbol_tuning.reporting import statistics
from symbol_tuning.reporting.outcomes import (
  NONE,
  Outcome,
  RankedOutcome,
  RankedQueries,
)
from symbol_tuning.reporting.statistics import Estimate, Measurement

NUM_BINS = 10
OutcomeT = TypeVar('OutcomeT', bound=Outcome)
NEVER = np.iinfo(int).max  # More than a class can be shown.
# Enough for intervals that are read at a glance, of which there are many.
_NUM_RESAMPLES = 2_000


@dataclasses.dataclass(frozen=True)
class Bias:
  """How often predictions fall on some label, and right answers do.

  Attributes:
    num_queries: of which this is known.
    predicted: share of predictions, averaged over tasks.
    expected: share of right answers.
    excess: their difference.
  """

  num_queries: int
  predicted: float
  expected: float
  excess: Estimate


# Which queries count, and of each whether the prediction falls on the label in
# question, and whether the right answer does; bool [Q] each.
_Falls = tuple[np.ndarray, np.ndarray, np.ndarray]


def recency(outcomes: Iterable[RankedOutcome], place: int = 0) -> Bias | None:
  """The bias to the label of one exemplar.

  Args:
    outcomes: of one checkpoint, of tasks with label options.
    place: of the exemplar, 0 for the last of the prompt.

  Returns:
    None if no prompt has so many exemplars.
  """

  def falls(ranked: RankedQueries) -> _Falls:
    shown_Q = np.full(len(ranked.label_Q), NONE)
    if place < ranked.shown_QN.shape[1]:
      shown_Q = ranked.shown_QN[:, place]
    return (
      shown_Q != NONE,
      ranked.prediction_Q == shown_Q,
      ranked.label_Q == shown_Q,
    )

  return _bias(outcomes, falls)


def majority(outcomes: Iterable[RankedOutcome]) -> Bias | None:
  """The bias to the most frequent labels of a prompt.

  Returns:
    None if all prompts have equally many exemplars of each class.
  """

  def falls(ranked: RankedQueries) -> _Falls:
    counts_QC = np.stack(
      [(ranked.shown_QN == c).sum(axis=1) for c in range(ranked.num_classes)],
      axis=1,
    )
    most_Q = counts_QC.max(axis=1)
    least_Q = counts_QC.min(axis=1, initial=NEVER, where=ranked.is_option_QC)
    rows = np.arange(len(counts_QC))
    return (
      least_Q < most_Q,
      counts_QC[rows, ranked.prediction_Q] == most_Q,
      counts_QC[rows, ranked.label_Q] == most_Q,
    )

  return _bias(outcomes, falls)


def _bias(
  outcomes: Iterable[RankedOutcome], falls: Callable[[RankedQueries], _Falls]
) -> Bias | None:
  tasks, predicted, expected = [], [], []
  for outcome in outcomes:
    counts_Q, predicted_Q, expected_Q = falls(outcome.ranked)
    if counts_Q.any():
      predicted.append(predicted_Q[counts_Q].astype(float))
      expected.append(expected_Q[counts_Q].astype(float))
      tasks.append(list(map(outcome.measure, (expected[-1], predicted[-1]))))
  if not tasks:
    return None
  return Bias(
    num_queries=sum(map(len, predicted)),
    predicted=float(np.mean([values.mean() for values in predicted])),
    expected=float(np.mean([values.mean() for values in expected])),
    excess=_resample(tasks).difference(0, 1),
  )


def _resample(tasks: Sequence[Sequence[Measurement]]) -> statistics.Resampled:
  return statistics.resample(tasks, _NUM_RESAMPLES)


@dataclasses.dataclass(frozen=True)
class Measured:
  """A metric beside the accuracy.

  Attributes:
    num_queries: of all tasks.
    value: of the metric, averaged over tasks.
    gain: how much more it is than the accuracy.
  """

  num_queries: int
  value: Estimate
  gain: Estimate


def measured(outcomes: Sequence[RankedOutcome], metric: str) -> Measured:
  """Compares a metric of `metrics.METRICS` with the accuracy."""
  values = [outcome.ranked.values[metric] for outcome in outcomes]
  resampled = _resample(
    [
      [outcome.measure(outcome.correct_Q), outcome.measure(values_Q)]
      for outcome, values_Q in zip(outcomes, values, strict=True)
    ]
  )
  are_shares = all(np.isin(values_Q, (0, 1)).all() for values_Q in values)
  return Measured(
    num_queries=sum(map(len, values)),
    value=resampled.share(1) if are_shares else resampled.mean(1),
    gain=resampled.difference(0, 1),
  )


def confusion(
  outcomes: Iterable[RankedOutcome], num_classes: int
) -> np.ndarray:
  """Counts queries by correct and by predicted class, int [C, C].

  Args:
    outcomes: of tasks that have so many classes.
    num_classes: how many.
  """
  counts_CC = np.zeros((num_classes, num_classes), int)
  for outcome in outcomes:
    places = (outcome.ranked.label_Q, outcome.ranked.prediction_Q)
    np.add.at(counts_CC, places, 1)
  return counts_CC


@dataclasses.dataclass(frozen=True)
class Group:
  """The accuracy on the queries of one kind, whatever their task.

  Attributes:
    kind: of query.
    num_queries: of this kind.
    chance: share that random guesses answer.
    accuracy: share that the checkpoint answers.
  """

  kind: Any
  num_queries: int
  chance: float
  accuracy: Estimate


def by(
  outcomes: Iterable[OutcomeT],
  kinds: Callable[[OutcomeT], Iterable[Any]],
) -> dict[Any, Group]:
  """The accuracy by kind of query, in order of kinds; None is no kind."""
  found: dict[Any, list[tuple[float, float]]] = {}
  for outcome in outcomes:
    for kind, is_correct in zip(kinds(outcome), outcome.correct_Q, strict=True):
      found.setdefault(kind, []).append((is_correct, outcome.chance))
  found.pop(None, None)
  return {kind: _group(kind, found[kind]) for kind in sorted(found)}


def _group(kind: Any, answered: Sequence[tuple[float, float]]) -> Group:
  correct_Q, chance_Q = np.array(answered).T
  return Group(
    kind=kind,
    num_queries=len(correct_Q),
    chance=float(chance_Q.mean()),
    accuracy=_resample([[Measurement(correct_Q, str(kind))]]).share(0),
  )


@dataclasses.dataclass(frozen=True)
class Calibration:
  """How the probability of the chosen option compares with being right.

  Attributes:
    num_queries: of all tasks.
    excess: mean confidence less accuracy.
    error: the expected calibration error (Guo et al., 2017): the mean distance
      of the two within each of NUM_BINS equal ranges of confidence.
    confidences: the mean in each range that holds queries.
    sizes: how many queries it holds.
    accuracies: the share of right answers among them.
  """

  num_queries: int
  excess: Estimate
  error: float
  confidences: Sequence[float]
  sizes: Sequence[int]
  accuracies: Sequence[Estimate]


def calibration(outcomes: Sequence[RankedOutcome]) -> Calibration:
  """Compares confidence and accuracy over the queries of all tasks."""
  confidence_Q = np.concatenate([o.ranked.confidence_Q for o in outcomes])
  correct_Q = np.concatenate([o.correct_Q for o in outcomes])
  bin_Q = np.minimum((confidence_Q * NUM_BINS).astype(int), NUM_BINS - 1)
  members = [np.flatnonzero(bin_Q == number) for number in np.unique(bin_Q)]
  confidences = [float(confidence_Q[own].mean()) for own in members]
  accuracies = [
    _resample([[Measurement(correct_Q[own], str(number))]]).share(0)
    for number, own in enumerate(members)
  ]
  sizes = [len(own) for own in members]
  gaps = [
    abs(confidence - accuracy.value)
    for confidence, accuracy in zip(confidences, accuracies, strict=True)
  ]
  excess_Q = confidence_Q - correct_Q
  return Calibration(
    num_queries=len(correct_Q),
    excess=_resample([[Measurement(excess_Q, 'excess')]]).mean(0),
    error=float(np.average(gaps, weights=sizes)),
    confidences=confidences,
    sizes=sizes,
    accuracies=accuracies,
  )
