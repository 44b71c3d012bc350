"""The ten input-label formats in which prompts are written.

One of ten formats is drawn for each prompt, in tuning so that the model learns
no single layout, and in evaluation (Wei et al., 2023, section 3.2 and appendix
on prompt formatting).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Format:
  """How one exemplar is written: prefix, input, infix, space, label."""

  prefix: str
  infix: str

  def write(self, text: str, label: str) -> str:
    """Returns an exemplar: an input together with its label."""
    return f'{self.prefix}{text}{self.infix} {label}'


FORMATS: tuple[Format, ...] = (
  Format('Input: ', '\nOutput:'),
  Format('Input: ', '\nTarget:'),
  Format('Input: ', '\nSymbol:'),
  Format('Input: ', '\nLabel:'),
  Format('Question: ', '\nAnswer:'),
  Format('Student: ', '\nTeacher:'),
  Format('X = ', '\nY ='),
  Format('Q: ', '\nA:'),
  Format('', ' ->'),
  Format('Sentences: ', '\nMapped To:'),
)
# Between two exemplars, and between the instruction and the first of them.
BLANK_LINE = '\n\n'
