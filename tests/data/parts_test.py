"""Tests of telling the parts of a prompt apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data import parts
from symbol_tuning.data.prompting.formats import BLANK_LINE, FORMATS

WORDS = st.text('ab:=>- ', min_size=1).map(lambda text: f'{text}.')


@pytest.mark.parametrize('form', FORMATS, ids=lambda form: form.infix.strip())
@given(
  instruction=st.lists(st.text('ab:= .', min_size=1), max_size=1),
  exemplars=st.lists(st.tuples(WORDS, st.sampled_from(['x y', '17']))),
  query=WORDS,
)
def test_every_format_is_told(form, instruction, exemplars, query):
  pieces = [
    *instruction,
    *(form.write(*exemplar) for exemplar in exemplars),
    f'{form.prefix}{query}{form.infix}',
  ]
  prompt = BLANK_LINE.join(pieces)
  found = parts.dissect(prompt)
  assert ''.join(part.text for part in found) == prompt
  labels = [part.text for part in found if part.label]
  assert labels == [f' {label}' for _, label in exemplars]
  kinds = [part.kind for part in found]
  assert kinds.count(parts.QUERY) == 1 and kinds[-1] == parts.QUERY
  assert kinds.count(parts.INSTRUCTION) == len(instruction)


def test_a_text_in_no_format_is_one_part():
  text = 'Once upon a time.\n\nThe end.'
  assert parts.dissect(text) == [parts.Part(parts.QUERY, text)]
