"""What a report consists of, whatever it is written as."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import matplotlib.figure

from symbol_tuning import files
from symbol_tuning.reporting.pages.tables import Table


@dataclasses.dataclass(frozen=True)
class Chart:
  """A figure.

  Attributes:
    name: of its files, without a suffix.
    title: what it shows.
    figure: as it is drawn.
  """

  name: str
  title: str
  figure: matplotlib.figure.Figure


@dataclasses.dataclass(frozen=True)
class Section:
  """Charts and tables about one question.

  Attributes:
    title: the heading.
    reading: what to read from it, in a sentence or two; '' if that is plain.
    charts: figures.
    tables: each has a name, and its numbers are written to a file too.
    details: tables that only the curious open.
  """

  title: str
  reading: str = ''
  charts: Sequence[Chart] = ()
  tables: Sequence[Table] = ()
  details: Sequence[Table] = ()


@dataclasses.dataclass(frozen=True)
class Part:
  """Sections under one heading."""

  title: str
  sections: Sequence[Section]


@dataclasses.dataclass(frozen=True)
class Document:
  """A report.

  Attributes:
    title: of the report.
    note: what readers should know first, or ''.
    caveats: what they should know before comparing.
    parts: in order.
    method: how numbers were made, paragraph by paragraph.
  """

  title: str
  note: str
  caveats: Sequence[str]
  parts: Sequence[Part]
  method: Sequence[str]

  @property
  def sections(self) -> list[Section]:
    """All sections, in order."""
    return [section for part in self.parts for section in part.sections]

  @property
  def charts(self) -> list[Chart]:
    """All figures, in order."""
    return [chart for section in self.sections for chart in section.charts]

  @property
  def tables(self) -> list[Table]:
    """All tables, details too, in order."""
    return [
      table
      for section in self.sections
      for table in (*section.tables, *section.details)
    ]


def relative(path: files.Path, folder: files.Path) -> str:
  """The link to a file or folder from a page in a folder.

  It is relative, so that both can be moved together, unless one is in a bucket
  and the other is not.
  """
  if files.is_local(path) != files.is_local(folder):
    return str(path)
  return pathlib.Path(os.path.relpath(path, folder)).as_posix()
