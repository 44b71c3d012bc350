"""What a prompt is, from the moment it is composed to the report.

Composing makes a `Prompt`, fitting drops exemplars from it and adds tokens,
evaluation writes it to the results, and the report reads it there. Nobody
takes a text apart to learn what it holds.
"""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from symbol_tuning.data.prompting.formats import BLANK_LINE, Format

NATURAL = 'natural'  # The category of a label that is no symbol.


# The kinds of pieces that a prompt consists of.
INSTRUCTION, EXEMPLAR, LABEL, QUERY = (
  'instruction', 'exemplar', 'label', 'query',
)  # fmt: skip


class Piece(NamedTuple):
  """A stretch of a prompt's text.

  Attributes:
    kind: INSTRUCTION, EXEMPLAR (an input), LABEL (of an exemplar) or QUERY.
    text: in the prompt's own words, white space included.
  """

  kind: str
  text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Exemplar:
  """An input whose label is shown.

  Attributes:
    text: the input.
    label: the id of its class.
  """

  text: str
  label: int


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenLabel:
  """What a prompt writes for a class.

  Attributes:
    label: the id of the class.
    text: what is written, without the space in front.
    category: `NATURAL`, or the category of the symbol (see `symbols`).
  """

  label: int
  text: str
  category: str = NATURAL


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
  """An in-context prompt (Wei et al., 2023, section 2) and its answer.

  Attributes:
    instruction: what to do; '' for none.
    exemplars: in the order in which they are shown.
    query: the input whose label is asked for.
    label: the id of its class.
    options: the label written for each class that can be the answer, in the
      order of class ids.
    format: how inputs and labels are laid out.
    num_drawn: the exemplars that were drawn, before any was dropped to fit.
    instruction_once: whether the instruction stands at the head only, instead
      of before every input.
    lists_options: whether the instruction names the options.
  """

  instruction: str
  exemplars: tuple[Exemplar, ...]
  query: str
  label: int
  options: tuple[WrittenLabel, ...]
  format: Format
  num_drawn: int
  instruction_once: bool = False
  lists_options: bool = False

  @property
  def text(self) -> str:
    """The prompt as it is written; it ends where the label begins."""
    return ''.join(piece.text for piece in self.pieces())

  def pieces(self) -> Iterator[Piece]:
    """Yields the pieces of the text, in order."""
    written = {option.label: option.text for option in self.options}
    instruction = self._written_instruction()
    before_each = '' if self.instruction_once else instruction
    if instruction and self.instruction_once:
      yield Piece(INSTRUCTION, instruction + BLANK_LINE)
    for exemplar in self.exemplars:
      yield from self._input(EXEMPLAR, exemplar.text, before_each)
      yield Piece(LABEL, f' {written[exemplar.label]}')
      yield Piece(EXEMPLAR, BLANK_LINE)
    yield from self._input(QUERY, self.query, before_each)

  def _written_instruction(self) -> str:
    if not self.instruction or not self.lists_options:
      return self.instruction
    listed = ', '.join(option.text for option in self.options)
    return f'{self.instruction}\nOptions: {listed}'

  def _input(self, kind: str, text: str, instruction: str) -> Iterator[Piece]:
    if instruction:
      yield Piece(INSTRUCTION, f'{instruction}\n')
    yield Piece(kind, f'{self.format.prefix}{text}{self.format.infix}')

  def kept(self, most: int) -> 'Prompt':
    """Returns the prompt with so many exemplars at the most.

    Exemplars go class by class in turn, the last of the query's class never,
    and one of another class stays as long as two exemplars do.
    """
    if most >= len(self.exemplars):
      return self
    turns = collections.Counter[int]()
    ranks = []
    for place, exemplar in enumerate(self.exemplars):
      turn = turns[exemplar.label]
      turns[exemplar.label] += 1
      is_first_of_query = exemplar.label == self.label and turn == 0
      ranks.append((not is_first_of_query, turn, place))
    places = sorted(place for *_, place in sorted(ranks)[:most])
    exemplars = tuple(self.exemplars[place] for place in places)
    kept = dataclasses.replace(self, exemplars=exemplars)
    return kept.with_shown_options()

  def with_shown_options(self) -> 'Prompt':
    """Returns the prompt whose options are the classes that are shown.

    A prompt without exemplars keeps all options.
    """
    if not self.exemplars:
      return self
    shown = {exemplar.label for exemplar in self.exemplars} | {self.label}
    options = tuple(one for one in self.options if one.label in shown)
    if options == self.options:
      return self
    return dataclasses.replace(self, options=options)

  @property
  def is_answerable(self) -> bool:
    """Whether the exemplars can tell the answer, or there are to be none.

    They can if they show the query's class and another: with the query's class
    alone there would be nothing to choose, and every answer would be right.
    """
    labels = {exemplar.label for exemplar in self.exemplars}
    return not self.num_drawn or (self.label in labels and len(labels) > 1)

  @property
  def answer(self) -> WrittenLabel:
    """The option that is right."""
    return self.options[self.answer_index]

  @property
  def answer_index(self) -> int:
    """The place of the right option among the options."""
    labels = [option.label for option in self.options]
    return labels.index(self.label)

  def to_json(self) -> dict[str, Any]:
    """Returns JSON values from which `from_json` makes the prompt again."""
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'Prompt':
    """Makes a prompt of the values that `to_json` returned."""
    return cls(
      **{
        **values,
        'exemplars': tuple(Exemplar(**one) for one in values['exemplars']),
        'options': tuple(WrittenLabel(**one) for one in values['options']),
        'format': Format(**values['format']),
      }
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
  """A label option of a query, as the model reads it.

  Attributes:
    text: as it is written after the prompt.
    tokens: int32 [n], with the token that ends a label.
  """

  text: str
  tokens: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
  """One question of an evaluation whose label options are ranked.

  Attributes:
    index: of the query in its task.
    text: the prompt, as the model reads it.
    tokens: int32 [n], with what stands around the prompt.
    options: what may follow.
    label: the place of the right option among them.
    prompt: how the text was made; None for tasks that are not of this package.
  """

  index: int
  text: str
  tokens: np.ndarray
  options: tuple[Option, ...]
  label: int
  prompt: Prompt | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class OpenQuery:
  """One question of an evaluation whose answer is written.

  Attributes:
    index: of the question in its task.
    text: the prompt, as the model reads it.
    tokens: int32 [n], with what stands around the prompt.
    target: the answer as a model would write it.
    answers: every accepted answer.
    origin: the function or concept that is asked for; '' for none.
    output_regex: finds the answer in what is written; '' for its first line.
    num_kept: solved examples that the prompt shows.
    num_drawn: how many there were before any was dropped to fit.
  """

  index: int
  text: str
  tokens: np.ndarray
  target: Option
  answers: tuple[str, ...]
  origin: str = ''
  output_regex: str = ''
  num_kept: int = 0
  num_drawn: int = 0
