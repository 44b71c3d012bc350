"""Tests of a decoder's features where 0 is a token."""

import hypothesis
import numpy as np
import pytest
import seqio
import tensorflow as tf
from hypothesis import strategies as st

from symbol_tuning.data.seqio_tasks.feature_converter import (
  DecoderFeatureConverter,
)

LENGTH = 8


def convert(kind, examples, pack):
  """The rows of examples, pairs of inputs and targets."""
  spec = tf.TensorSpec([None], tf.int32)
  dataset = tf.data.Dataset.from_generator(
    lambda: ({'inputs': x, 'targets': y} for x, y in examples),
    output_signature={'inputs': spec, 'targets': spec},
  )
  lengths = {'inputs': LENGTH, 'targets': LENGTH}
  rows = kind(pack=pack)(dataset, lengths).as_numpy_iterator()
  return [{name: row[name].tolist() for name in sorted(row)} for row in rows]


def test_a_token_0_is_no_padding():
  examples = [([7, 0, 8, 0], [5, 6, 0]), ([4, 3, 0], [2, 0])]
  (row,) = convert(DecoderFeatureConverter, examples, pack=True)
  row = {name: values[:13] for name, values in row.items()}
  tokens = [7, 0, 8, 0, 5, 6, 0, 4, 3, 0, 2, 0, 0]
  assert row['decoder_target_tokens'] == tokens
  assert row['decoder_input_tokens'] == [0, *tokens[:6], 0, *tokens[7:11], 0]
  assert row['decoder_segment_ids'] == [1] * 7 + [2] * 5 + [0]
  assert row['decoder_positions'] == [*range(7), *range(5), 0]
  weights = [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0]
  assert row['decoder_loss_weights'] == weights


@pytest.mark.parametrize('pack', [False, True])
@hypothesis.settings(max_examples=5)
@hypothesis.given(
  lengths=st.lists(
    st.tuples(st.integers(1, LENGTH), st.integers(1, LENGTH)), min_size=1
  )
)
def test_without_a_token_0_rows_are_seqios(pack, lengths):
  rng = np.random.default_rng(0)
  examples = [
    tuple(rng.integers(1, 50, size).tolist() for size in pair)
    for pair in lengths[:4]
  ]
  expected = convert(seqio.DecoderFeatureConverter, examples, pack)
  assert convert(DecoderFeatureConverter, examples, pack) == expected
