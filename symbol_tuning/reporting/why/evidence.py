"""What diagnostic sections are made from."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from symbol_tuning import files
from symbol_tuning.reporting.outcomes import (
  Evaluated,
  Outcome,
  RankedOutcome,
  RankedQueries,
  titles,
)
from symbol_tuning.reporting.pages.document import relative

# Outcomes of each checkpoint, by mixture.
ByMixture = Mapping[str, Sequence[Sequence[Outcome]]]
RankedByMixture = Mapping[str, Sequence[Sequence[RankedOutcome]]]

OutcomeT = TypeVar('OutcomeT', bound=Outcome)


class Evidence:
  """The outcomes that sections are made of, and where they are."""

  def __init__(self, checkpoints: Sequence[Evaluated], folder: files.Path):
    """Takes checkpoints, and the folder of the page that links to them."""
    self.checkpoints = checkpoints
    self.labels = [one.label for one in checkpoints]
    self.titles = titles(checkpoints)
    self._folder = folder

  def written(self) -> ByMixture:
    """The outcomes whose answers were written, by mixture that has any."""
    return self._where(lambda outcome: outcome if outcome.origins else None)

  def ranked(
    self, is_meant: Callable[[RankedQueries], bool] = lambda ranked: True
  ) -> RankedByMixture:
    """The outcomes with label options, by mixture that has any such."""

    def meant(outcome: Outcome) -> RankedOutcome | None:
      if isinstance(outcome, RankedOutcome) and is_meant(outcome.ranked):
        return outcome
      return None

    return self._where(meant)

  def _where(
    self, meant: Callable[[Outcome], OutcomeT | None]
  ) -> dict[str, list[list[OutcomeT]]]:
    found = {
      mixture: [
        [own for o in one.tasks(mixture).values() if (own := meant(o))]
        for one in self.checkpoints
      ]
      for mixture in self.titles
    }
    return {m: outcomes for m, outcomes in found.items() if any(outcomes)}

  def source(self, outcomes: Sequence[Outcome]) -> str | None:
    """The link to the folder of one checkpoint's predictions, if any."""
    if not outcomes:
      return None
    return relative(outcomes[0].path.parent, self._folder)
