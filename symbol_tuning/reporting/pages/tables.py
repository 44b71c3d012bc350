"""Tables that are written as Markdown, CSV or HTML, or shown on a terminal."""

import csv
import dataclasses
import io
import urllib.parse
from collections.abc import Iterator, Sequence

import rich.box
import rich.table
import rich.text

from symbol_tuning.reporting.statistics import Estimate

MISSING = '–'


@dataclasses.dataclass(frozen=True)
class Cell:
  """What stands in one place of a table.

  Attributes:
    text: what is read.
    number: the same as a number, unrounded; None if it is none.
    interval: from where to where the number may be, if that is known.
    link: where the text leads, or None.
    style: 'bold' if the eye should find it, 'dim' if it should pass over it;
      both for `rich` and as a CSS class.
  """

  text: str
  number: float | None = None
  interval: tuple[float, float] | None = None
  link: str | None = None
  style: str = ''

  @classmethod
  def count(cls, number: int) -> 'Cell':
    """A whole number."""
    return cls(f'{number:,}', number)

  @classmethod
  def percent(cls, share: float, link: str | None = None) -> 'Cell':
    """A share in percent."""
    return cls(f'{100 * share:.1f}', 100 * share, link=link)

  @classmethod
  def estimate(
    cls, estimate: Estimate | None, link: str | None = None
  ) -> 'Cell':
    """A share and half its interval, in percent."""
    if estimate is None:
      return cls(MISSING)
    return cls(
      f'{100 * estimate.value:.1f} ± {100 * estimate.half_width:.1f}',
      100 * estimate.value,
      (100 * estimate.low, 100 * estimate.high),
      link,
    )

  @classmethod
  def difference(cls, estimate: Estimate | None) -> 'Cell':
    """A difference of shares in points; what may be noise is said to be."""
    if estimate is None:
      return cls(MISSING)
    clear = estimate.excludes_zero
    text = f'{100 * estimate.value:+.1f} ± {100 * estimate.half_width:.1f}'
    return dataclasses.replace(
      cls.estimate(estimate),
      text=text.replace('-', '−') + ('' if clear else ' n.s.'),
      style='bold' if clear else 'dim',
    )

  def markdown(self) -> str:
    """The text, emphasized and linked."""
    text = self.text.replace('|', '\\|')
    text = f'**{text}**' if self.style == 'bold' else text
    return f'[{text}]({self.address})' if self.link else text

  @property
  def address(self) -> str:
    """The link as a relative address: paths may have spaces and brackets."""
    return urllib.parse.quote(self.link or '')


@dataclasses.dataclass(frozen=True)
class Table:
  """A table: the first column is text, the others are numbers.

  Attributes:
    title: what it shows.
    header: one name a column.
    rows: as many cells each as there are columns.
    name: of its file, without a suffix; '' if it has none.
  """

  title: str
  header: Sequence[str]
  rows: Sequence[Sequence[Cell]]
  name: str = ''

  def markdown(self) -> str:
    """The table, without its title, as GitHub writes tables."""
    alignment = [':--'] + ['--:'] * (len(self.header) - 1)
    rows = [
      [Cell(name).markdown() for name in self.header],
      alignment,
      *([cell.markdown() for cell in row] for row in self.rows),
    ]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)

  def __str__(self) -> str:
    return self.markdown()

  def _repr_markdown_(self) -> str:  # What a notebook shows.
    return self.markdown()

  def csv(self) -> str:
    """Numbers to ten digits; intervals and links have columns of their own."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator='\n')
    columns = [
      column
      for name, *cells in zip(self.header, *self.rows, strict=True)
      for column in _csv_columns(name, cells)
    ]
    writer.writerows(zip(*columns, strict=True))
    return written.getvalue()

  def rich(self) -> rich.table.Table:
    """The table as `rich` prints it."""
    table = rich.table.Table(
      title=self.title,
      title_justify='left',
      box=rich.box.SIMPLE_HEAD,
      pad_edge=False,
      collapse_padding=True,
    )
    for column, name in enumerate(self.header):
      table.add_column(
        name, justify='right' if column else 'left', no_wrap=not column
      )
    for row in self.rows:
      table.add_row(*(rich.text.Text(c.text, style=c.style) for c in row))
    return table


def _csv_columns(name: str, cells: Sequence[Cell]) -> Iterator[list]:
  yield [name, *(c.text if c.number is None else _csv(c.number) for c in cells)]
  if any(cell.interval for cell in cells):
    for place, bound in enumerate(('low', 'high')):
      bounds = [_csv(c.interval[place]) if c.interval else '' for c in cells]
      yield [f'{name}, {bound}', *bounds]
  if any(cell.link for cell in cells):
    yield [f'{name}, source', *(cell.link or '' for cell in cells)]


def _csv(number: float) -> str:
  return f'{number:.10g}'


def words(value: object) -> str:
  """A setting as it is read."""
  if isinstance(value, dict):
    return ', '.join(f'{name}: {words(one)}' for name, one in value.items())
  if isinstance(value, list | tuple):
    return ', '.join(map(words, value))
  return f'{value:.3g}' if isinstance(value, float) else str(value)
