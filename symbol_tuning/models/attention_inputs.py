"""What every layer's attention reads beside the residual stream.

It is computed once, ahead of the layers.

Shape suffixes: B batch, L length (of queries), S length (of keys) or slots of a
cache, T taps of a convolution before the token itself (conv_width - 1).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models import masks, rotary, splash
from symbol_tuning.models.config import DecoderConfig


class View(NamedTuple):
  """What the layers of one kind see, and from where.

  Attributes:
    rotation: of queries and keys, by their positions.
    mask_BLS: True where a query may see a key; None if the kernel knows.
  """

  rotation: rotary.Rotation
  mask_BLS: jax.Array | None


class AttentionInputs(NamedTuple):
  """What attention reads beside the residual stream.

  Attributes:
    views: of each of `DecoderConfig.distinct_kinds`.
    segment_ids_BL: which packed example a token is of; None for one per row.
    predecessors_BLT: where the taps of a convolution stand in the row; None
      where they are the token's neighbours.
    num_tokens_B: tokens of a row that are not padding on its right; None unless
      they are read on from a cache.
  """

  views: tuple[View, ...]
  segment_ids_BL: jax.Array | None = None
  predecessors_BLT: jax.Array | None = None
  num_tokens_B: jax.Array | None = None

  def view(self, kind: jax.Array | None) -> View:
    """The view of a layer.

    Args:
      kind: index of the layer's kind, int32 []; None if all are of one.
    """
    if kind is None:
      return self.views[0]
    return jax.tree.map(
      lambda *of_kinds: jax.lax.select_n(kind, *of_kinds), *self.views
    )


def of_rows(
  config: DecoderConfig,
  positions_BL: jax.Array,
  segment_ids_BL: jax.Array | None,
  branch_ids_BL: jax.Array | None,
) -> AttentionInputs:
  """Those of whole rows, packed or not, with branches or without."""
  mask_BLS = predecessors_BLT = None
  length = positions_BL.shape[-1]
  if branch_ids_BL is not None or not splash.is_chosen(config):
    mask_BLS = masks.causal_mask(length, segment_ids_BL, branch_ids_BL)
    if branch_ids_BL is not None and config.conv_width > 1:
      predecessors_BLT = masks.predecessors(mask_BLS, config.conv_width - 1)
  return AttentionInputs(
    _views(config, mask_BLS, positions_BL, positions_BL, length),
    segment_ids_BL=segment_ids_BL,
    predecessors_BLT=predecessors_BLT,
  )


def of_chunk(
  config: DecoderConfig,
  cache: cache_lib.Cache,
  num_tokens_B: jax.Array,
  length: int,
  num_slots: int,
) -> AttentionInputs:
  """Those of a chunk of `length` tokens that goes on where a cache ends.

  Its masks have the slots of the cache first, then the chunk's own tokens.

  Args:
    config: of the decoder.
    cache: the part of the cache that is looked at.
    num_tokens_B: tokens of the chunk's rows that are not padding.
    length: of the chunk.
    num_slots: of the whole cache.
  """
  positions_BL = chunk_positions(cache, length)
  batch_size, num_readable = cache.seen_BS.shape
  shape = batch_size, length, num_readable
  slots_BLS = jnp.broadcast_to(cache.seen_BS[:, None], shape)
  chunk_BLL = jnp.broadcast_to(
    masks.causal_mask(length), (batch_size, length, length)
  )
  mask_BLS = jnp.concatenate([slots_BLS, chunk_BLL], axis=-1)
  positions_BS = jnp.concatenate(
    [cache_lib.positions(cache), positions_BL], axis=-1
  )
  return AttentionInputs(
    _views(config, mask_BLS, positions_BL, positions_BS, num_slots),
    num_tokens_B=num_tokens_B,
  )


def chunk_positions(cache: cache_lib.Cache, length: int) -> jax.Array:
  """The positions of a chunk of tokens that follow those of a cache, [B, L]."""
  return cache.num_tokens_B[:, None] + jnp.arange(length)


def _views(
  config: DecoderConfig,
  mask_BLS: jax.Array | None,
  positions_BL: jax.Array,
  positions_BS: jax.Array,
  length: int,
) -> tuple[View, ...]:
  """The view of each kind of layer, in rows with room for `length` tokens."""
  rotary_dim = config.rotary_dim or config.head_dim
  views = []
  for kind in config.distinct_kinds:
    turns_BL, seen_BLS = positions_BL, mask_BLS
    base, scaling = config.rope_base, config.rope_scaling
    if kind == 'unrotated':
      turns_BL, scaling = jnp.zeros_like(positions_BL), None
    if kind == 'local' and config.local_rope_base:
      base, scaling = config.local_rope_base, None
    if kind == 'local' and mask_BLS is not None:
      seen_BLS = masks.local_mask(
        mask_BLS, positions_BL, positions_BS, config.local_window
      )
    rotation = rotary.rotation(turns_BL, rotary_dim, base, scaling, length)
    views.append(View(rotation, seen_BLS))
  return tuple(views)
