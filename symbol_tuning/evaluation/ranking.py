"""Tasks in which a model ranks label options by their log-likelihood."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from symbol_tuning.evaluation import (
  fingerprints,
  placement,
  results,
  rows,
  scoring,
)
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.queries import Query, grouped
from symbol_tuning.models import decoder


@dataclasses.dataclass(frozen=True)
class RankingTask:
  """A task of suite.Suite.

  Attributes:
    examples: one per query and label option, with `inputs` and `targets` (int
      tokens), `idx` (query and option), `is_correct`, `inputs_pretokenized` and
      `targets_pretokenized`.
  """

  examples: Sequence[layout_lib.Example]

  @functools.cached_property
  def queries(self) -> list[Query]:
    return grouped(self.examples)

  @property
  def num_tokens(self) -> int:
    return sum(query.num_tokens for query in self.queries)

  @property
  def fingerprint(self) -> str:
    return fingerprints.of_examples(
      self.examples, ('inputs', 'targets', 'idx', 'is_correct')
    )

  @classmethod
  def plan(
    cls,
    tasks: Sequence['RankingTask'],
    params: Any,
    budget: layout_lib.Budget,
  ) -> layout_lib.Layout:
    """Chooses the shapes of batches for all of these tasks."""
    return rows.plan(
      [query for task in tasks for query in task.queries],
      budget,
      batch_multiple=placement.batch_multiple(params),
    )

  def predictions(
    self,
    model: decoder.Decoder,
    params: Any,
    layout: layout_lib.Layout,
    advance: Callable[[int], None],
  ) -> list[results.Prediction]:
    """Has the model rank the options of every query."""
    scores = scoring.log_likelihoods(
      model, params, self.examples, layout, advance
    )
    return results.predictions(self.examples, scores)
