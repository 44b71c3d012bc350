"""The sections of a report on accuracies: the paper's tables and figures.

Wei et al. (2023) give the average accuracy in four in-context learning
settings (their Table 1), algorithmic tasks by category (Figure 5) and flipped
labels with the level of random guesses (Figure 6), and each dataset's
accuracies in an appendix.
"""

import pathlib
from collections.abc import Iterator, Sequence

import matplotlib.figure

from symbol_tuning import files
from symbol_tuning.evaluation import results
from symbol_tuning.reporting import figures
from symbol_tuning.reporting.comparison import Comparison, Row
from symbol_tuning.reporting.pages.document import (
  Chart,
  Part,
  Section,
  relative,
)
from symbol_tuning.reporting.pages.tables import Cell, Table

_AVERAGE = 'average'
_MOST_COLUMNS = 2  # of checkpoints, on a terminal


def settings_table(compared: Comparison, folder: files.Path) -> Table:
  """Average accuracy in each setting, and differences to the first.

  Args:
    compared: the accuracies.
    folder: of the page that links to the results.
  """
  sources = [
    relative(one.directory / results.SUMMARY, folder)
    for one in compared.checkpoints
  ]
  rows = [
    [
      Cell(row.name),
      Cell(_size(row), row.num_queries),
      *_numbers(row, sources),
    ]
    for row in compared.settings.values()
  ]
  header = ('Setting', 'Queries', *_header(compared))
  return Table('Average accuracy in percent', header, rows, 'settings')


def short_table(compared: Comparison) -> Table:
  """The settings table for a terminal, whatever the number of checkpoints."""
  if len(compared.checkpoints) <= _MOST_COLUMNS:
    return settings_table(compared, pathlib.Path())
  settings = compared.settings.values()
  rows = [[Cell('chance'), *(Cell.percent(row.chance) for row in settings)]]
  for number, label in enumerate(compared.labels):
    accuracies = (Cell.estimate(row.accuracies[number]) for row in settings)
    rows.append([Cell(label), *accuracies])
    if number:
      differences = (row.differences[number - 1] for row in settings)
      rows.append([Cell('  difference'), *map(Cell.difference, differences)])
  header = ('Checkpoint', *(row.name for row in settings))
  title = f'Average accuracy in percent, differences to {compared.labels[0]}'
  return Table(title, header, rows)


def _header(compared: Comparison) -> list[str]:
  first, *others = compared.labels
  return ['Chance', first, *others, *(f'{o} − {first}' for o in others)]


def _numbers(row: Row, sources: Sequence[str | None]) -> list[Cell]:
  return [
    Cell.percent(row.chance),
    *map(Cell.estimate, row.accuracies, sources),
    *map(Cell.difference, row.differences),
  ]


def _size(row: Row) -> str:
  counts = sorted(
    {len(o.correct_Q) for task in row.outcomes for o in task if o}
  )
  queries = '–'.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
  return f'{row.num_tasks} × {queries}'


def dataset_table(
  compared: Comparison, mixture: str, folder: files.Path
) -> Table:
  """Accuracy on each dataset in one setting, with links to the predictions."""
  rows = []
  for row in compared.datasets[mixture]:
    [outcomes] = row.outcomes
    sources = [relative(o.path, folder) if o else None for o in outcomes]
    count = Cell.count(row.num_queries)
    rows.append([Cell(row.name), count, *_numbers(row, sources)])
  header = ('Dataset', 'Queries', *_header(compared))
  return Table('Accuracy in percent', header, rows, mixture)


