"""Sections on accuracy by the kind of query and by confidence."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from symbol_tuning.evaluation.metrics import ACCURACY, METRICS, Metric
from symbol_tuning.reporting import figures
from symbol_tuning.reporting.pages.document import Chart, Section
from symbol_tuning.reporting.pages.tables import MISSING, Cell, Table
from symbol_tuning.reporting.statistics import Estimate
from symbol_tuning.reporting.why import diagnostics
from symbol_tuning.reporting.why.diagnostics import Calibration, Group
from symbol_tuning.reporting.why.evidence import (
  Evidence,
  OutcomeT,
  RankedByMixture,
)

_FEWEST_DRAWN = 10  # the mean of fewer queries is in no figure


@dataclasses.dataclass(frozen=True)
class _Kind:
  """A kind of query in one setting.

  Attributes:
    setting: its name.
    kind: of query.
    groups: those of all checkpoints.
    sources: links to the predictions of each.
  """

  setting: str
  kind: Any
  groups: Sequence[Group | None]
  sources: Sequence[str | None]

  @property
  def known(self) -> Group:
    return next(group for group in self.groups if group)

  def accuracy(self, checkpoint: int) -> Estimate | None:
    group = self.groups[checkpoint]
    return group.accuracy if group else None


def _kinds(
  evidence: Evidence,
  outcomes: Mapping[str, Sequence[Sequence[OutcomeT]]],
  divide: Callable[[Sequence[OutcomeT]], Mapping[Any, Group]],
) -> list[_Kind]:
  found = []
  for mixture, by_checkpoint in outcomes.items():
    divided = [divide(own) for own in by_checkpoint]
    sources = [evidence.source(own) for own in by_checkpoint]
    for kind in sorted({kind for groups in divided for kind in groups}):
      groups = [groups.get(kind) for groups in divided]
      setting = evidence.titles[mixture]
      found.append(_Kind(setting, kind, groups, sources))
  return found


def _table(
  name: str, column: str, evidence: Evidence, kinds: Sequence[_Kind]
) -> Table:
  rows = [
    [
      Cell(one.setting),
      Cell(str(one.kind)),
      Cell.count(one.known.num_queries),
      Cell.percent(one.known.chance),
      *(
        Cell.estimate(one.accuracy(number), source)
        for number, source in enumerate(one.sources)
      ),
    ]
    for one in kinds
  ]
  header = ('Setting', column, 'Queries', 'Chance', *evidence.labels)
  return Table(f'Accuracy by {column.lower()}, in percent', header, rows, name)


def metrics(evidence: Evidence) -> Iterator[Section]:
  """What is measured beside the accuracy, metric by metric."""
  for metric in METRICS:
    if metric is not ACCURACY:
      yield from _metric(evidence, metric)


def _metric(evidence: Evidence, metric: Metric) -> Iterator[Section]:
  header = ['Setting', 'Queries']
  for label in evidence.labels:
    header += [label, f'{label}, gain']
  rows = []
  for mixture, by_checkpoint in evidence.ranked().items():
    measured = [
      diagnostics.measured(own, metric.name) if own else None
      for own in by_checkpoint
    ]
    known = next(one for one in measured if one)
    row = [Cell(evidence.titles[mixture]), Cell.count(known.num_queries)]
    for one, own in zip(measured, by_checkpoint, strict=True):
      row += [
        Cell.estimate(one.value if one else None, evidence.source(own)),
        Cell.difference(one.gain if one else None),
      ]
    rows.append(row)
  if rows:
    title = f'{metric.title}, in percent, and its gain over the accuracy'
    table = Table(title, header, rows, metric.name)
    yield Section(metric.title, metric.reading, tables=[table])


def symbols(evidence: Evidence) -> Iterator[Section]:
  """Accuracy by the category of the symbol that is right."""
  with_symbols = evidence.ranked(lambda ranked: None not in ranked.categories)
  kinds = _kinds(evidence, with_symbols, diagnostics.by_symbol_category)
  if not kinds:
    return
  bars = [
    figures.Bars(label, [one.accuracy(number) for one in kinds])
    for number, label in enumerate(evidence.labels)
  ]
  drawn = figures.grouped_bars(
    [f'{one.setting}: {one.kind}' for one in kinds],
    bars,
    [one.known.chance for one in kinds],
  )
  yield Section(
    'Kinds of symbols',
    'A model that reads symbols by what they may mean, or to which some are'
    ' many tokens, does better with one kind than with another.',
    [Chart('symbols', 'Accuracy by the kind of symbols', drawn)],
    details=[_table('symbols', 'Symbols', evidence, kinds)],
  )


def exemplars(evidence: Evidence) -> Iterator[Section]:
  """Accuracy by the number of exemplars of a class."""
  kinds = _kinds(evidence, evidence.ranked(), diagnostics.by_exemplars)
  if len({one.kind for one in kinds}) < 2:
    return
  settings = dict.fromkeys(one.setting for one in kinds)
  panels = [
    _exemplars_panel(
      setting, evidence, [one for one in kinds if one.setting == setting]
    )
    for setting in settings
  ]
  yield Section(
    'Number of exemplars',
    'Long prompts lose exemplars until they fit. Where accuracy does not rise'
    ' with the exemplars per class that are left (rounded), the model does not'
    ' learn from them.',
    [
      Chart(
        'exemplars',
        'Accuracy by the number of exemplars per class',
        figures.curves(panels, 'exemplars per class', 'accuracy (%)'),
      )
    ],
    details=[_table('exemplars', 'Exemplars per class', evidence, kinds)],
  )


def _exemplars_panel(
  setting: str, evidence: Evidence, kinds: Sequence[_Kind]
) -> figures.Panel:
  lines = []
  for number, label in enumerate(evidence.labels):
    drawn = {
      one.kind: group.accuracy
      for one in kinds
      if (group := one.groups[number]) and group.num_queries >= _FEWEST_DRAWN
    }
    lines.append(figures.Line(label, number, drawn))
  places = [one.kind for one in kinds]
  chances = [one.known.chance for one in kinds]
  return figures.Panel(setting, lines, (places, chances))


def formats(evidence: Evidence) -> Iterator[Section]:
  """How well each format is read in which prompts are written."""
  kinds = _kinds(evidence, evidence.ranked(), diagnostics.by_format)
  if len({one.kind for one in kinds}) > 1:
    yield Section(
      'Formats',
      'Each query is written in one of these formats, the same for all'
      ' checkpoints; ⏎ begins a new line.',
      details=[_table('formats', 'Format', evidence, kinds)],
    )


def functions(evidence: Evidence) -> Iterator[Section]:
  """Accuracy by the function or concept that is asked for."""
  written = evidence.written()
  kinds = _kinds(evidence, written, diagnostics.by_origin)
  if kinds:
    yield Section(
      'Functions and concepts',
      'Which of the algorithmic tasks are solved at all.',
      details=[_table('origins', 'Function', evidence, kinds)],
    )


def calibration(evidence: Evidence) -> Iterator[Section]:
  """Whether a model is as sure as it is right."""
  chosen = evidence.ranked()
  if not chosen:
    return
  measured = {
    mixture: [diagnostics.calibration(own) if own else None for own in outcomes]
    for mixture, outcomes in chosen.items()
  }
  panels = [
    figures.Panel(
      evidence.titles[mixture],
      [
        figures.Line(label, number, _by_confidence(one) if one else {})
        for number, (label, one) in enumerate(
          zip(evidence.labels, calibrations, strict=True)
        )
      ],
      ([0, 100], [0, 1]),
    )
    for mixture, calibrations in measured.items()
  ]
  yield Section(
    'Calibration',
    'Confidence is the chosen option’s share of all options’ probability. Below'
    ' the dashed line, and where the excess is above zero, the model is surer'
    ' than it is right. ECE, the expected calibration error, is the mean'
    ' distance to the line.',
    [
      Chart(
        'calibration',
        'Calibration: accuracy by confidence',
        figures.curves(panels, 'confidence (%)', 'accuracy (%)'),
      )
    ],
    [_calibration_table(evidence, chosen, measured)],
  )


def _by_confidence(one: Calibration) -> dict[float, Estimate]:
  bins = zip(one.confidences, one.sizes, one.accuracies, strict=True)
  return {
    100 * confidence: accuracy
    for confidence, size, accuracy in bins
    if size >= _FEWEST_DRAWN
  }


def _calibration_table(
  evidence: Evidence,
  chosen: RankedByMixture,
  measured: Mapping[str, Sequence[Calibration | None]],
) -> Table:
  header = ['Setting', 'Queries']
  for label in evidence.labels:
    header += [f'{label}, excess', f'{label}, ECE']
  rows = []
  for mixture, calibrations in measured.items():
    known = next(one for one in calibrations if one)
    row = [
      Cell(evidence.titles[mixture]),
      Cell.count(known.num_queries),
    ]
    for one, own in zip(calibrations, chosen[mixture], strict=True):
      row += _calibration_cells(one, evidence.source(own))
    rows.append(row)
  title = 'Confidence less accuracy, in points'
  return Table(title, header, rows, 'calibration')


def _calibration_cells(
  one: Calibration | None, source: str | None
) -> list[Cell]:
  if one is None:
    return [Cell(MISSING), Cell(MISSING)]
  return [Cell.difference(one.excess), Cell.percent(one.error, source)]
