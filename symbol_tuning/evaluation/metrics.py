"""What is measured of ranked label options: each metric is declared once.

A metric gives every query a value from 0 to 1, and a task the average in
percent. What stands in METRICS is in the results' JSON, in TensorBoard, in the
report and in SeqIO's metric function `rank_classification`.

The two halves of that fit a SeqIO task, under this package's evaluator and
T5X's:

  seqio.TaskRegistry.add(
    …,
    postprocess_fn=metrics.rank_classification_target,
    metric_fns=[metrics.rank_classification],
  )

They follow the rank classification of T5 (github.com/google-research/
text-to-text-transfer-transformer): the target of an example is the tuple
(index of query and option, is it correct, number of target tokens), and
accuracies are percentages.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Target = tuple[tuple[int, int], bool, int]


@dataclasses.dataclass(frozen=True)
class Ranking:
  """The scores of a query's options, which a metric judges.

  Attributes:
    log_likelihoods: the sum over the tokens of each option, float64 [options].
    num_tokens: of each option, the end-of-sequence token included, int
      [options].
    correct: whether each option is a right answer, bool [options].
  """

  log_likelihoods: np.ndarray
  num_tokens: np.ndarray
  correct: np.ndarray

  @property
  def chance(self) -> float:
    """The probability that a random guess is right."""
    return float(self.correct.mean())


@dataclasses.dataclass(frozen=True)
class Metric:
  """A number that is measured of every query whose options are ranked.

  Attributes:
    name: in JSON and TensorBoard.
    title: in the report.
    reading: what the report says of it, a sentence or two.
    of: the value of a query, from 0 to 1.
  """

  name: str
  title: str
  reading: str
  of: Callable[[Ranking], float]


def is_correct(ranking: Ranking) -> bool:
  """Whether the most likely option is right; of equal ones the first counts."""
  return bool(ranking.correct[np.argmax(ranking.log_likelihoods)])


def is_correct_per_token(ranking: Ranking) -> bool:
  """The same by log-likelihood per token."""
  per_token = ranking.log_likelihoods / ranking.num_tokens
  return bool(ranking.correct[np.argmax(per_token)])


ACCURACY = Metric(
  'accuracy',
  'Accuracy',
  'The share of queries whose right option has the highest log-likelihood.',
  is_correct,
)
METRICS = (
  ACCURACY,
  Metric(
    'length_normalized_accuracy',
    'Accuracy by log-likelihood per token',
    'Options are ranked by the sum of their tokens’ log-likelihoods, which'
    ' favours short labels. Ranked by the mean, a model gains as much as the'
    ' lengths have cost it.',
    is_correct_per_token,
  ),
)


def averages(rankings: Sequence[Ranking]) -> dict[str, float]:
  """Returns the average of each metric, in percent."""
  return {metric.name: percent(map(metric.of, rankings)) for metric in METRICS}


def loss(rankings: Sequence[Ranking]) -> float:
  """The negative log-likelihood of right options, in nats a token."""
  nats = -sum(float(r.log_likelihoods[r.correct].sum()) for r in rankings)
  return nats / sum(int(r.num_tokens[r.correct].sum()) for r in rankings)


def percent(values: Iterable[float]) -> float:
  """Returns the mean of values from 0 to 1, in percent."""
  return 100 * float(np.mean(list(values)))


def rank_classification_target(
  target: Any,
  example: Mapping[str, Any] | None = None,
  is_target: bool = False,
) -> Any:
  """Postprocesses targets for `rank_classification`; the rest is unchanged.

  Args:
    target: text of the target, or an output of the model.
    example: the task's example; has `idx` (query and option), `is_correct`
      and `targets` (tokens).
    is_target: whether `target` is a target.

  Returns:
    ((query, option), is_correct, number of target tokens) of a target.
  """
  if not is_target or example is None:
    return target
  query, option = (int(i) for i in example['idx'])
  return (query, option), bool(example['is_correct']), len(example['targets'])


def rank_classification(
  targets: Sequence[Target], scores: Sequence[float]
) -> dict[str, float]:
  """A SeqIO score metric: the averages of METRICS, and what chance reaches.

  Args:
    targets: what `rank_classification_target` returns, one an example.
    scores: the log-likelihood of each example's target.

  Raises:
    ValueError: if there are no examples, scores are missing or not finite, or
      a query has options missing, twice, or no correct one.
  """
  if len(targets) != len(scores):
    raise ValueError(f'{len(targets)} targets, but {len(scores)} scores.')
  if not targets:
    raise ValueError('There are no examples to rank: the task is empty.')
  by_query: dict[int, list[tuple[int, float, int, bool]]] = {}
  for ((query, option), correct, size), score in zip(
    targets, scores, strict=True
  ):
    by_query.setdefault(query, []).append((option, score, size, correct))
  rankings = [
    _ranking(query, sorted(by_query[query])) for query in sorted(by_query)
  ]
  chance = percent(ranking.chance for ranking in rankings)
  return averages(rankings) | {'chance': chance}


def _ranking(
  query: int, options: Sequence[tuple[int, float, int, bool]]
) -> Ranking:
  numbers, scores, sizes, correct = zip(*options, strict=True)
  if numbers != tuple(range(len(numbers))):
    raise ValueError(
      f'Query {query} has the options {numbers}; expected each of 0 to'
      f' {max(numbers)} once.'
    )
  if not any(correct):
    raise ValueError(f'Query {query} has no correct option.')
  check_finite(query, scores)
  return Ranking(
    np.array(scores, np.float64), np.array(sizes), np.array(correct)
  )


def check_finite(query: int, scores: Sequence[float]) -> None:
  """Refuses scores that cannot be ranked.

  Raises:
    ValueError: if one is not finite.
  """
  for option, score in enumerate(scores):
    if not math.isfinite(score):
      raise ValueError(
        f'The score of query {query}, option {option} is {score}: the'
        ' parameters of the checkpoint are probably not finite.'
      )


def standard_error(accuracy: float, num_queries: int) -> float:
  """The standard error of an accuracy, in percentage points.

  Binomial over queries, with two successes and two failures added (Agresti
  and Coull, 1998), so that 0 % and 100 % of few queries are not certain.
  """
  share = (accuracy / 100 * num_queries + 2) / (num_queries + 4)
  return 100 * math.sqrt(share * (1 - share) / (num_queries + 4))


def average_standard_error(standard_errors: Sequence[float]) -> float:
  """The standard error of the mean of independent accuracies."""
  return math.hypot(*standard_errors) / len(standard_errors)
