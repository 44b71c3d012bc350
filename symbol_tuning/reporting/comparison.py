"""Accuracies of checkpoints side by side, and how they differ.

Differences are to the first checkpoint. Where two checkpoints had the same
queries their difference is paired; where not, it is taken between independent
samples, and `caveats` says so.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from symbol_tuning.reporting import statistics
from symbol_tuning.reporting.outcomes import Evaluated, Outcome, titles
from symbol_tuning.reporting.statistics import Estimate


@dataclasses.dataclass(frozen=True)
class Row:
  """The accuracies of checkpoints on one task, or on average over some.

  Attributes:
    name: of the setting or the dataset.
    outcomes: of each task those of all checkpoints; None where one is missing.
    accuracies: of each checkpoint, as shares; None where it lacks a task.
    differences: of each checkpoint but the first to the first.
  """

  name: str
  outcomes: Sequence[Sequence[Outcome | None]]
  accuracies: Sequence[Estimate | None]
  differences: Sequence[Estimate | None]

  @property
  def chance(self) -> float:
    """What random guesses reach, as a share."""
    known = [outcome.chance for outcome in self._known()]
    return sum(known) / len(known)

  @property
  def num_tasks(self) -> int:
    """The tasks averaged over."""
    return len(self.outcomes)

  @property
  def num_queries(self) -> int:
    """Queries of all tasks."""
    return sum(len(outcome.correct_Q) for outcome in self._known())

  def _known(self) -> Iterator[Outcome]:
    """One outcome of each task."""
    for task in self.outcomes:
      yield next(outcome for outcome in task if outcome)


def shared_tasks(checkpoints: Sequence[Evaluated], mixture: str) -> list[str]:
  """The tasks of a mixture that all checkpoints have which have any of it."""
  having = [one for one in checkpoints if one.tasks(mixture)]
  return [
    name
    for name in task_names(checkpoints, mixture)
    if all(name in one.tasks(mixture) for one in having)
  ]


def task_names(checkpoints: Sequence[Evaluated], mixture: str) -> list[str]:
  """The tasks of a mixture that any checkpoint has."""
  return list(
    dict.fromkeys(name for one in checkpoints for name in one.tasks(mixture))
  )


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Checkpoints side by side.

  Attributes:
    checkpoints: the first is what others are compared with.
    settings: for each mixture the average over the tasks that checkpoints
      share, if they share any.
    datasets: for each mixture the accuracy on each task.
  """

  checkpoints: Sequence[Evaluated]
  settings: Mapping[str, Row]
  datasets: Mapping[str, Sequence[Row]]

  @property
  def labels(self) -> list[str]:
    """The names of the checkpoints."""
    return [one.label for one in self.checkpoints]

  @property
  def titles(self) -> dict[str, str]:
    """What mixtures are called."""
    return titles(self.checkpoints)

  def mixtures_of(self, labels: str) -> list[str]:
    """The mixtures of in-context settings with such labels."""
    found = {
      mixture.setting.mixture
      for one in self.checkpoints
      for mixture in one.summary.mixtures.values()
      if mixture.setting and mixture.setting.labels == labels
    }
    return [name for name in self.settings if name in found]


def compare(checkpoints: Sequence[Evaluated]) -> Comparison:
  """Resamples the queries of all tasks, and of all averages over tasks."""
  return Comparison(
    checkpoints,
    settings(checkpoints),
    {
      mixture: _dataset_rows(checkpoints, mixture)
      for mixture in titles(checkpoints)
    },
  )


def settings(checkpoints: Sequence[Evaluated]) -> dict[str, Row]:
  """The averages alone, as in `Comparison`."""
  return {
    mixture: _row(title, checkpoints, mixture, tasks)
    for mixture, title in titles(checkpoints).items()
    if (tasks := shared_tasks(checkpoints, mixture))
  }


def _dataset_rows(checkpoints: Sequence[Evaluated], mixture: str) -> list[Row]:
  rows = []
  for task in task_names(checkpoints, mixture):
    known = [one.tasks(mixture).get(task) for one in checkpoints]
    dataset = next(outcome.dataset for outcome in known if outcome)
    rows.append(_row(dataset, checkpoints, mixture, [task]))
  return rows


def _row(
  name: str,
  checkpoints: Sequence[Evaluated],
  mixture: str,
  tasks: Sequence[str],
) -> Row:
  outcomes = [
    [one.tasks(mixture).get(task) for one in checkpoints] for task in tasks
  ]
  members = [
    number
    for number, own in enumerate(zip(*outcomes, strict=True))
    if None not in own
  ]
  resampled = statistics.resample(
    [
      [
        own.measure(own.correct_Q)
        for number in members
        if (own := task[number])
      ]
      for task in outcomes
    ]
  )
  place = {number: place for place, number in enumerate(members)}
  accuracies = [
    resampled.share(place[number]) if number in place else None
    for number in range(len(checkpoints))
  ]
  differences = [
    resampled.difference(place[0], place[number])
    if 0 in place and number in place
    else None
    for number in range(1, len(checkpoints))
  ]
  return Row(name, outcomes, accuracies, differences)
