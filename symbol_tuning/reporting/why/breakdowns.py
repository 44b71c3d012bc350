"""Sections on accuracy by the kind of query and by confidence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from symbol_tuning.evaluation.metrics import ACCURACY, METRICS, Metric
from symbol_tuning.reporting import figures
from symbol_tuning.reporting.pages.document import Chart, Section
from symbol_tuning.reporting.pages.tables import Cell, Table
from symbol_tuning.reporting.statistics import Estimate
from symbol_tuning.reporting.why import diagnostics
from symbol_tuning.reporting.why.diagnostics import Calibration, Group
from symbol_tuning.reporting.why.evidence import (
  ByMixture,
  Evidence,
  InSetting,
  OutcomeT,
)

_FEWEST_DRAWN = 10  # the mean of fewer queries is in no figure


def _kinds(
  evidence: Evidence,
  outcomes: ByMixture[OutcomeT],
  kinds_of: Callable[[OutcomeT], Iterable[Any]],
) -> list[InSetting[Group]]:
  """The accuracy by kind of query: an entry for each kind in each setting."""
  found = []
  for one in evidence.measured(
    outcomes, lambda own: diagnostics.by(own, kinds_of)
  ):
    divided = [own or {} for own in one.values]
    for kind in sorted(set().union(*divided)):
      groups = [own.get(kind) for own in divided]
      found.append(InSetting(one.setting, groups, one.sources))
  return found


def _accuracies(one: InSetting[Group]) -> list[Estimate | None]:
  return [group.accuracy if group else None for group in one.values]


def _table(
  name: str, column: str, evidence: Evidence, kinds: Sequence[InSetting[Group]]
) -> Table:
  return evidence.table(
    name,
    f'Accuracy by {column.lower()}, in percent',
    kinds,
    {
      column: lambda group: Cell(str(group.kind)),
      'Queries': lambda group: Cell.count(group.num_queries),
      'Chance': lambda group: Cell.percent(group.chance),
    },
    ('',),
    lambda group, source: [Cell.estimate(group.accuracy, source)],
  )


def metrics(evidence: Evidence) -> Iterator[Section]:
  """What is measured beside the accuracy, metric by metric."""
  for metric in METRICS:
    if metric is not ACCURACY:
      yield from _metric(evidence, metric)


def _metric(evidence: Evidence, metric: Metric) -> Iterator[Section]:
  measured = evidence.measured(
    evidence.ranked(), lambda own: diagnostics.measured(own, metric.name)
  )
  if measured:
    table = evidence.table(
      metric.name,
      f'{metric.title}, in percent, and its gain over the accuracy',
      measured,
      {'Queries': lambda one: Cell.count(one.num_queries)},
      ('', ', gain'),
      lambda one, source: [
        Cell.estimate(one.value, source),
        Cell.difference(one.gain),
      ],
    )
    yield Section(metric.title, metric.reading, tables=[table])


def symbols(evidence: Evidence) -> Iterator[Section]:
  """Accuracy by the category of the symbol that is right."""
  with_symbols = evidence.ranked(lambda ranked: None not in ranked.categories)
  kinds = _kinds(evidence, with_symbols, lambda own: own.ranked.categories)
  if not kinds:
    return
  by_checkpoint = zip(*map(_accuracies, kinds), strict=True)
  drawn = figures.grouped_bars(
    [f'{one.setting}: {one.known.kind}' for one in kinds],
    dict(zip(evidence.labels, by_checkpoint, strict=True)),
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
  told = evidence.ranked(lambda ranked: None not in ranked.formats)
  kinds = _kinds(evidence, told, lambda own: own.ranked.num_per_class_Q)
  if len({one.known.kind for one in kinds}) < 2:
    return
  panels = [
    _exemplars_panel(
      setting, evidence, [one for one in kinds if one.setting == setting]
    )
    for setting in dict.fromkeys(one.setting for one in kinds)
  ]
  drawn = figures.curves(panels, 'exemplars per class', 'accuracy (%)')
  title = 'Accuracy by the number of exemplars per class'
  yield Section(
    'Number of exemplars',
    'Long prompts lose exemplars until they fit. Where accuracy does not rise'
    ' with the exemplars per class that are left (rounded), the model does not'
    ' learn from them.',
    [Chart('exemplars', title, drawn)],
    details=[_table('exemplars', 'Exemplars per class', evidence, kinds)],
  )


def _exemplars_panel(
  setting: str, evidence: Evidence, kinds: Sequence[InSetting[Group]]
) -> figures.Panel:
  by_checkpoint = zip(*(one.values for one in kinds), strict=True)
  drawn = [
    {
      group.kind: group.accuracy
      for group in groups
      if group and group.num_queries >= _FEWEST_DRAWN
    }
    for groups in by_checkpoint
  ]
  places = [one.known.kind for one in kinds]
  chances = [one.known.chance for one in kinds]
  return figures.Panel(setting, evidence.lines(drawn), (places, chances))


def formats(evidence: Evidence) -> Iterator[Section]:
  """How well each format is read in which prompts are written."""
  kinds = _kinds(evidence, evidence.ranked(), lambda own: own.ranked.formats)
  if len({one.known.kind for one in kinds}) > 1:
    yield Section(
      'Formats',
      'Each query is written in one of these formats, the same for all'
      ' checkpoints; ⏎ begins a new line.',
      details=[_table('formats', 'Format', evidence, kinds)],
    )


def functions(evidence: Evidence) -> Iterator[Section]:
  """Accuracy by the function or concept that is asked for."""
  kinds = _kinds(evidence, evidence.written(), lambda own: own.origins)
  if kinds:
    yield Section(
      'Functions and concepts',
      'Which of the algorithmic tasks are solved at all.',
      details=[_table('origins', 'Function', evidence, kinds)],
    )


def calibration(evidence: Evidence) -> Iterator[Section]:
  """Whether a model is as sure as it is right."""
  measured = evidence.measured(evidence.ranked(), diagnostics.calibration)
  if not measured:
    return
  panels = [
    figures.Panel(
      one.setting,
      evidence.lines(
        [_by_confidence(own) if own else None for own in one.values]
      ),
      ([0, 100], [0, 1]),
    )
    for one in measured
  ]
  drawn = figures.curves(panels, 'confidence (%)', 'accuracy (%)')
  table = evidence.table(
    'calibration',
    'Confidence less accuracy, in points',
    measured,
    {'Queries': lambda one: Cell.count(one.num_queries)},
    (', excess', ', ECE'),
    lambda one, source: [
      Cell.difference(one.excess),
      Cell.percent(one.error, source),
    ],
  )
  yield Section(
    'Calibration',
    'Confidence is the chosen option’s share of all options’ probability. Below'
    ' the dashed line, and where the excess is above zero, the model is surer'
    ' than it is right. ECE, the expected calibration error, is the mean'
    ' distance to the line.',
    [Chart('calibration', 'Calibration: accuracy by confidence', drawn)],
    [table],
  )


def _by_confidence(one: Calibration) -> dict[float, Estimate]:
  bins = zip(one.confidences, one.sizes, one.accuracies, strict=True)
  return {
    100 * confidence: accuracy
    for confidence, size, accuracy in bins
    if size >= _FEWEST_DRAWN
  }
