"""Primer's causal depthwise convolution, kept inside packed segments.

So et al. 2021 (arXiv 2109.08668) convolve queries, keys and values along the
sequence after their projections. A head then sees a token together with the few
before it, which lets even a very small decoder learn to read labels from
exemplars.

Shape suffixes: B batch, L length, T taps (conv_width - 1), S both together.
Channels follow.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models import layers
from symbol_tuning.models.config import DecoderConfig


class CausalConvolution(nn.Module):
  """y[t] = sum over i < conv_width of kernel[i] * x[t - i], per channel.

  A tap whose token lies before the row or in another segment adds nothing. In
  a branch, token t - i is the i-th before t on its path, which may lead back to
  the prompt (see `masks`).
  Kernels start as in Primer: 0.5 on the token itself, 0.5 / width before it.

  Attributes:
    axes: logical names of the channels' axes, those after batch and length.
  """

  axes: tuple[str, ...]
  config: DecoderConfig

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    segment_ids_BL: jax.Array | None = None,
    predecessors_BLT: jax.Array | None = None,
  ) -> jax.Array:
    """x [B, L, *channels] → the same shape.

    Args:
      x: the channels of each token.
      segment_ids_BL: which packed example a token is of; None: one a row.
      predecessors_BLT: where the taps stand in the row, -1 for none; None if
        they are the token's neighbours.
    """
    config = self.config
    shape, axes = (config.conv_width, *x.shape[2:]), ('conv', *self.axes)
    kernel = layers.logical_param(self, 'kernel', _init_kernel, shape, axes)
    kernel = kernel.astype(config.dtype)
    y = x * kernel[0]
    for distance in range(1, config.conv_width):
      if predecessors_BLT is None:
        tap = _shift_within(segment_ids_BL, x, distance)
      else:
        tap = _take(x, predecessors_BLT[..., distance - 1])
      y += tap * kernel[distance]
    return y


def resume(
  convolve: CausalConvolution,
  taps_BT: jax.Array,
  x_BL: jax.Array,
  num_tokens_B: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  """Convolves tokens that go on where others ended.

  Args:
    convolve: the convolution.
    taps_BT: its last conv_width - 1 inputs, [B, T, *channels]; zeros where a
      row begins.
    x_BL: its next inputs, [B, L, *channels].
    num_tokens_B: how many of them are not padding on a row's right.

  Returns:
    The outputs, as x_BL, and the last inputs now, as taps_BT.
  """
  num_taps = taps_BT.shape[1]
  x_BS = jnp.concatenate([taps_BT, x_BL], axis=1)
  last_BT = num_tokens_B[:, None] + jnp.arange(num_taps)
  return convolve(x_BS)[:, num_taps:], _take(x_BS, last_BT)


def _shift_within(
  segment_ids_BL: jax.Array | None, x: jax.Array, distance: int
) -> jax.Array:
  """x moved right by `distance` tokens; zeros come in from other segments."""
  tap = _shift(x, distance)
  if segment_ids_BL is None:
    return tap
  same_BL = _shift(segment_ids_BL, distance) == segment_ids_BL
  return tap * _with_channels(same_BL, x)


def _shift(x: jax.Array, distance: int) -> jax.Array:
  """x [B, L, ...] moved right by `distance` tokens, zeros coming in."""
  padding = [(0, 0)] * x.ndim
  padding[1] = (distance, 0)
  return jnp.pad(x, padding)[:, : x.shape[1]]


def _take(x: jax.Array, index_BL: jax.Array) -> jax.Array:
  """x [B, S, ...] at each index of its row, [B, L, ...]; zeros at -1."""
  index = _with_channels(index_BL, x)
  return jnp.where(
    index >= 0, jnp.take_along_axis(x, jnp.maximum(index, 0), axis=1), 0
  )


def _with_channels(array_BL: jax.Array, x: jax.Array) -> jax.Array:
  """An array with as many axes as x [B, L, *channels], to broadcast to it."""
  return array_BL.reshape(*array_BL.shape, *[1] * (x.ndim - 2))


def _init_kernel(
  rng: jax.Array, shape: tuple[int, ...], dtype: str
) -> jax.Array:
  del rng
  return jnp.full(shape, 0.5 / shape[0], dtype).at[0].set(0.5)
