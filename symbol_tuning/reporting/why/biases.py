"""Sections on what draws predictions to some labels whatever is right."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from symbol_tuning.reporting import figures
from symbol_tuning.reporting.outcomes import RankedOutcome
from symbol_tuning.reporting.pages.document import Chart, Section
from symbol_tuning.reporting.pages.tables import Cell, Table
from symbol_tuning.reporting.statistics import Estimate
from symbol_tuning.reporting.why import diagnostics
from symbol_tuning.reporting.why.diagnostics import Bias
from symbol_tuning.reporting.why.evidence import Evidence, InSetting

_MOST_PLACES = 12
_LEAST_SHARE = 0.25  # of queries, for a place to be drawn
_MOST_CLASSES_DRAWN = 6
_MOST_CLASSES_LISTED = 12  # one by one; of more, the most frequent confusions
_NUM_CONFUSIONS = 10


def recency(evidence: Evidence) -> Iterator[Section]:
  """Whether a model repeats the labels of the last exemplars."""
  chosen = evidence.ranked()
  measured = evidence.measured(chosen, diagnostics.recency)
  if not measured:
    return
  panels = [
    _recency_panel(one.setting, evidence.lines(one.values))
    for one in evidence.measured(chosen, _by_place)
  ]
  drawn = figures.curves(
    panels, 'place before the query', 'excess (points)', is_share=False
  )
  title = 'Recency: excess predictions of the label of each exemplar'
  yield Section(
    'Recency bias',
    'Above zero, the model repeats the label of an exemplar more often than'
    ' that is right; the first place is the last exemplar before the query.',
    [Chart('recency', title, drawn)],
    [_table('recency', "last exemplar's label", evidence, measured)],
  )


def _recency_panel(
  setting: str, lines: Sequence[figures.Line]
) -> figures.Panel:
  last = max((place for line in lines for place in line.estimates), default=1)
  return figures.Panel(setting, lines, ([1, last], [0, 0]))


def _by_place(outcomes: Sequence[RankedOutcome]) -> dict[float, Estimate]:
  """The bias to each exemplar, from the last on, that many prompts have."""
  biases = (diagnostics.recency(outcomes, n) for n in range(_MOST_PLACES))
  known = [bias for bias in itertools.takewhile(bool, biases) if bias]
  most = max((bias.num_queries for bias in known), default=0)
  return {
    place: bias.excess
    for place, bias in enumerate(known, start=1)
    if bias.num_queries >= _LEAST_SHARE * most
  }


def majority(evidence: Evidence) -> Iterator[Section]:
  """Whether a model prefers the labels that a prompt shows most often."""
  measured = evidence.measured(evidence.ranked(), diagnostics.majority)
  if measured:
    yield Section(
      'Majority bias',
      'Of prompts that show some labels more often than others, because'
      ' exemplars were left out to fit: above zero, the model prefers the most'
      ' frequent labels more than is right.',
      tables=[_table('majority', 'most frequent labels', evidence, measured)],
    )


def _table(
  name: str,
  labels: str,
  evidence: Evidence,
  measured: Sequence[InSetting[Bias]],
) -> Table:
  return evidence.table(
    name,
    f'Predictions of the {labels}, in percent',
    measured,
    {
      'Queries': lambda one: Cell.count(one.num_queries),
      'Right answers': lambda one: Cell.percent(one.expected),
    },
    ('', ', excess'),
    lambda one, source: [
      Cell.percent(one.predicted, source),
      Cell.difference(one.excess),
    ],
  )


def confusion(evidence: Evidence) -> Iterator[Section]:
  """Which labels are taken for which."""
  sizes = {
    outcome.ranked.num_classes
    for by_checkpoint in evidence.ranked().values()
    for outcomes in by_checkpoint
    for outcome in outcomes
  }
  by_size = {size: _counted(evidence, size) for size in sorted(sizes)}
  if by_size:
    yield Section(
      'Confusion of labels',
      'Rows are right answers, columns predictions, in percent of a row; labels'
      ' are numbered in the order in which a dataset declares its classes. A'
      ' column that is dark from top to bottom is a label that the model'
      ' prefers whatever is right.',
      [
        _confusion_chart(evidence, counted, size)
        for size, counted in by_size.items()
        if size <= _MOST_CLASSES_DRAWN
      ],
      details=[
        _confusion_table(evidence, counted, size)
        if size <= _MOST_CLASSES_LISTED
        else _frequent_confusions(evidence, counted, size)
        for size, counted in by_size.items()
      ],
    )


def _counted(evidence: Evidence, size: int) -> list[InSetting[np.ndarray]]:
  """The confusions on tasks that have so many classes, int [C, C] each."""
  outcomes = evidence.ranked(lambda ranked: ranked.num_classes == size)
  return evidence.measured(
    outcomes, lambda own: diagnostics.confusion(own, size)
  )


def _confusion_chart(
  evidence: Evidence, counted: Sequence[InSetting[np.ndarray]], size: int
) -> Chart:
  rows = {
    label: [_shares(one.values[number], size) for one in counted]
    for number, label in enumerate(evidence.labels)
  }
  names = [one.setting for one in counted]
  return Chart(
    f'confusion_{size}',
    f'Confusion of labels, datasets of {size} classes',
    figures.grids(rows, names, 'predicted label', 'right label'),
  )


def _shares(counts_CC: np.ndarray | None, size: int) -> list[list[float]]:
  if counts_CC is None:
    counts_CC = np.zeros((size, size))
  return (counts_CC / counts_CC.sum(axis=1, keepdims=True).clip(1)).tolist()


def _by_checkpoint(
  evidence: Evidence, counted: Sequence[InSetting[np.ndarray]]
) -> Iterator[tuple[list[Cell], np.ndarray]]:
  """Yields the first cells of rows, and the confusions they are about."""
  for one in counted:
    named = zip(evidence.labels, one.sources, one.values, strict=True)
    for label, source, counts_CC in named:
      if counts_CC is not None:
        yield [Cell(one.setting), Cell(label, link=source)], counts_CC


def _confusion_table(
  evidence: Evidence, counted: Sequence[InSetting[np.ndarray]], size: int
) -> Table:
  rows = [
    [*first, *map(Cell.count, (number, *counts_C))]
    for first, counts_CC in _by_checkpoint(evidence, counted)
    for number, counts_C in enumerate(counts_CC.tolist(), start=1)
  ]
  predicted = (f'Predicted {number}' for number in range(1, size + 1))
  return Table(
    f'Queries by right and predicted label, {size} classes',
    ('Setting', 'Checkpoint', 'Right', *predicted),
    rows,
    f'confusion_{size}',
  )


def _frequent_confusions(
  evidence: Evidence, counted: Sequence[InSetting[np.ndarray]], size: int
) -> Table:
  rows = []
  for first, counts_CC in _by_checkpoint(evidence, counted):
    wrong_CC = counts_CC * (1 - np.eye(size, dtype=int))
    for place in np.argsort(-wrong_CC, axis=None)[:_NUM_CONFUSIONS].tolist():
      right, predicted = divmod(place, size)
      if count := int(wrong_CC[right, predicted]):
        told = (right + 1, predicted + 1, count)
        rows.append([*first, *map(Cell.count, told)])
  return Table(
    f'The most frequent confusions of {size} classes',
    ('Setting', 'Checkpoint', 'Right', 'Predicted', 'Queries'),
    rows,
    f'confusion_{size}',
  )
