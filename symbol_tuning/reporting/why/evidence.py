"""What diagnostic sections are made from."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from symbol_tuning import files
from symbol_tuning.reporting.figures import Line
from symbol_tuning.reporting.outcomes import (
  Evaluated,
  Outcome,
  RankedOutcome,
  RankedQueries,
  titles,
)
from symbol_tuning.reporting.pages.document import relative
from symbol_tuning.reporting.pages.tables import MISSING, Cell, Table
from symbol_tuning.reporting.statistics import Estimate

OutcomeT = TypeVar('OutcomeT', bound=Outcome)
T = TypeVar('T')

# Outcomes of each checkpoint, by mixture.
ByMixture = Mapping[str, Sequence[Sequence[OutcomeT]]]


@dataclasses.dataclass(frozen=True)
class InSetting(Generic[T]):
  """What was measured in one setting.

  Attributes:
    setting: its name.
    values: those of all checkpoints; None where nothing can be measured.
    sources: links to the predictions of each.
  """

  setting: str
  values: Sequence[T | None]
  sources: Sequence[str | None]

  @property
  def known(self) -> T:
    """The value of the first checkpoint that has one."""
    return next(value for value in self.values if value is not None)


class Evidence:
  """The outcomes that sections are made of, and where they are."""

  def __init__(self, checkpoints: Sequence[Evaluated], folder: files.Path):
    """Takes checkpoints, and the folder of the page that links to them."""
    self.checkpoints = checkpoints
    self.labels = [one.label for one in checkpoints]
    self.titles = titles(checkpoints)
    self._folder = folder

  def written(self) -> ByMixture[Outcome]:
    """The outcomes whose answers were written, by mixture that has any."""
    return self._where(lambda outcome: outcome if outcome.origins else None)

  def ranked(
    self, is_meant: Callable[[RankedQueries], bool] = lambda ranked: True
  ) -> ByMixture[RankedOutcome]:
    """The outcomes with label options, by mixture that has any such."""

    def meant(outcome: Outcome) -> RankedOutcome | None:
      if isinstance(outcome, RankedOutcome) and is_meant(outcome.ranked):
        return outcome
      return None

    return self._where(meant)

  def _where(
    self, meant: Callable[[Outcome], OutcomeT | None]
  ) -> ByMixture[OutcomeT]:
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

  def measured(
    self,
    outcomes: ByMixture[OutcomeT],
    measure: Callable[[Sequence[OutcomeT]], T | None],
  ) -> list[InSetting[T]]:
    """Measures outcomes in each setting; leaves out where nothing is known."""
    found = [
      InSetting(
        self.titles[mixture],
        [measure(own) if own else None for own in by_checkpoint],
        [self.source(own) for own in by_checkpoint],
      )
      for mixture, by_checkpoint in outcomes.items()
    ]
    return [one for one in found if any(v is not None for v in one.values)]

  def lines(
    self, estimates: Sequence[Mapping[float, Estimate] | None]
  ) -> list[Line]:
    """A curve for each checkpoint, in its colour."""
    named = zip(self.labels, estimates, strict=True)
    return [Line(label, n, own or {}) for n, (label, own) in enumerate(named)]

  def table(
    self,
    name: str,
    title: str,
    measured: Sequence[InSetting[T]],
    facts: Mapping[str, Callable[[T], Cell]],
    columns: Sequence[str],
    cells: Callable[[T, str | None], Sequence[Cell]],
  ) -> Table:
    """A table with a row for each setting.

    Args:
      name: of its file.
      title: what it shows.
      measured: the rows.
      facts: the first columns, the same for all checkpoints.
      columns: the columns of each checkpoint; stand after its label.
      cells: what stands there, of a value and the link to predictions.
    """
    own = [f'{label}{column}' for label in self.labels for column in columns]
    rows = []
    for one in measured:
      row = [Cell(one.setting), *(tell(one.known) for tell in facts.values())]
      for value, source in zip(one.values, one.sources, strict=True):
        missing = [Cell(MISSING)] * len(columns)
        row += missing if value is None else cells(value, source)
      rows.append(row)
    return Table(title, ['Setting', *facts, *own], rows, name)
