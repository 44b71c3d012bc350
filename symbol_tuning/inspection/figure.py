"""Draws how long prompts are."""

from collections.abc import Mapping

import matplotlib.axes
import matplotlib.figure
import numpy as np

from symbol_tuning import files

_COLOUR, _LIMIT_COLOUR = '#0072b2', '#d55e00'
_MOST_BINS = 60


def draw_lengths(
  path: files.Path,
  title: str,
  lengths: Mapping[str, np.ndarray],
  limits: Mapping[str, int],
) -> None:
  """Draws a histogram of token counts for each feature.

  Args:
    path: the file to write; its suffix chooses the format.
    title: of the figure.
    lengths: tokens of each example, int [n], by feature.
    limits: the most tokens allowed, where there is a limit.
  """
  figure = matplotlib.figure.Figure(
    figsize=(4.5 * len(lengths), 3.4), dpi=150, layout='constrained'
  )
  all_axes = figure.subplots(1, len(lengths), squeeze=False)[0]
  for axes, (feature, counts) in zip(all_axes, lengths.items(), strict=True):
    _draw_histogram(axes, feature, counts, limits.get(feature))
  figure.suptitle(title, x=0.01, ha='left', fontsize=11)
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial:
    figure.savefig(partial, format=path.suffix.removeprefix('.'))


def _draw_histogram(
  axes: matplotlib.axes.Axes,
  feature: str,
  counts: np.ndarray,
  limit: int | None,
) -> None:
  step = max(1, -(-int(counts.max()) // _MOST_BINS))
  edges = np.arange(0, counts.max() + step, step) + 0.5
  axes.hist(counts, bins=edges.tolist(), color=_COLOUR)
  if limit is not None:
    axes.axvline(limit, color=_LIMIT_COLOUR, label=f'limit {limit:,}')
    axes.legend(frameon=False, fontsize=8)
  axes.set_xlim(left=0)
  axes.set_xlabel(f'tokens of {feature}')
  axes.set_ylabel('number')
  axes.spines[['top', 'right']].set_visible(False)
