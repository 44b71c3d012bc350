"""Accuracy from the ranks of the label options, as SeqIO metric functions.

An evaluation task has one example per (query, option). A query is answered
correctly if, of its options, a correct one has the highest log-likelihood.
Of options with equal scores the first wins, as `np.argmax` has it.

The two halves fit a SeqIO task, under this package's evaluator and T5X's:

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
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Target = tuple[tuple[int, int], bool, int]


@dataclasses.dataclass(frozen=True)
class RankedQuery:
  """One query with the options in the order of their index.

  Attributes:
    query: index of the query in its task.
    examples: positions of the options among the task's examples.
    correct: for every option whether it is a right answer.
    scores: for every option its score; higher is better.
  """

  query: int
  examples: tuple[int, ...]
  correct: tuple[bool, ...]
  scores: tuple[float, ...]

  @property
  def prediction(self) -> int:
    return int(np.argmax(self.scores))

  @property
  def label(self) -> int:
    return self.correct.index(True)

  @property
  def is_correct(self) -> bool:
    return self.correct[self.prediction]

  @property
  def chance(self) -> float:
    """The probability that a random guess is right."""
    return sum(self.correct) / len(self.correct)


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
  if not is_target:
    return target
  query, option = (int(i) for i in example['idx'])
  return (query, option), bool(example['is_correct']), len(example['targets'])


def rank(
  targets: Sequence[Target], scores: Sequence[float]
) -> list[RankedQuery]:
  """Groups the examples of a task by query.

  Args:
    targets: what `rank_classification_target` returns, one an example.
    scores: one score an example.

  Returns:
    The queries in ascending order.

  Raises:
    ValueError: if there are no examples, scores are missing or not finite, or
      a query has options missing, twice, or no correct one.
  """
  if len(targets) != len(scores):
    raise ValueError(f'{len(targets)} targets, but {len(scores)} scores.')
  if not targets:
    raise ValueError('There are no examples to rank: the task is empty.')
  options = {}
  for i, ((query, option), correct, _) in enumerate(targets):
    if not math.isfinite(scores[i]):
      raise ValueError(
        f'The score of query {query}, option {option} is {scores[i]}: the'
        ' parameters of the checkpoint are probably not finite.'
      )
    options.setdefault(query, []).append((option, i, correct))
  return [
    _ranked_query(query, sorted(options[query]), scores)
    for query in sorted(options)
  ]


def _ranked_query(query, options, scores) -> RankedQuery:
  indices, examples, correct = zip(*options, strict=True)
  if indices != tuple(range(len(indices))):
    raise ValueError(
      f'Query {query} has the options {indices}; expected each of 0 to'
      f' {max(indices)} once.'
    )
  if not any(correct):
    raise ValueError(f'Query {query} has no correct option.')
  return RankedQuery(
    query=query,
    examples=examples,
    correct=correct,
    scores=tuple(float(scores[i]) for i in examples),
  )


def accuracy(queries: Sequence[RankedQuery]) -> float:
  """The percentage of queries answered correctly."""
  return 100 * float(np.mean([query.is_correct for query in queries]))


def chance(queries: Sequence[RankedQuery]) -> float:
  """The accuracy, in percent, that random guesses reach on average."""
  return 100 * float(np.mean([query.chance for query in queries]))


def rank_classification(
  targets: Sequence[Target], scores: Sequence[float]
) -> dict[str, float]:
  """A SeqIO score metric: accuracy by log-likelihood, and its floor."""
  queries = rank(targets, scores)
  return {'accuracy': accuracy(queries), 'chance': chance(queries)}


def length_normalized_rank_classification(
  targets: Sequence[Target], scores: Sequence[float]
) -> dict[str, float]:
  """A SeqIO score metric: accuracy by log-likelihood per target token."""
  return {
    'length_normalized_accuracy': accuracy(
      rank(targets, per_token(targets, scores))
    )
  }


def per_token(
  targets: Sequence[Target], scores: Sequence[float]
) -> list[float]:
  """Divides every score by the number of target tokens of its example."""
  return [
    score / num_tokens
    for (_, _, num_tokens), score in zip(targets, scores, strict=True)
  ]


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
