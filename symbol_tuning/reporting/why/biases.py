"""Sections on what draws predictions to some labels whatever is right."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from symbol_tuning.reporting import figures
from symbol_tuning.reporting.outcomes import RankedOutcome
from symbol_tuning.reporting.pages.document import Chart, Section
from symbol_tuning.reporting.pages.tables import MISSING, Cell, Table
from symbol_tuning.reporting.statistics import Estimate
from symbol_tuning.reporting.why import diagnostics
from symbol_tuning.reporting.why.diagnostics import Bias
from symbol_tuning.reporting.why.evidence import Evidence, RankedByMixture

_MOST_PLACES = 12
_LEAST_SHARE = 0.25  # of queries, for a place to be drawn
_MOST_CLASSES_DRAWN = 6
_MOST_CLASSES_LISTED = 12  # one by one; of more, the most frequent confusions
_NUM_CONFUSIONS = 10


def recency(evidence: Evidence) -> Iterator[Section]:
  """Whether a model repeats the labels of the last exemplars."""
  rows = _bias_rows(evidence, diagnostics.recency)
  if not rows:
    return
  panels = [
    _recency_panel(evidence.titles[mixture], evidence, by_checkpoint)
    for mixture, by_checkpoint in evidence.ranked().items()
  ]
  yield Section(
    'Recency bias',
    'Above zero, the model repeats the label of an exemplar more often than'
    ' that is right; the first place is the last exemplar before the query.',
    [
      Chart(
        'recency',
        'Recency: excess predictions of the label of each exemplar',
        figures.curves(
          panels, 'place before the query', 'excess (points)', is_share=False
        ),
      )
    ],
    [_bias_table('recency', "last exemplar's label", evidence, rows)],
  )


def _recency_panel(
  setting: str,
  evidence: Evidence,
  by_checkpoint: Sequence[Sequence[RankedOutcome]],
) -> figures.Panel:
  lines = [
    figures.Line(label, number, _by_place(outcomes))
    for number, (label, outcomes) in enumerate(
      zip(evidence.labels, by_checkpoint, strict=True)
    )
  ]
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
  rows = _bias_rows(evidence, diagnostics.majority)
  if rows:
    yield Section(
      'Majority bias',
      'Of prompts that show some labels more often than others, because'
      ' exemplars were left out to fit: above zero, the model prefers the most'
      ' frequent labels more than is right.',
      tables=[_bias_table('majority', 'most frequent labels', evidence, rows)],
    )


def _bias_rows(
  evidence: Evidence, measure: Callable[[Sequence[RankedOutcome]], Bias | None]
) -> list[list[Cell]]:
  """A row for each setting in which the bias of any checkpoint is known."""
  rows = []
  for mixture, by_checkpoint in evidence.ranked().items():
    biases = [measure(outcomes) for outcomes in by_checkpoint]
    known = next((bias for bias in biases if bias), None)
    if known is None:
      continue
    row = [
      Cell(evidence.titles[mixture]),
      Cell.count(known.num_queries),
      Cell.percent(known.expected),
    ]
    for bias, outcomes in zip(biases, by_checkpoint, strict=True):
      row += _bias_cells(bias, evidence.source(outcomes))
    rows.append(row)
  return rows


def _bias_cells(bias: Bias | None, source: str | None) -> list[Cell]:
  if bias is None:
    return [Cell(MISSING), Cell(MISSING)]
  return [Cell.percent(bias.predicted, source), Cell.difference(bias.excess)]


def _bias_table(
  name: str, labels: str, evidence: Evidence, rows: Sequence[Sequence[Cell]]
) -> Table:
  header = ['Setting', 'Queries', 'Right answers']
  for label in evidence.labels:
    header += [label, f'{label}, excess']
  title = f'Predictions of the {labels}, in percent'
  return Table(title, header, rows, name)


def confusion(evidence: Evidence) -> Iterator[Section]:
  """Which labels are taken for which."""
  sizes = {
    outcome.ranked.num_classes
    for by_checkpoint in evidence.ranked().values()
    for outcomes in by_checkpoint
    for outcome in outcomes
  }
  by_size = {size: _of_size(evidence, size) for size in sorted(sizes)}
  if by_size:
    yield Section(
      'Confusion of labels',
      'Rows are right answers, columns predictions, in percent of a row; labels'
      ' are numbered in the order in which a dataset declares its classes. A'
      ' column that is dark from top to bottom is a label that the model'
      ' prefers whatever is right.',
      [
        _confusion_chart(evidence, outcomes, size)
        for size, outcomes in by_size.items()
        if size <= _MOST_CLASSES_DRAWN
      ],
      details=[
        _confusion_table(evidence, outcomes, size)
        if size <= _MOST_CLASSES_LISTED
        else _frequent_confusions(evidence, outcomes, size)
        for size, outcomes in by_size.items()
      ],
    )


def _of_size(evidence: Evidence, size: int) -> RankedByMixture:
  """The outcomes on tasks that have so many classes."""
  return evidence.ranked(lambda ranked: ranked.num_classes == size)


def _confusion_chart(
  evidence: Evidence, outcomes: RankedByMixture, size: int
) -> Chart:
  rows = {
    label: [
      _shares(diagnostics.confusion(by_checkpoint[number], size))
      for by_checkpoint in outcomes.values()
    ]
    for number, label in enumerate(evidence.labels)
  }
  names = [evidence.titles[mixture] for mixture in outcomes]
  return Chart(
    f'confusion_{size}',
    f'Confusion of labels, datasets of {size} classes',
    figures.grids(rows, names, 'predicted label', 'right label'),
  )


def _shares(counts_CC: np.ndarray) -> list[list[float]]:
  return (counts_CC / counts_CC.sum(axis=1, keepdims=True).clip(1)).tolist()


def _confusion_table(
  evidence: Evidence, by_mixture: RankedByMixture, size: int
) -> Table:
  numbers = range(1, size + 1)
  rows = []
  for mixture, by_checkpoint in by_mixture.items():
    setting = evidence.titles[mixture]
    for label, outcomes in zip(evidence.labels, by_checkpoint, strict=True):
      counts_CC = diagnostics.confusion(outcomes, size)
      source = Cell(label, link=evidence.source(outcomes))
      rows += [
        [Cell(setting), source, Cell.count(number), *map(Cell.count, counts_C)]
        for number, counts_C in zip(numbers, counts_CC.tolist(), strict=True)
      ]
  return Table(
    f'Queries by right and predicted label, {size} classes',
    ('Setting', 'Checkpoint', 'Right', *(f'Predicted {n}' for n in numbers)),
    rows,
    f'confusion_{size}',
  )


def _frequent_confusions(
  evidence: Evidence, by_mixture: RankedByMixture, size: int
) -> Table:
  rows = []
  for mixture, by_checkpoint in by_mixture.items():
    for label, outcomes in zip(evidence.labels, by_checkpoint, strict=True):
      counts_CC = diagnostics.confusion(outcomes, size)
      np.fill_diagonal(counts_CC, 0)
      for place in np.argsort(-counts_CC, axis=None)[:_NUM_CONFUSIONS]:
        right, predicted = divmod(int(place), size)
        if not counts_CC[right, predicted]:
          break
        rows.append(
          [
            Cell(evidence.titles[mixture]),
            Cell(label, link=evidence.source(outcomes)),
            Cell.count(right + 1),
            Cell.count(predicted + 1),
            Cell.count(int(counts_CC[right, predicted])),
          ]
        )
  return Table(
    f'The most frequent confusions of {size} classes',
    ('Setting', 'Checkpoint', 'Right', 'Predicted', 'Queries'),
    rows,
    f'confusion_{size}',
  )
