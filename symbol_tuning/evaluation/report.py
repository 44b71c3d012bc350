"""The report of an evaluation: tables and figures from result folders.

The tables are those of Wei et al. (2023): the average accuracy in each
in-context learning setting (their Table 1), and the accuracy on each dataset.
Every number is in the summary.json, or follows from the predictions, of the
folders that the report names.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence

import rich.console

from symbol_tuning.evaluation import figures, metrics, results
from symbol_tuning.evaluation.runs import Run, load_runs
from symbol_tuning.reporting.tables import Cell, Table

# Names of the settings, in the order of the report.
SETTINGS = {
  'icl_natural_instructed': 'Natural, instructed',
  'icl_natural_uninstructed': 'Natural, uninstructed',
  'icl_symbol_instructed': 'Symbols, instructed',
  'icl_symbol_uninstructed': 'Symbols, uninstructed',
  'icl_flipped': 'Flipped',
  'list_functions': 'List functions',
  'turing_concepts': 'Turing concepts',
}
# What else is drawn, dataset by dataset: file and title.
CHARTS = {
  'icl_flipped': ('flipped.png', 'Accuracy with flipped labels'),
  'list_functions': ('list_functions.png', 'List functions by category'),
}

REPORT = 'report.md'

LEGEND = '± is half a 95 % interval. Bold where it excludes zero.\n'

METHOD = """\
The labels are the datasets' own (*natural*), arbitrary *symbols*, or the
datasets' own with their meanings exchanged (*flipped*). A query counts as
answered correctly if, of all label options, the correct one has the highest
log-likelihood: the sum over its tokens, the end-of-sequence token included.
List functions and Turing concepts have no options: the model writes the most
probable token, again and again, and is correct if the first line that it writes
is the answer. Their chance is taken to be 0, although the answers of Turing
concepts are so short that one and the same answer is right for up to a quarter
of them. An average gives every dataset, or category of list functions, the same
weight. *Chance* is what random guesses reach. *Queries* are datasets × queries
of each.

