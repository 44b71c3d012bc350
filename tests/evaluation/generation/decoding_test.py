"""Where a written answer ends, on the tokens alone."""

import hypothesis
import pytest
from hypothesis import strategies as st

from symbol_tuning.evaluation.generation import decoding as decoding_lib
from symbol_tuning.evaluation.generation.decoding import Decoding, End, Written

PIECES = ('a', 'b', 'ab', '\n', 'b\na', '')
EOS, TURN = 6, 7
END = End((EOS, TURN), lambda ids: ''.join(PIECES[i] for i in ids))


@hypothesis.given(
  tokens=st.lists(st.integers(0, 7), min_size=1, max_size=12),
  most=st.integers(1, 12),
  stop=st.lists(st.text('ab\n', min_size=1, max_size=3), max_size=2),
  block=st.integers(1, 5),
)
def test_an_answer_ends_the_same_whatever_the_blocks(tokens, most, stop, block):
  decoding = Decoding(most, stop=tuple(stop))
  tokens += [EOS] * most
  alone, blocks = (
    next(
      answer
      for n in range(size, len(tokens) + size, size)
      if (answer := decoding_lib.ended(tokens[:n], decoding, END))
    )
    for size in (1, block)
  )
  assert blocks == alone
  kept = tokens[:most]
  ends = [i for i, token in enumerate(kept) if token in END.ids]
  whole = END.decode(kept[: ends[0] if ends else most])
  places = [whole.find(text) for text in stop if text in whole]
  if not places:
    assert alone.text == whole
  assert not any(text in alone.text for text in stop)
  assert whole.startswith(alone.text)


def test_an_answer_that_goes_on_is_none():
  decoding = Decoding(4, stop=('ba',))
  assert decoding_lib.ended([0, 1], decoding, END) is None
  assert decoding_lib.ended([0, 1, 2], decoding, END) == Written((0, 1, 2), 'a')
  assert decoding_lib.ended([0, TURN, 2], decoding, END) == Written((0,), 'a')
  assert decoding_lib.ended([0] * 5, decoding, END) == Written((0,) * 4, 'aaaa')


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    ({'stop': '\n'}, 'is not a list of texts'),
    ({'stop': ('',)}, 'is not a list of texts'),
    ({'max_new_tokens': 0}, 'max_new_tokens is 0'),
    ({'temperature': -1.0}, 'must not be negative'),
  ],
)
def test_what_cannot_be_is_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    Decoding(**kwargs)
