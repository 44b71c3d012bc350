"""Checkpoints of one training, and how they change from step to step.

The steps of a training that were evaluated one by one are a series. A series is
drawn as a curve; beside other checkpoints its last step stands for it.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence

from symbol_tuning import files
from symbol_tuning.evaluation import results
from symbol_tuning.reporting import comparison, figures
from symbol_tuning.reporting.comparison import Row
from symbol_tuning.reporting.outcomes import Evaluated
from symbol_tuning.reporting.pages.document import (
  Chart,
  Part,
  Section,
  relative,
)
from symbol_tuning.reporting.pages.tables import Cell, Table
from symbol_tuning.reporting.runs import distinct_names
from symbol_tuning.reporting.statistics import Estimate

_FEWEST_STEPS = 3
_STEP_IN_PATH = re.compile(r'(/checkpoints)?/\d+/?$')


@dataclasses.dataclass(frozen=True)
class Series:
  """Checkpoints of one training.

  Attributes:
    name: of the training.
    checkpoints: in ascending order of steps.
  """

  name: str
  checkpoints: Sequence[Evaluated]


def find_series(checkpoints: Sequence[Evaluated]) -> list[Series]:
  """The series among checkpoints: several steps, evaluated together."""
  trainings: dict[tuple[files.Path, str], dict[int, Evaluated]] = {}
  for one in checkpoints:
    if one.summary.step is not None:
      trainings.setdefault(_training(one), {})[one.summary.step] = one
  found = {
    training: [of_step[step] for step in sorted(of_step)]
    for training, of_step in trainings.items()
    if len(of_step) >= _FEWEST_STEPS
  }
  folders = [files.resolved(folder) for folder, _ in found]
  names = distinct_names([_name(*training) for training in found], folders)
  return list(map(Series, names, found.values()))


def _training(one: Evaluated) -> tuple[files.Path, str]:
  """Where a training was evaluated, and where it is."""
  path = _STEP_IN_PATH.sub('', one.summary.path)
  return one.directory.parent, path


def _name(folder: files.Path, path: str) -> str:
  return pathlib.PurePath(path).name if '/' in path else folder.name


def to_compare(
  checkpoints: Sequence[Evaluated], series: Sequence[Series]
) -> list[Evaluated]:
  """One checkpoint of each series, its last, and those that are in none.

  If that leaves a single one, its first step is what it is compared with.
  """
  left_out = [one for own in series for one in own.checkpoints[:-1]]
  kept = [one for one in checkpoints if one not in left_out]
  if len(kept) == 1 and series:
    return [series[0].checkpoints[0], *kept]
  return kept


def part(
  series: Sequence[Series],
  compared: Sequence[Evaluated],
  folder: files.Path,
) -> Iterator[Part]:
  """How accuracy changes in training, if any series tells.

  Args:
    series: one curve each.
    compared: see `to_compare`; a curve has the colour of its last checkpoint.
    folder: of the page that links to the results.
  """
  if not series:
    return
  everyone = [one for own in series for one in own.checkpoints]
  settings = list(comparison.settings(everyone).values())
  panels = [_panel(row, everyone, series, compared) for row in settings]
  drawn = figures.curves(panels, 'training step', 'accuracy (%)')
  section = Section(
    'Accuracy by training step',
    'Average accuracy in each setting, with 95 % intervals; the dashed line is'
    ' at random guesses.',
    [Chart('steps', 'Accuracy by training step', drawn)],
    details=[_table(series, settings, folder)],
  )
  yield Part('Training', [section])


def _panel(
  row: Row,
  everyone: Sequence[Evaluated],
  series: Sequence[Series],
  compared: Sequence[Evaluated],
) -> figures.Panel:
  labels = [one.label for one in everyone]
  accuracies = dict(zip(labels, row.accuracies, strict=True))
  lines = []
  for own in series:
    known: dict[float, Estimate] = {
      _step(one): accuracy
      for one in own.checkpoints
      if (accuracy := accuracies[one.label])
    }
    colour = compared.index(own.checkpoints[-1])
    lines.append(figures.Line(own.name, colour, known))
  steps = [_step(one) for one in everyone]
  reference = ([min(steps), max(steps)], [row.chance] * 2)
  return figures.Panel(row.name, lines, reference)


def _step(one: Evaluated) -> int:
  """The step of a checkpoint of a series; each tells its step."""
  assert one.summary.step is not None
  return one.summary.step


def _table(
  series: Sequence[Series], settings: Sequence[Row], folder: files.Path
) -> Table:
  everyone = [(own.name, one) for own in series for one in own.checkpoints]
  rows = []
  for number, (name, one) in enumerate(everyone):
    source = relative(one.directory / results.SUMMARY, folder)
    rows.append(
      [
        Cell(name),
        Cell.count(_step(one)),
        *(Cell.estimate(row.accuracies[number], source) for row in settings),
      ]
    )
  header = ('Training', 'Step', *(row.name for row in settings))
  return Table('Accuracy by training step, in percent', header, rows, 'steps')
