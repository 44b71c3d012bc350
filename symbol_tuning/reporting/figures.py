"""The figures of a report, drawn to be read on paper and on any screen.

Neutral lines and texts are of one colour, INK, which pages replace by that of
their own text; checkpoints have Okabe and Ito's colours, which most readers can
tell apart, colour-blind or not.
"""

import dataclasses
import itertools
import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib
import matplotlib.axes
import matplotlib.figure
import matplotlib.lines
import matplotlib.ticker

from symbol_tuning.reporting.statistics import Estimate

INK = '#1f2328'
COLOURS = ('#8f8f8f', '#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9')
STYLE: dict[Any, Any] = {
  'axes.axisbelow': True,
  'axes.edgecolor': INK,
  'axes.labelcolor': INK,
  'axes.spines.left': False,
  'axes.spines.right': False,
  'axes.spines.top': False,
  'axes.titlelocation': 'left',
  'axes.titlesize': 10,
  'figure.constrained_layout.use': True,
  'figure.dpi': 160,
  'font.size': 9,
  'legend.frameon': False,
  'legend.handlelength': 1.2,
  'legend.labelcolor': INK,
  'svg.fonttype': 'none',
  'svg.hashsalt': 'symbol_tuning',
  'text.color': INK,
  'text.parse_math': False,
  'xtick.color': INK,
  'ytick.color': INK,
  'ytick.major.size': 0,
}
_GROUP_WIDTH = 0.78
_LABEL_WIDTH = 14
_MOST_NUMBERED = 30


def colour(number: int) -> str:
  """The colour of the checkpoint with this number."""
  return COLOURS[number % len(COLOURS)]


@dataclasses.dataclass(frozen=True)
class Line:
  """A curve with whiskers.

  Attributes:
    label: what it is called.
    number: of its colour.
    estimates: shares, drawn in percent, by place.
  """

  label: str
  number: int
  estimates: Mapping[float, Estimate]


@dataclasses.dataclass(frozen=True)
class Panel:
  """Curves that share a pair of axes.

  Attributes:
    title: above them.
    lines: one a checkpoint.
    reference: two points of a dashed line, as (places, shares).
  """

  title: str
  lines: Sequence[Line]
  reference: tuple[Sequence[float], Sequence[float]]


@matplotlib.rc_context(STYLE)
def grouped_bars(
  groups: Sequence[str],
  bars: Mapping[str, Sequence[Estimate | None]],
  chances: Sequence[float],
) -> matplotlib.figure.Figure:
  """Draws accuracies side by side in groups.

  Args:
    groups: the name of each group.
    bars: for each checkpoint its accuracy in every group, by label.
    chances: what random guesses reach in each group, as shares.
  """
  width = max(4.5, 1.0 + 0.34 * len(groups) * (len(bars) + 1))
  figure = matplotlib.figure.Figure(figsize=(width, 3.6))
  axes = figure.add_subplot()
  is_numbered = len(groups) * len(bars) <= _MOST_NUMBERED
  for number, (label, estimates) in enumerate(bars.items()):
    offset = (number - (len(bars) - 1) / 2) * _GROUP_WIDTH / len(bars)
    known = {place + offset: e for place, e in enumerate(estimates) if e}
    _draw_bars(axes, known, colour(number), _GROUP_WIDTH / len(bars), label)
    for place, estimate in known.items() if is_numbered else ():
      axes.annotate(
        f'{100 * estimate.value:.0f}',
        (place, 100 * estimate.high),
        xytext=(0, 2),
        textcoords='offset points',
        ha='center',
        fontsize=7.5,
      )
  _draw_chances(axes, chances)
  axes.set_xticks(range(len(groups)), [_wrapped(name) for name in groups])
  axes.tick_params(axis='x', length=0)
  axes.set_xlim(-0.6, len(groups) - 0.4)
  _percent_axis(axes)
  axes.set_ylabel('accuracy (%)')
  handles = axes.get_legend_handles_labels()[0]
  handles.sort(key=lambda handle: isinstance(handle, matplotlib.lines.Line2D))
  _legend(figure, handles)
  return figure


