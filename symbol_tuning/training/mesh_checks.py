"""The activations of a step that a mesh may split, known before it is traced.

The layers of `symbol_tuning.models` constrain these arrays by the same logical
names; a mesh that cannot divide one is refused here, with a message.
"""

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.training.partitioning import Partitioner
from symbol_tuning.training.step import Loss


def check(
  partitioner: Partitioner,
  config: DecoderConfig,
  loss: Loss,
  batch_shape: tuple[int, int],
  num_microbatches: int = 1,
) -> None:
  """Raises ValueError unless the mesh divides what a step computes.

  Args:
    partitioner: the mesh and the rules.
    config: of the decoder.
    loss: says at how many positions logits exist at once.
    batch_shape: rows of the global batch, and their length.
    num_microbatches: parts of the batch.
  """
  rows, length = batch_shape
  partitioner.check_batch_size(rows, num_microbatches)
  leading = {'batch': rows // num_microbatches, 'length': length}
  positions = min(loss.num_positions(length), loss.chunk_size)
  head_dim = {'activation_head_dim': config.head_dim}
  arrays = {
    'embedded tokens': {
      'embedding_batch': rows // num_microbatches,
      'length': length,
      'embed': config.embed_dim,
    },
    'the residual stream': leading | {'activation_embed': config.embed_dim},
    'queries': leading | {'activation_heads': config.num_heads} | head_dim,
    'keys and values': (
      leading | {'activation_kv_heads': config.num_kv_heads} | head_dim
    ),
    "the MLP's inner layer": leading | {'activation_mlp': config.mlp_dim},
    'the logits': (
      leading | {'length': positions, 'activation_vocab': config.vocab_size}
    ),
  }
  for name, axes in arrays.items():
    partitioner.sharding(name, tuple(axes.values()), tuple(axes))
