"""A report as one HTML page that needs no other file and no network."""

import importlib.resources
from collections.abc import Mapping

import jinja2

from symbol_tuning.reporting.pages.document import Document

_TEMPLATE = 'page.html'


def write(document: Document, drawings: Mapping[str, str]) -> str:
  """Returns the page.

  Args:
    document: the report.
    drawings: the <svg> element of each chart, by name.
  """
  environment = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  source = importlib.resources.files(__package__) / _TEMPLATE
  template = environment.from_string(source.read_text(encoding='utf-8'))
  return template.render(document=document, drawings=drawings)