def _draw_bars(
  axes: matplotlib.axes.Axes,
  estimates: Mapping[float, Estimate],
  hue: str,
  width: float,
  label: str,
) -> None:
  axes.bar(
    list(estimates),
    [100 * estimate.value for estimate in estimates.values()],
    0.92 * width,
    yerr=_errors(estimates.values()),
    color=hue,
    error_kw={'elinewidth': 1, 'capsize': 1.5, 'ecolor': INK, 'alpha': 0.75},
    label=label,
  )


def _draw_chances(axes: matplotlib.axes.Axes, chances: Sequence[float]) -> None:
  """A dashed line over each group, where random guesses reach anything."""
  half = 0.5 * _GROUP_WIDTH + 0.06
  for group, chance in enumerate(chances):
    if chance:
      axes.hlines(
        100 * chance,
        group - half,
        group + half,
        colors=INK,
        linestyles=(0, (3, 2)),
        linewidth=1.1,
      )
  if any(chances):
    axes.plot([], [], color=INK, dashes=(3, 2), label='random guesses')


def _errors(estimates: Collection[Estimate]) -> list[list[float]]:
  """The lengths of whiskers below and above, in percent."""
  return [
    [100 * (e.value - e.low) for e in estimates],
    [100 * (e.high - e.value) for e in estimates],
  ]


@matplotlib.rc_context(STYLE)
def differences(
  names: Sequence[str],
  labels: Sequence[str],
  rows: Sequence[Sequence[Estimate | None]],
) -> matplotlib.figure.Figure:
  """Draws differences as points with whiskers around a line at zero.

  Args:
    names: one a row, from top to bottom.
    labels: of the checkpoints that differ from the first.
    rows: for each row the difference of each of them, or None.
  """
  figure = matplotlib.figure.Figure(
    figsize=(6.0, 1.1 + 0.2 * len(names) * (len(labels) + 0.6))
  )
  axes = figure.add_subplot()
  axes.axvline(0, color=INK, linewidth=1)
  for number, label in enumerate(labels):
    offset = (number - (len(labels) - 1) / 2) * 0.7 / len(labels)
    own = [row[number] for row in rows]
    known = [(place + offset, e) for place, e in enumerate(own) if e]
    for place, estimate in known:
      _draw_difference(axes, place, estimate, colour(number + 1))
    axes.plot([], [], 'o', color=colour(number + 1), label=label)
  axes.set_yticks(range(len(names)), names)
  axes.set_ylim(len(names) - 0.5, -0.5)
  axes.grid(axis='x', color=INK, alpha=0.12)
  axes.set_xlabel('difference in accuracy (points)')
  _legend(figure, axes.get_legend_handles_labels()[0])
  return figure


def _draw_difference(
  axes: matplotlib.axes.Axes, place: float, estimate: Estimate, hue: str
) -> None:
  """A filled point, or a hollow one where the interval holds zero."""
  axes.errorbar(
    100 * estimate.value,
    place,
    xerr=_errors([estimate]),
    fmt='o',
    color=hue,
    markerfacecolor=hue if estimate.excludes_zero else 'none',
    markersize=6,
    elinewidth=1.6,
    capsize=0,
  )


@matplotlib.rc_context(STYLE)
def curves(
  panels: Sequence[Panel], across: str, up: str, is_share: bool = True
) -> matplotlib.figure.Figure:
  """Draws curves in panels side by side.

  Args:
    panels: at least one.
    across: what the horizontal axis shows.
    up: what the vertical axis shows, in percent or points.
    is_share: whether the vertical axis goes from 0 to 100.
  """
  columns = min(3, len(panels))
  rows = math.ceil(len(panels) / columns)
  figure = matplotlib.figure.Figure(
    figsize=(max(4.0, 2.6 * columns), 0.6 + 2.3 * rows)
  )
  grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
  for axes, panel in zip(grid, panels, strict=False):
    _draw_panel(axes, panel)
    axes.set_xlabel(across)
    if is_share:
      _percent_axis(axes)
  for axes in grid[len(panels) :]:
    axes.set_axis_off()
  for axes in grid[::columns]:
    axes.set_ylabel(up)
  _legend(figure, figure.axes[0].get_legend_handles_labels()[0])
  return figure