def overview_table(compared: Comparison) -> Table:
  """Accuracy on each dataset in every setting, checkpoint after checkpoint."""
  by_mixture = {
    mixture: {row.name: row for row in rows}
    for mixture, rows in compared.datasets.items()
  }
  datasets = dict.fromkeys(
    name for rows in by_mixture.values() for name in rows
  )
  rows = []
  for dataset in datasets:
    own = (rows.get(dataset) for rows in by_mixture.values())
    rows.append([Cell(dataset), *(Cell(_short(row)) for row in own)])
  header = ('Dataset', *(compared.titles[name] for name in by_mixture))
  title = f'Accuracy in percent: {" → ".join(compared.labels)}'
  return Table(title, header, rows, 'overview')


def _short(row: Row | None) -> str:
  if row is None:
    return ''
  return ' → '.join(
    f'{100 * e.value:.0f}' if e else '–' for e in row.accuracies
  )


def part(compared: Comparison, folder: files.Path) -> Part:
  """All that there is to say about accuracies but dataset by dataset."""
  return Part(
    'Accuracy',
    [
      _settings_section(compared, folder),
      *_flipped_sections(compared),
      *_written_section(compared),
    ],
  )


def _settings_section(compared: Comparison, folder: files.Path) -> Section:
  rows = list(compared.settings.values())
  names = [row.name for row in rows]
  drawn = _bars(compared, names, rows)
  charts = [Chart('settings', 'Average accuracy in each setting', drawn)]
  first, *others = compared.labels
  if others:
    drawn = figures.differences(
      names, others, [row.differences for row in rows]
    )
    charts.append(Chart('differences', f'Differences to {first}', drawn))
  return Section(
    'Average accuracy in each setting',
    '± is half a 95 % interval. A difference whose interval holds zero may be'
    ' noise and is marked n.s., not significant; in the figure its point is'
    ' hollow.',
    charts,
    [settings_table(compared, folder)],
  )


def _bars(
  compared: Comparison, names: Sequence[str], rows: Sequence[Row]
) -> matplotlib.figure.Figure:
  return figures.grouped_bars(
    names,
    {
      label: [row.accuracies[number] for row in rows]
      for number, label in enumerate(compared.labels)
    },
    [row.chance for row in rows],
  )


def _flipped_sections(compared: Comparison) -> Iterator[Section]:
  for mixture in compared.mixtures_of('flipped'):
    rows = compared.datasets[mixture]
    average = compared.settings[mixture]
    drawn = _bars(
      compared, [*(row.name for row in rows), _AVERAGE], [*rows, average]
    )
    name = mixture.removeprefix('icl_')
    yield Section(
      average.name,
      'The meanings of the labels are exchanged: a model that follows its prior'
      ' knowledge instead of the exemplars falls below random guesses.',
      [Chart(name, f'Accuracy by dataset: {average.name}', drawn)],
    )


def _written_section(compared: Comparison) -> Iterator[Section]:
  named: dict[str, Row] = {}
  for mixture, average in compared.settings.items():
    rows = compared.datasets[mixture]
    asked = (o for row in rows for task in row.outcomes for o in task if o)
    if not any(outcome.origins for outcome in asked):
      continue
    if len(rows) > 1:
      named |= {f'{average.name}: {row.name}': row for row in rows}
      named[f'{average.name}: {_AVERAGE}'] = average
    else:
      named[average.name] = average
  if named:
    drawn = _bars(compared, list(named), list(named.values()))
    title = 'Accuracy on algorithmic tasks by category'
    yield Section(
      'Algorithmic tasks',
      'The answer is written out, and right if it is exact.',
      [Chart('algorithmic', title, drawn)],
    )


def datasets_part(compared: Comparison, folder: files.Path) -> Part:
  """The accuracies on each dataset."""
  overview = Section(
    'All settings',
    'Each entry goes from checkpoint to checkpoint; in the tables below, each'
    ' accuracy links to the predictions that it counts.',
    tables=[overview_table(compared)],
  )
  by_setting = [
    Section(
      compared.titles[mixture],
      tables=[dataset_table(compared, mixture, folder)],
    )
    for mixture in compared.datasets
  ]
  return Part('Datasets', [overview, *by_setting])
