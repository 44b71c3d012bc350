"""What every layer's attention reads beside the residual stream.

It is computed once, ahead of the layers.

Shape suffixes: B batch, L length (of queries), S length (of keys) or slots of a
cache, T taps of a convolution before the token itself (conv_width - 1).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models import masks, rotary, splash
from symbol_tuning.models.config import DecoderConfig


class View(NamedTuple):
  """What the layers of one kind, local or global, see and from where.

  Attributes:
    rotation: of queries and keys, by their positions.
    mask_BLS: True where a query may see a key; None if the kernel knows.
  """

  rotation: rotary.Rotation
  mask_BLS: jax.Array | None


class Context(NamedTuple):
  """What attention reads beside the residual stream.

  Attributes:
    global_view: of layers that see everything before.
    local_view: of those that see a window; None if the model has none.
    segment_ids_BL: which packed example a token is of; None for one per row.
    predecessors_BLT: where the taps of a convolution stand in the row; None
      where they are the token's neighbours.
    num_tokens_B: tokens of a row that are not padding on its right; None unless
      they are read on from a cache.
  """

  global_view: View
  local_view: View | None
  segment_ids_BL: jax.Array | None = None
  predecessors_BLT: jax.Array | None = None
  num_tokens_B: jax.Array | None = None

  def view(self, is_local: jax.Array | None) -> View:
    """Of a layer, given one of `DecoderConfig.local_layers`."""
    if is_local is None:
      return self.global_view
    pick = functools.partial(jnp.where, is_local)
    return jax.tree.map(pick, self.local_view, self.global_view)


def of_rows(
  config: DecoderConfig,
  positions_BL: jax.Array,
  segment_ids_BL: jax.Array | None,
  branch_ids_BL: jax.Array | None,
) -> Context:
  """The context of whole rows, packed or not, with branches or without."""
  mask_BLS = predecessors_BLT = None
  if branch_ids_BL is not None or not splash.is_chosen(config):
    length = positions_BL.shape[-1]
    mask_BLS = masks.causal_mask(length, segment_ids_BL, branch_ids_BL)
  if branch_ids_BL is not None and config.conv_width > 1:
    predecessors_BLT = masks.predecessors(mask_BLS, config.conv_width - 1)
  return Context(
    *_views(config, mask_BLS, positions_BL, positions_BL),
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

  Its masks have the slots of the cache first, then the chunk's own tokens.
  """
  positions_BL = cache.num_tokens_B[:, None] + jnp.arange(length)
  batch_size, num_slots = cache.seen_BS.shape
  shape = batch_size, length, num_slots
  slots_BLS = jnp.broadcast_to(cache.seen_BS[:, None], shape)
  chunk_BLL = jnp.broadcast_to(
    masks.causal_mask(length), (batch_size, length, length)
  )
  mask_BLS = jnp.concatenate([slots_BLS, chunk_BLL], axis=-1)
  positions_BS = jnp.concatenate(
    [cache_lib.positions(cache), positions_BL], axis=-1
  )
  return Context(
    *_views(config, mask_BLS, positions_BL, positions_BS),
    num_tokens_B=num_tokens_B,
  )


def _views(
  config: DecoderConfig,
  mask_BLS: jax.Array | None,
  positions_BL: jax.Array,
  positions_BS: jax.Array,
) -> tuple[View, View | None]:
  """The global and, if the model has such layers, the local view."""
  rotation = functools.partial(rotary.rotation, positions_BL, config.head_dim)
  global_view = View(rotation(config.rope_base), mask_BLS)
  if not config.local_window:
    return global_view, None
  if mask_BLS is not None:
    mask_BLS = masks.local_mask(
      mask_BLS, positions_BL, positions_BS, config.local_window
    )
  return global_view, View(rotation(config.local_rope_base), mask_BLS)
