"""SeqIO's features of a decoder, for vocabularies in which 0 is a token.

SeqIO takes 0 for padding wherever it stands. In byte-level BPE of GPT-2's kind
0 is '!', and elsewhere it is EOS: rows would lose the label at their end, and
their segments and losses would be cut there.
"""

from collections.abc import Mapping

import seqio
import tensorflow as tf

_TOKENS = ('decoder_input_tokens', 'decoder_target_tokens')


class DecoderFeatureConverter(seqio.DecoderFeatureConverter):
  """SeqIO's, but for a token 0, which counts as others do.

  Rows are made of tokens one higher, so that 0 is padding alone. What comes out
  has the tokens themselves, and 0 where there is none; segment ids and loss
  weights tell the two apart.
  """

  def __call__(
    self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    def raised(example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
      return {
        name: value + 1 if name in task_feature_lengths else value
        for name, value in example.items()
      }

    def lowered(row: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
      return {
        name: tf.maximum(value - 1, 0) if name in _TOKENS else value
        for name, value in row.items()
      }

    return super().__call__(ds.map(raised), task_feature_lengths).map(lowered)
