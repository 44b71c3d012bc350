"""The sections of a report on accuracies: the paper's tables and figures.

Wei et al. (2023) give the average accuracy in four in-context learning
settings (their Table 1), algorithmic tasks by category (Figure 5) and flipped
labels with the level of random guesses (Figure 6), and each dataset's
accuracies in an appendix.
"""

import pathlib
from collections.abc import Iterator, Sequence

import matplotlib.figure

from symbol_tuning.evaluation import results
from symbol_tuning.reporting import comparison, figures
from symbol_tuning.reporting.comparison import Row
from symbol_tuning.reporting.document import Chart, Part, Section, relative
from symbol_tuning.reporting.outcomes import Checkpoint
from symbol_tuning.reporting.tables import Cell, Table

_FLIPPED = 'icl_flipped'
# Mixtures of written answers whose tasks are drawn, or only their average.
_BY_CATEGORY = ('list_functions', 'bigbench_list_functions')
_ON_AVERAGE = ('turing_concepts', 'bigbench_turing_concepts')
_AVERAGE = 'average'
_MOST_COLUMNS = 2  # of checkpoints, on a terminal


def settings_table(
  checkpoints: Sequence[Checkpoint], folder: pathlib.Path
) -> Table:
  """Average accuracy in each setting, and differences to the first.

  Args:
    checkpoints: the first is what others are compared with.
    folder: of the page that links to the results.
  """
  sources = [
    relative(one.run.directory / results.SUMMARY, folder) for one in checkpoints
  ]
  rows = [
    [
      Cell(row.name),
      Cell(_size(row), row.num_queries),
      *_numbers(row, sources),
    ]
    for row in comparison.setting_rows(checkpoints)
  ]
  header = ('Setting', 'Queries', *_header(checkpoints))
  return Table('Average accuracy in percent', header, rows, 'settings')


def short_table(checkpoints: Sequence[Checkpoint]) -> Table:
  """The settings table for a terminal, whatever the number of checkpoints."""
  if len(checkpoints) <= _MOST_COLUMNS:
    return settings_table(checkpoints, pathlib.Path())
  settings = comparison.setting_rows(checkpoints)
  rows = [[Cell('chance'), *(Cell.percent(row.chance) for row in settings)]]
  for number, one in enumerate(checkpoints):
    accuracies = (Cell.estimate(row.accuracies[number]) for row in settings)
    rows.append([Cell(one.label), *accuracies])
    if number:
      differences = (row.differences[number - 1] for row in settings)
      rows.append([Cell('  difference'), *map(Cell.difference, differences)])
  header = ('Checkpoint', *(row.name for row in settings))
  title = f'Average accuracy in percent, differences to {checkpoints[0].label}'
  return Table(title, header, rows)


def _header(checkpoints: Sequence[Checkpoint]) -> list[str]:
  first, *others = (one.label for one in checkpoints)
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
  checkpoints: Sequence[Checkpoint], mixture: str, folder: pathlib.Path
) -> Table:
  """Accuracy on each dataset in one setting, with links to the predictions."""
  rows = []
  for row in comparison.dataset_rows(checkpoints, mixture):
    [outcomes] = row.outcomes
    sources = [relative(o.path, folder) if o else None for o in outcomes]
    count = Cell.count(row.num_queries)
    rows.append([Cell(row.name), count, *_numbers(row, sources)])
  header = ('Dataset', 'Queries', *_header(checkpoints))
  return Table('Accuracy in percent', header, rows, mixture)


def overview_table(checkpoints: Sequence[Checkpoint]) -> Table:
  """Accuracy on each dataset in every setting, checkpoint after checkpoint."""
  by_mixture = {
    mixture: {
      row.name: row for row in comparison.dataset_rows(checkpoints, mixture)
    }
    for mixture in comparison.mixtures_of(checkpoints)
  }
  datasets = dict.fromkeys(
    name for rows in by_mixture.values() for name in rows
  )
  labels = ' → '.join(one.label for one in checkpoints)
  return Table(
    f'Accuracy in percent: {labels}',
    ('Dataset', *map(comparison.setting_name, by_mixture)),
    [
      [
        Cell(dataset),
        *(Cell(_short(rows.get(dataset))) for rows in by_mixture.values()),
      ]
      for dataset in datasets
    ],
    'overview',
  )


