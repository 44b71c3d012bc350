"""Figures as SVG that fits into any page, light or dark."""

import html
import io
import re

import matplotlib
import matplotlib.figure

from symbol_tuning.reporting.figures import INK, STYLE

_LEAST_SCALE = 0.7  # smaller, text could not be read


def text(figure: matplotlib.figure.Figure, name: str, title: str) -> str:
  """Returns an <svg> element in the colour of the text around it.

  Args:
    figure: is drawn.
    name: what ids begin with, so that pages may hold several figures.
    title: what readers are told that see no figures.
  """
  drawn = io.StringIO()
  with matplotlib.rc_context(STYLE):
    figure.savefig(
      drawn, format='svg', transparent=True, metadata={'Date': None}
    )
  body = drawn.getvalue()
  body = body[body.index('<svg') :]
  body = re.sub(r'<metadata>.*?</metadata>', '', body, flags=re.DOTALL)
  body = body.replace(INK, 'currentColor')
  body = re.sub(r'(\bid="|href="#|url\(#)', rf'\g<1>{name}-', body)
  attributes = (
    f'role="img" aria-label="{html.escape(title)}"'
    f' style="min-width: {_LEAST_SCALE * 72 * figure.get_figwidth():.0f}pt"'
  )
  return body.replace('<svg ', f'<svg {attributes} ', 1)
