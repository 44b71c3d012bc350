"""What a decoder remembers of the tokens it has read, to read on from there.

Keys and values of every layer stand in slots: a chunk of tokens takes the same
slots in every row. Rows of different lengths are padded on the right; padding
takes slots too, but is never seen, and positions count a row's own tokens only.
A model with convolutions also remembers their last inputs.

Logical axes: 'layers', 'batch', 'activation_heads', 'activation_kv_heads',
'activation_head_dim', and 'slots' or 'taps'.

Shape suffixes: Y layers, B batch, L length (of a chunk), S slots, T taps
(conv_width - 1), N heads of either kind, K key-value heads, H head_dim.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models.config import DecoderConfig


class LayerCache(NamedTuple):
  """What one layer remembers, or, with a leading axis Y, every layer.

  Attributes:
    key_BKSH: keys, rotated by their positions.
    value_BKSH: values.
    taps_BTNH: the last inputs of the convolutions of queries, keys and values,
      by name; empty for a model that has none.
  """

  key_BKSH: jax.Array
  value_BKSH: jax.Array
  taps_BTNH: dict[str, jax.Array]


class Cache(NamedTuple):
  """What a decoder remembers of a batch.

  Attributes:
    layers_Y: of every layer.
    seen_BS: True where a slot holds a token.
    num_tokens_B: tokens that were read of each row.
    num_slots: slots that were written, int32 [].
  """

  layers_Y: LayerCache
  seen_BS: jax.Array
  num_tokens_B: jax.Array
  num_slots: jax.Array


def empty(config: DecoderConfig, batch_size: int, num_slots: int) -> Cache:
  """The cache of a batch of which nothing has been read.

  Args:
    config: of the decoder.
    batch_size: rows.
    num_slots: room for as many tokens of each row, padding included.
  """

  def zeros(*shape: int) -> jax.Array:
    return jnp.zeros(
      (config.num_layers, batch_size, *shape, config.head_dim), config.dtype
    )

  num_heads = {
    'query': config.num_heads,
    'key': config.num_kv_heads,
    'value': config.num_kv_heads,
  }
  return _constrain(
    Cache(
      layers_Y=LayerCache(
        key_BKSH=zeros(config.num_kv_heads, num_slots),
        value_BKSH=zeros(config.num_kv_heads, num_slots),
        taps_BTNH={
          name: zeros(config.conv_width - 1, heads)
          for name, heads in num_heads.items()
          if config.conv_width
        },
      ),
      seen_BS=jnp.zeros((batch_size, num_slots), bool),
      num_tokens_B=jnp.zeros(batch_size, jnp.int32),
      num_slots=jnp.int32(0),
    )
  )


def readable(cache: Cache, num_slots: int | None) -> Cache:
  """The first slots only; all if None."""
  layers_Y = cache.layers_Y
  return cache._replace(
    layers_Y=layers_Y._replace(
      key_BKSH=layers_Y.key_BKSH[..., :num_slots, :],
      value_BKSH=layers_Y.value_BKSH[..., :num_slots, :],
    ),
    seen_BS=cache.seen_BS[:, :num_slots],
  )


def positions(cache: Cache) -> jax.Array:
  """Of the token in each slot within its row, [B, S]; none of empty slots."""
  return jnp.cumsum(cache.seen_BS, axis=-1) - 1


def append(cache: Cache, chunk_Y: LayerCache, num_tokens_B: jax.Array) -> Cache:
  """Remembers a chunk of tokens.

  Args:
    cache: must have room for the chunk; writing beyond its last slot would
      overwrite those before it.
    chunk_Y: keys and values of the chunk [Y, B, K, L, H], and the last inputs
      of convolutions after it.
    num_tokens_B: tokens of the chunk that are not padding.
  """
  layers_Y, start = cache.layers_Y, cache.num_slots
  length = chunk_Y.key_BKSH.shape[-2]

  def write(slots: jax.Array, new: jax.Array, axis: int) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(slots, new, start, axis)

  seen_BL = jnp.arange(length) < num_tokens_B[:, None]
  return _constrain(
    Cache(
      layers_Y=LayerCache(
        key_BKSH=write(layers_Y.key_BKSH, chunk_Y.key_BKSH, -2),
        value_BKSH=write(layers_Y.value_BKSH, chunk_Y.value_BKSH, -2),
        taps_BTNH=chunk_Y.taps_BTNH,
      ),
      seen_BS=write(cache.seen_BS, seen_BL, 1),
      num_tokens_B=cache.num_tokens_B + num_tokens_B,
      num_slots=start + length,
    )
  )


def _constrain(cache: Cache) -> Cache:
  """Spreads the cache over devices as the activations it was made from."""

  def spread(x: jax.Array, outer: str, inner: str) -> jax.Array:
    axes = ('layers', 'batch', outer, inner, 'activation_head_dim')
    return nn.with_logical_constraint(x, axes)

  layers_Y, kv_heads = cache.layers_Y, 'activation_kv_heads'
  return cache._replace(
    layers_Y=LayerCache(
      key_BKSH=spread(layers_Y.key_BKSH, kv_heads, 'slots'),
      value_BKSH=spread(layers_Y.value_BKSH, kv_heads, 'slots'),
      taps_BTNH={
        name: spread(
          x, 'taps', 'activation_heads' if name == 'query' else kv_heads
        )
        for name, x in layers_Y.taps_BTNH.items()
      },
    ),
    seen_BS=nn.with_logical_constraint(cache.seen_BS, ('batch', 'slots')),
  )
