"""What every layer's attention reads beside the residual stream.

It is computed once, ahead of the layers.

Shape suffixes: B batch, L length (of queries), S length (of keys) or slots of a
cache, T taps of a convolution before the token itself (conv_width - 1).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symbol_tuning.models import cache as cache_lib
from symbol_tuning.models import masks, rotary, splash
from symbol_tuning.models.config import DecoderConfig


class Context(NamedTuple):
  """What attention reads beside the residual stream.

  Attributes:
    rotation: of queries and keys, by their positions.
    mask_BLS: True where a query may see a key; None if the kernel knows.
    segment_ids_BL: which packed example a token is of; None for one per row.
    predecessors_BLT: where the taps of a convolution stand in the row; None
      where they are the token's neighbours.
    num_tokens_B: tokens of a row that are not padding on its right; None unless
      they are read on from a cache.
  """

  rotation: rotary.Rotation
  mask_BLS: jax.Array | None
  segment_ids_BL: jax.Array | None = None
  predecessors_BLT: jax.Array | None = None
  num_tokens_B: jax.Array | None = None


def of_rows(
  config: DecoderConfig,
  positions_BL: jax.Array,
  segment_ids_BL: jax.Array | None,
  branch_ids_BL: jax.Array | None,
) -> Context:
  """The context of whole rows, packed or not, with branches or without."""
  if branch_ids_BL is None and splash.is_chosen(config):
    return Context(_rotation(config, positions_BL), None, segment_ids_BL)
  mask_BLS = masks.causal_mask(
    positions_BL.shape[-1], segment_ids_BL, branch_ids_BL
  )
  predecessors_BLT = None
  if branch_ids_BL is not None and config.conv_width > 1:
    predecessors_BLT = masks.predecessors(mask_BLS, config.conv_width - 1)
  return Context(
    rotation=_rotation(config, positions_BL),
    mask_BLS=mask_BLS,
    segment_ids_BL=segment_ids_BL,
    predecessors_BLT=predecessors_BLT,
  )


def of_chunk(
  config: DecoderConfig,
  cache: cache_lib.Cache,
  num_tokens_B: jax.Array,
  length: int,
) -> Context:
  """The context of a chunk that goes on where a cache ends.

  Its mask has the slots of the cache first, then the chunk's own tokens.
  """
  positions_BL = cache.num_tokens_B[:, None] + jnp.arange(length)
  batch_size, num_slots = cache.seen_BS.shape
  shape = batch_size, length, num_slots
  slots_BLS = jnp.broadcast_to(cache.seen_BS[:, None], shape)
  chunk_BLL = jnp.broadcast_to(
    masks.causal_mask(length), (batch_size, length, length)
  )
  return Context(
    rotation=_rotation(config, positions_BL),
    mask_BLS=jnp.concatenate([slots_BLS, chunk_BLL], axis=-1),
    num_tokens_B=num_tokens_B,
  )


def _rotation(
  config: DecoderConfig, positions_BL: jax.Array
) -> rotary.Rotation:
  return rotary.rotation(positions_BL, config.head_dim, config.rope_base)
