"""Tasks in which a model ranks label options by their log-likelihood."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from symbol_tuning.data.prompting.records import Query
from symbol_tuning.evaluation import fingerprints, placement, results
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.ranking import rows, scoring
from symbol_tuning.evaluation.ranking.branches import Branches
from symbol_tuning.models import decoder


@dataclasses.dataclass(frozen=True)
class RankingTask:
  """A task of suite.Suite.

  Attributes:
    queries: what is asked.
    num_dropped: queries that cannot be asked: they are too long for the model,
      or no exemplar of their class would be left.
  """

  queries: Sequence[Query]
  num_dropped: int = 0

  @functools.cached_property
  def branches(self) -> list[Branches]:
    """The queries as they are laid out."""
    return [Branches.of(query) for query in self.queries]

  @property
  def num_tokens(self) -> int:
    """The tokens that a model reads."""
    return sum(branches.num_tokens for branches in self.branches)

  @property
  def fingerprint(self) -> str:
    """Tells tasks apart by what is asked."""
    return fingerprints.of_values(
      (
        query.index,
        query.label,
        query.tokens.tolist(),
        [option.tokens.tolist() for option in query.options],
      )
      for query in self.queries
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
      [branches for task in tasks for branches in task.branches],
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
      model, params, self.queries, layout, advance
    )
    return list(map(results.Prediction.of, self.queries, scores))
