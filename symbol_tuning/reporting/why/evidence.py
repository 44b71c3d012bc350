"""What diagnostic sections are made from."""

from collections.abc import Callable, Sequence

from symbol_tuning import files
from symbol_tuning.reporting.outcomes import Evaluated, Outcome, titles
from symbol_tuning.reporting.pages.document import relative

# Outcomes of each checkpoint, by mixture.
ByMixture = dict[str, list[list[Outcome]]]


class Evidence:
  """The outcomes that sections are made of, and where they are."""

  def __init__(self, checkpoints: Sequence[Evaluated], folder: files.Path):
    """Takes checkpoints, and the folder of the page that links to them."""
    self.checkpoints = checkpoints
    self.labels = [one.label for one in checkpoints]
    self.titles = titles(checkpoints)
    self._folder = folder

  def of(self, is_meant: Callable[[Outcome], bool]) -> ByMixture:
    """The outcomes of each checkpoint, by mixture that has any such."""
    found = {
      mixture: [
        [o for o in one.tasks(mixture).values() if is_meant(o)]
        for one in self.checkpoints
      ]
      for mixture in self.titles
    }
    return {m: outcomes for m, outcomes in found.items() if any(outcomes)}

  def ranked(self) -> ByMixture:
    """Those with label options."""
    return self.of(lambda outcome: outcome.ranked is not None)

  def source(self, outcomes: Sequence[Outcome]) -> str | None:
    """The link to the folder of one checkpoint's predictions, if any."""
    if not outcomes:
      return None
    return relative(outcomes[0].path.parent, self._folder)
