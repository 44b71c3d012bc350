"""The report of an evaluation: what checkpoints do, and why.

Every number follows from the predictions' JSON, to which the report links; more
digits of it are in a CSV file beside each table.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import rich.console

from symbol_tuning import files
from symbol_tuning.evaluation import results
from symbol_tuning.reporting import accuracies, comparison, outcomes, steps
from symbol_tuning.reporting.caveats import caveats
from symbol_tuning.reporting.outcomes import Evaluated
from symbol_tuning.reporting.pages import html, markdown, svg
from symbol_tuning.reporting.pages.document import (
  Chart,
  Document,
  Part,
  Section,
  relative,
)
from symbol_tuning.reporting.pages.tables import MISSING, Cell, Table, words
from symbol_tuning.reporting.runs import load_runs
from symbol_tuning.reporting.why import biases, breakdowns
from symbol_tuning.reporting.why.evidence import Evidence

MARKDOWN, PAGE = 'report.md', 'report.html'
_ALL_SHOWN = ('.html', '.md', '.png')

# What tells why checkpoints answer as they do, in the order of the report. Each
# takes the evidence and yields sections; none where there is nothing to tell.
WHY = (
  biases.recency,
  biases.majority,
  biases.confusion,
  breakdowns.metrics,
  breakdowns.symbols,
  breakdowns.exemplars,
  breakdowns.formats,
  breakdowns.functions,
  breakdowns.calibration,
)

LEGEND = (
  '± is half a 95 % interval, paired between checkpoints. n.s. (not'
  ' significant): the interval holds zero.'
)

METHOD = (
  """The labels are the datasets’ own (natural), arbitrary symbols, or the
  datasets’ own with their meanings exchanged (flipped). A query is answered
  correctly if, of all label options, the correct one has the highest
  log-likelihood: the sum over its tokens, the end-of-sequence token included.
  Options are the classes of the dataset or, where not all fit into a prompt,
  those that are shown in it. Each query is written in one of the formats that
  are named under Formats, the same for all checkpoints and settings. List
  functions and Turing concepts have no options: the model writes, and is
  correct if the first line that it writes is the answer.""",
  """An average gives every dataset, or category of list functions, the same
  weight. Chance is what random guesses reach; it is taken to be 0 where answers
  are written, although those of Turing concepts are so short that one and the
  same answer is right for up to a quarter of them. Queries are datasets ×
  queries of each.""",
  """Intervals are of 95 %, from the bootstrap: queries are drawn anew within
  each dataset, 10,000 times for accuracies and their differences and 2,000
  times elsewhere, and the middle 95 % of the results are kept. Checkpoints that
  had the same queries are resampled together, so that their difference is
  paired. Where all queries of a dataset ended alike, resampling shows no
  spread, and its accuracy is drawn from Jeffreys’ prior.""",
  """Intervals do not cover the choice of exemplars, the randomness of training,
  or that queries about one Turing concept share their exemplars; and of twenty
  differences that are all noise, one is expected to exclude zero.""",
)


def write(
  directories: Sequence[str],
  output_dir: str,
  note: str = '',
  console: rich.console.Console | None = None,
) -> list[files.Path]:
  """Writes the report, and shows its main table.

  Args:
    directories: see `load_runs`; differences are to the first checkpoint.
    output_dir: report.html, report.md, and the files of figures and tables are
      written there.
    note: what readers should know first, for instance what was trained on.
    console: where the table is shown; None: the terminal.

  Returns:
    The files, the page first.

  Raises:
    FileNotFoundError: if a folder holds no results.
    ValueError: if results cannot be read or compared.
    OSError: if the folder cannot be written, or another process writes it.
  """
  folder = files.path(output_dir)
  assembled = assemble(directories, folder, note)
  with files.only_writer(folder, '--output_dir'):
    written = list(write_files(assembled.document, folder))
  _show(assembled, written, console)
  return written


@dataclasses.dataclass(frozen=True)
class Assembled:
  """A report that is not written yet.

  Attributes:
    document: all of it.
    short_table: its main table, as narrow as a terminal.
  """

  document: Document
  short_table: Table


def assemble(
  directories: Sequence[str], folder: files.Path, note: str = ''
) -> Assembled:
  """Reads results and makes a report of them.

  Args:
    directories: see `load_runs`; differences are to the first checkpoint.
    folder: where the report is going to stand, for its links.
    note: see `write`.

  Raises:
    FileNotFoundError: if a folder holds no results.
    ValueError: if results cannot be read or compared.
  """
  checkpoints = [outcomes.collect(run) for run in load_runs(directories)]
  series = steps.find_series(checkpoints)
  chosen = steps.to_compare(checkpoints, series)
  compared = comparison.compare(chosen)
  document = Document(
    title='Evaluation of in-context learning',
    note=note,
    caveats=caveats(chosen),
    parts=[
      accuracies.part(compared, folder),
      *steps.part(series, chosen, folder),
      accuracies.datasets_part(compared, folder),
      _why(Evidence(chosen, folder)),
      _provenance(checkpoints, folder),
    ],
    method=[' '.join(paragraph.split()) for paragraph in METHOD],
  )
  return Assembled(document, accuracies.short_table(compared))


def _why(evidence: Evidence) -> Part:
  sections = [section for tell in WHY for section in tell(evidence)]
  return Part('Why', sections)


def write_files(document: Document, folder: files.Path) -> Iterator[files.Path]:
  """Writes the page, its texts and figures; yields their paths."""
  folder.mkdir(parents=True, exist_ok=True)
  drawings = {
    chart.name: svg.text(chart.figure, chart.name, chart.title)
    for chart in document.charts
  }
  texts = {
    PAGE: html.write(document, drawings),
    MARKDOWN: markdown.write(document),
    **{f'{table.name}.csv': table.csv() for table in document.tables},
    **{f'{name}.svg': text for name, text in drawings.items()},
  }
  for name, text in texts.items():
    files.write_text(folder / name, text)
    yield folder / name
  for chart in document.charts:
    yield _write_png(chart, folder)


def _write_png(chart: Chart, folder: files.Path) -> files.Path:
  path = folder / f'{chart.name}.png'
  with files.replacing(path) as partial:
    chart.figure.savefig(partial, format='png')
  return path


def _show(
  assembled: Assembled,
  written: Sequence[files.Path],
  console: rich.console.Console | None,
) -> None:
  console = console or rich.console.Console()
  document = assembled.document
  if document.note:
    console.print(document.note, markup=False)
  for caveat in document.caveats:
    console.print(caveat, style='yellow', markup=False)
  console.print(assembled.short_table.rich())
  console.print(LEGEND, markup=False)
  shown = [path.name for path in written if path.suffix in _ALL_SHOWN]
  console.print(
    f'Wrote {written[0].parent}: {", ".join(shown)};\nfigures also as SVG,'
    ' tables as CSV.',
    markup=False,
    soft_wrap=True,
  )


def _provenance(checkpoints: Sequence[Evaluated], folder: files.Path) -> Part:
  """Where the numbers come from, and what they depend on."""
  settings = list(
    dict.fromkeys(name for one in checkpoints for name in one.summary.settings)
  )
  rows = []
  for one in checkpoints:
    summary = one.summary
    source = relative(one.directory / results.SUMMARY, folder)
    step = MISSING if summary.step is None else f'{summary.step:,}'
    chosen = (summary.settings.get(name, MISSING) for name in settings)
    rows.append(
      [
        Cell(one.label, link=source),
        Cell(summary.path),
        Cell(step, summary.step),
        *(Cell(words(value)) for value in chosen),
      ]
    )
  names = [name.replace('_', ' ') for name in settings]
  table = Table(
    'Checkpoints', ('Checkpoint', 'Path', 'Step', *names), rows, 'checkpoints'
  )
  section = Section(
    'Checkpoints and settings',
    'Separator is what stands between a prompt and its label. Where several'
    ' were tried, their accuracies are given, and the best was used.',
    tables=[table],
  )
  return Part('Provenance', [section])
