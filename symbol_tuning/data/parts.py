"""Tells the parts of a prompt apart: instruction, exemplars, labels, query.

A prompt is text by the time it is looked at. Its last part, the query, shows
in which of the ten formats it is written, and so where the labels are.
"""

import dataclasses
from collections.abc import Iterator

from symbol_tuning.data.prompting.formats import BLANK_LINE, FORMATS, Format

INSTRUCTION, EXEMPLAR, QUERY = 'instruction', 'exemplar', 'query'


@dataclasses.dataclass(frozen=True)
class Part:
  """A stretch of a prompt.

  Attributes:
    kind: INSTRUCTION, EXEMPLAR or QUERY.
    text: in the prompt's own words, white space included.
    label: whether it is the label of an exemplar.
  """

  kind: str
  text: str
  label: bool = False


def dissect(prompt: str) -> list[Part]:
  """Returns the parts, whose texts join to the prompt.

  A text in none of the formats is one part, a query.
  """
  *before, query = prompt.split(BLANK_LINE)
  form = next((f for f in FORMATS if _is_query(query, f)), None)
  if form is None:
    return [Part(QUERY, prompt)]
  found = [part for piece in before for part in _piece(piece, form)]
  return [*found, Part(QUERY, query)]


def _is_query(text: str, form: Format) -> bool:
  return text.startswith(form.prefix) and text.endswith(form.infix)


def _piece(piece: str, form: Format) -> Iterator[Part]:
  text, infix, label = piece.rpartition(form.infix)
  is_exemplar = infix and label[:1] in ('', ' ')
  if is_exemplar and piece.startswith(form.prefix):
    yield Part(EXEMPLAR, text + infix)
    yield Part(EXEMPLAR, label, label=True)
    yield Part(EXEMPLAR, BLANK_LINE)
  else:
    yield Part(INSTRUCTION, piece + BLANK_LINE)
