"""Tables that are written as Markdown or shown on a terminal."""

import dataclasses
from collections.abc import Sequence

import rich.box
import rich.table
import rich.text


@dataclasses.dataclass(frozen=True)
class Cell:
  """What stands in one place of a table.

  Attributes:
    text: what is read.
    link: where the text leads, or None.
    strong: whether the eye should find it.
  """

  text: str
  link: str | None = None
  strong: bool = False

  def markdown(self) -> str:
    text = self.text.replace('|', '\\|')
    text = f'**{text}**' if self.strong else text
    return f'[{text}]({self.link})' if self.link else text


@dataclasses.dataclass(frozen=True)
class Table:
  """A table: the first column is text, the others are numbers.

  Attributes:
    title: what it shows.
    header: one name a column.
    rows: as many cells each as there are columns.
  """

  title: str
  header: Sequence[str]
  rows: Sequence[Sequence[Cell]]

  def markdown(self) -> str:
    """The table, without its title, as GitHub writes tables."""
    alignment = [':--'] + ['--:'] * (len(self.header) - 1)
    rows = [
      [Cell(name).markdown() for name in self.header],
      alignment,
      *([cell.markdown() for cell in row] for row in self.rows),
    ]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)

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
      table.add_row(
        *(rich.text.Text(c.text, style='bold' if c.strong else '') for c in row)
      )
    return table