def _short(row: Row | None) -> str:
  if row is None:
    return ''
  return ' → '.join(
    f'{100 * e.value:.0f}' if e else '–' for e in row.accuracies
  )


def part(checkpoints: Sequence[Checkpoint], folder: pathlib.Path) -> Part:
  """All that there is to say about accuracies but dataset by dataset."""
  return Part(
    'Accuracy',
    [
      _settings_section(checkpoints, folder),
      *_flipped_section(checkpoints),
      *_algorithmic_section(checkpoints),
    ],
  )


def _settings_section(
  checkpoints: Sequence[Checkpoint], folder: pathlib.Path
) -> Section:
  rows = comparison.setting_rows(checkpoints)
  charts = [
    Chart(
      'settings',
      'Average accuracy in each setting',
      _bars(checkpoints, [row.name for row in rows], rows),
    )
  ]
  first, *others = (one.label for one in checkpoints)
  if others:
    drawn = figures.differences(
      [row.name for row in rows], others, [row.differences for row in rows]
    )
    charts.append(Chart('differences', f'Differences to {first}', drawn))
  return Section(
    'Average accuracy in each setting',
    '± is half a 95 % interval. A difference whose interval holds zero may be'
    ' noise and is marked n.s., not significant; in the figure its point is'
    ' hollow.',
    charts,
    [settings_table(checkpoints, folder)],
  )


def _bars(
  checkpoints: Sequence[Checkpoint], names: Sequence[str], rows: Sequence[Row]
) -> matplotlib.figure.Figure:
  return figures.grouped_bars(
    names,
    [
      figures.Bars(one.label, [row.accuracies[number] for row in rows])
      for number, one in enumerate(checkpoints)
    ],
    [row.chance for row in rows],
  )


def _flipped_section(checkpoints: Sequence[Checkpoint]) -> Iterator[Section]:
  rows = comparison.dataset_rows(checkpoints, _FLIPPED)
  if not rows:
    return
  averages = _average(checkpoints, _FLIPPED)
  drawn = _bars(
    checkpoints,
    [*(row.name for row in rows), *(_AVERAGE for _ in averages)],
    [*rows, *averages],
  )
  yield Section(
    'Flipped labels',
    'The meanings of the labels are exchanged: a model that follows its prior'
    ' knowledge instead of the exemplars falls below random guesses.',
    [Chart('flipped', 'Accuracy with flipped labels', drawn)],
  )


def _average(checkpoints: Sequence[Checkpoint], mixture: str) -> list[Row]:
  return [
    row
    for row in comparison.setting_rows(checkpoints)
    if row.mixture == mixture
  ]


def _algorithmic_section(
  checkpoints: Sequence[Checkpoint],
) -> Iterator[Section]:
  names, rows = [], []
  for mixture in (*_BY_CATEGORY, *_ON_AVERAGE):
    setting = comparison.setting_name(mixture)
    averages = _average(checkpoints, mixture)
    if averages and mixture in _BY_CATEGORY:
      tasks = comparison.dataset_rows(checkpoints, mixture)
      names += [f'{setting}: {row.name}' for row in tasks]
      names += [f'{setting}: {_AVERAGE}']
      rows += tasks
    elif averages:
      names += [setting]
    rows += averages
  if rows:
    yield Section(
      'Algorithmic tasks',
      'The answer is written out, and right if it is exact.',
      [
        Chart(
          'algorithmic',
          'Accuracy on algorithmic tasks by category',
          _bars(checkpoints, names, rows),
        )
      ],
    )


def datasets_part(
  checkpoints: Sequence[Checkpoint], folder: pathlib.Path
) -> Part:
  """The accuracies on each dataset."""
  return Part(
    'Datasets',
    [
      Section(
        'All settings',
        'Each entry goes from checkpoint to checkpoint; in the tables below,'
        ' each accuracy links to the predictions that it counts.',
        tables=[overview_table(checkpoints)],
      ),
      *(
        Section(
          comparison.setting_name(mixture),
          tables=[dataset_table(checkpoints, mixture, folder)],
        )
        for mixture in comparison.mixtures_of(checkpoints)
      ),
    ],
  )