def _draw_panel(axes: matplotlib.axes.Axes, panel: Panel) -> None:
  places, shares = panel.reference
  axes.plot(
    places, [100 * s for s in shares], color=INK, linewidth=1, dashes=(3, 2)
  )
  for line in panel.lines:
    axes.errorbar(
      list(line.estimates),
      [100 * estimate.value for estimate in line.estimates.values()],
      yerr=_errors(line.estimates.values()),
      marker='o',
      markersize=3.5,
      linewidth=1.4,
      elinewidth=0.9,
      color=colour(line.number),
      label=line.label,
    )
  axes.set_title(panel.title)
  axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, integer=True))
  axes.grid(axis='y', color=INK, alpha=0.12)


@matplotlib.rc_context(STYLE)
def grids(
  rows: Mapping[str, Sequence[Sequence[Sequence[float]]]],
  columns: Sequence[str],
  across: str,
  down: str,
) -> matplotlib.figure.Figure:
  """Draws squares of coloured fields.

  Args:
    rows: by name the squares of each row; a square is rows of shares.
    columns: a name for each square of a row.
    across: what the columns of a square are.
    down: what its rows are.
  """
  figure = matplotlib.figure.Figure(
    figsize=(max(4.0, 1.6 * len(columns)), 0.5 + 1.6 * len(rows))
  )
  all_axes = figure.subplots(len(rows), len(columns), squeeze=False)
  for axes_row, squares in zip(all_axes, rows.values(), strict=True):
    for axes, shares in zip(axes_row, squares, strict=True):
      _draw_square(axes, shares)
  for axes, name in zip(all_axes[0], columns, strict=True):
    axes.set_title(_wrapped(name), fontsize=8.5)
  for axes, name in zip(all_axes[:, 0], rows, strict=True):
    axes.set_ylabel(_wrapped(name), weight='bold')
  figure.supxlabel(across, fontsize=9, color=INK)
  figure.supylabel(down, fontsize=9, color=INK)
  return figure


def _draw_square(
  axes: matplotlib.axes.Axes, shares: Sequence[Sequence[float]]
) -> None:
  size = len(shares)
  axes.pcolormesh(
    shares, cmap='Blues', vmin=0, vmax=1, edgecolors='white', linewidth=1
  )
  for row, column in itertools.product(range(size), repeat=2):
    share = shares[row][column]
    axes.text(
      column + 0.5,
      row + 0.5,
      f'{100 * share:.0f}',
      ha='center',
      va='center',
      color='white' if share > 0.55 else 'black',
    )
  ticks = [place + 0.5 for place in range(size)]
  numbers = [str(place + 1) for place in range(size)]
  axes.set(aspect='equal', ylim=(size, 0))
  axes.set_xticks(ticks, numbers)
  axes.set_yticks(ticks, numbers)
  axes.tick_params(length=0)
  axes.spines['bottom'].set_visible(False)


def _percent_axis(axes: matplotlib.axes.Axes) -> None:
  axes.set_ylim(0, 106)
  axes.set_yticks(range(0, 101, 20))
  axes.grid(axis='y', color=INK, alpha=0.12)


def _legend(figure: matplotlib.figure.Figure, handles: Sequence) -> None:
  figure.legend(
    handles=handles, loc='outside upper left', ncols=min(4, len(handles))
  )


def _wrapped(name: str) -> str:
  return textwrap.fill(name.replace('_', ' '), _LABEL_WIDTH)
