"""The shapes of batches."""

import itertools

import hypothesis
from hypothesis import strategies as st

from symbol_tuning.evaluation import layout


@hypothesis.given(
  lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12),
  num_row_lengths=st.integers(1, 3),
)
def test_no_other_row_lengths_have_less_padding(lengths, num_row_lengths):
  chosen = layout.least_padding(lengths, num_row_lengths, multiple=10)
  best = min(
    padded(lengths, some)
    for some in itertools.combinations(range(10, 70, 10), num_row_lengths)
    if max(some) >= max(lengths)
  )
  assert padded(lengths, chosen) <= best


def padded(lengths, row_lengths):
  return sum(min(r for r in row_lengths if r >= n) for n in lengths)


def test_what_is_left_of_short_rows_fills_a_batch_of_longer_ones():
  chosen = layout.Layout(row_lengths=(8, 16), num_targets=1, batch_tokens=32)
  batches = layout.numbers_of_batches([8, 8, 16, 8, 8, 8], chosen)
  assert list(batches) == [(8, [0, 1, 3, 4]), (16, [5, 2])]