± is half a 95 % interval, 1.96 standard errors: binomial over the queries of a
dataset, with two successes and two failures added, and independent between
datasets. That of a difference takes the two checkpoints as independent, which
is cautious, since they answer the same queries. It does not cover the choice of
exemplars or the randomness of training. A difference is **bold** where its
interval excludes zero.
"""


def mixtures_of(runs: Sequence[Run]) -> list[str]:
  """The mixtures that any of the runs has, in the order of the report."""
  names = dict.fromkeys(name for run in runs for name in run.summary.mixtures)
  known = [name for name in SETTINGS if name in names]
  return known + [name for name in names if name not in SETTINGS]


def setting_name(mixture: str) -> str:
  """What a mixture is called in tables and figures."""
  return SETTINGS.get(mixture, mixture)


def settings_table(runs: Sequence[Run]) -> Table:
  """Average accuracy in each setting, and differences to the first run."""
  first, others = runs[0], runs[1:]
  return Table(
    'Average accuracy in percent',
    (
      'Setting',
      'Queries',
      'Chance',
      *(run.label for run in runs),
      *(f'{run.label} − {first.label}' for run in others),
    ),
    [
      [
        Cell(setting_name(mixture)),
        *_size_and_chance(mixture, runs),
        *(_average(run, mixture) for run in runs),
        *(_difference(first, run, mixture) for run in others),
      ]
      for mixture in mixtures_of(runs)
    ],
  )


def _size_and_chance(mixture: str, runs: Sequence[Run]) -> tuple[Cell, Cell]:
  found = [r.summary.mixtures[mixture] for r in runs if _has(r, mixture)]
  sizes = dict.fromkeys(_size(result) for result in found)
  chances = dict.fromkeys(f'{result.chance:.1f}' for result in found)
  return Cell(' / '.join(sizes)), Cell(' / '.join(chances))


def _size(result: results.MixtureResult) -> str:
  counts = sorted({task.num_queries for task in result.tasks.values()})
  queries = '–'.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
  return f'{len(result.tasks)} × {queries}'


def _has(run: Run, mixture: str) -> bool:
  return mixture in run.summary.mixtures


def _average(run: Run, mixture: str) -> Cell:
  if not _has(run, mixture):
    return Cell('–')
  result = run.summary.mixtures[mixture]
  return Cell(_with_interval(result.accuracy, result.standard_error))


def _with_interval(accuracy: float, standard_error: float) -> str:
  return f'{accuracy:.1f} ± {metrics.Z_95 * standard_error:.1f}'


def _difference(first: Run, other: Run, mixture: str) -> Cell:
  """The difference of two averages, if they are over the same datasets."""
  if not (_has(first, mixture) and _has(other, mixture)):
    return Cell('–')
  a, b = (run.summary.mixtures[mixture] for run in (first, other))
  if a.tasks.keys() != b.tasks.keys():
    return Cell('other datasets')
  difference = b.accuracy - a.accuracy
  error = metrics.difference_standard_error(a.standard_error, b.standard_error)
  interval = metrics.Z_95 * error
  return Cell(
    f'{difference:+.1f} ± {interval:.1f}', strong=abs(difference) > interval
  )


def datasets_overview(runs: Sequence[Run]) -> Table:
  """Accuracy on each dataset in every setting, run after run."""
  mixtures = mixtures_of(runs)
  datasets = dict.fromkeys(
    dataset for mixture in mixtures for dataset in _datasets(runs, mixture)
  )
  return Table(
    f'Accuracy on each dataset: {" → ".join(run.label for run in runs)}',
    ('Dataset', *(setting_name(mixture) for mixture in mixtures)),
    [
      [
        Cell(dataset),
        *(Cell(_short(runs, mixture, dataset)) for mixture in mixtures),
      ]
      for dataset in datasets
    ],
  )


def _datasets(runs: Sequence[Run], mixture: str) -> list[str]:
  return list(
    dict.fromkeys(
      task.dataset
      for run in runs
      if _has(run, mixture)
      for task in run.summary.mixtures[mixture].tasks.values()
    )
  )


def _task(run: Run, mixture: str, dataset: str) -> results.TaskResult | None:
  if not _has(run, mixture):
    return None
  tasks = run.summary.mixtures[mixture].tasks.values()
  return next((task for task in tasks if task.dataset == dataset), None)


def _short(runs: Sequence[Run], mixture: str, dataset: str) -> str:
  tasks = [_task(run, mixture, dataset) for run in runs]
  if not any(tasks):
    return ''
  return ' → '.join(f'{task.accuracy:.0f}' if task else '–' for task in tasks)


def dataset_table(
  runs: Sequence[Run], mixture: str, output_dir: pathlib.Path
) -> Table:
  """Accuracy on each dataset in one setting, with links to the predictions."""
  rows = []
  for dataset in _datasets(runs, mixture):
    tasks = [_task(run, mixture, dataset) for run in runs]
    known = next(task for task in tasks if task)
    rows.append(
      [
        Cell(dataset),
        Cell(str(known.num_queries)),
        Cell(f'{known.chance:.1f}'),
        *(
          _linked(run, task, output_dir)
          for run, task in zip(runs, tasks, strict=True)
        ),
      ]
    )
  return Table(
    setting_name(mixture),
    ('Dataset', 'Queries', 'Chance', *(run.label for run in runs)),
    rows,
  )


def _linked(
  run: Run, task: results.TaskResult | None, output_dir: pathlib.Path
) -> Cell:
  if task is None:
    return Cell('–')
  return Cell(
    _with_interval(task.accuracy, task.standard_error),
    link=_relative(run.directory / task.predictions, output_dir),
  )


def _relative(path: pathlib.Path, start: pathlib.Path) -> str:
  return pathlib.Path(os.path.relpath(path, start)).as_posix()


def _checkpoints(runs: Sequence[Run], output_dir: pathlib.Path) -> str:
  """Where the numbers come from, and what they depend on."""
  lines = []
  for run in runs:
    summary = run.summary
    step = '' if summary.step is None else f', step {summary.step}'
    path = _relative(run.directory / results.SUMMARY, output_dir)
    lines += [
      f'- **{run.label}**: `{summary.path}`{step}; [results]({path})',
      *(f'  - {name}: {value}' for name, value in summary.settings.items()),
    ]
  return '\n'.join(lines)


def write(
  directories: Sequence[str],
  output_dir: str,
  note: str = '',
  console: rich.console.Console | None = None,
) -> list[pathlib.Path]:
  """Writes the report, and shows its main tables.

  Args:
    directories: see `load_runs`; differences are to the first checkpoint.
    output_dir: report.md and its figures are written there.
    note: what readers should know first, for instance what was trained on.
    console: where the tables are shown; None: the terminal.

  Returns:
    The files, the report first.

  Raises:
    FileNotFoundError: if a folder holds no results.
    ValueError: if results cannot be compared.
  """
  runs = load_runs(directories)
  folder = pathlib.Path(output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  pictures = _draw(runs, folder)
  path = folder / REPORT
  path.write_text(_markdown(runs, folder, pictures, note), encoding='utf-8')
  console = console or rich.console.Console()
  if note:
    console.print(note, markup=False)
  console.print(settings_table(runs).rich())
  console.print(LEGEND)
  console.print(datasets_overview(runs).rich())
  for file in (path, *pictures.values()):
    console.print(f'Wrote {file}', markup=False, soft_wrap=True)
  return [path, *pictures.values()]


def _draw(runs: Sequence[Run], folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """Draws the figures; returns their files by title."""
  mixtures = mixtures_of(runs)
  charts = [
    (
      'settings.png',
      'Average accuracy in each setting',
      [setting_name(mixture) for mixture in mixtures],
      [[run.summary.mixtures.get(m) for m in mixtures] for run in runs],
    )
  ]
  for mixture in (name for name in mixtures if name in CHARTS):
    datasets = _datasets(runs, mixture)
    measured = [
      [_task(run, mixture, name) for name in datasets] for run in runs
    ]
    charts.append((*CHARTS[mixture], datasets, measured))
  drawn = {}
  for file, title, groups, measured in charts:
    bars = [
      figures.Bars.of(run.label, row)
      for run, row in zip(runs, measured, strict=True)
    ]
    figures.grouped_bars(folder / file, title, groups, bars)
    drawn[title] = folder / file
  return drawn


def _markdown(
  runs: Sequence[Run],
  folder: pathlib.Path,
  pictures: Mapping[str, pathlib.Path],
  note: str,
) -> str:
  tables = [
    settings_table(runs),
    datasets_overview(runs),
    *(dataset_table(runs, mixture, folder) for mixture in mixtures_of(runs)),
  ]
  main, overview, *details = [
    f'## {table.title}\n\n{table.markdown()}' for table in tables
  ]
  images = [f'![{title}]({path.name})' for title, path in pictures.items()]
  sections = [
    '# Evaluation of in-context learning',
    *([note] if note else []),
    main,
    METHOD,
    *images,
    overview,
    *details,
    f'## Checkpoints\n\n{_checkpoints(runs, folder)}',
  ]
  return '\n\n'.join(section.strip() for section in sections) + '\n'
