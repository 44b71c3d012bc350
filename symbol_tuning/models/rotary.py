"""Rotary position embedding.

Su et al. 2021 (arXiv 2104.09864), in the layout of Llama's published weights,
which pairs channel i with channel i + head_dim / 2.

Shape suffixes: B batch, L length, N heads, H head_dim, R rotated pairs (H / 2).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Rotation(NamedTuple):
  """By which angles the pairs of channels are turned at each position.

  Attributes:
    sin_BLR: the angles' sines, float32.
    cos_BLR: their cosines.
  """

  sin_BLR: jax.Array
  cos_BLR: jax.Array


def rotation(positions_BL: jax.Array, head_dim: int, base: float) -> Rotation:
  """The rotation at each position; the longest wavelength is 2 pi `base`."""
  exponents_R = jnp.arange(0, head_dim, 2) / head_dim
  angles_BLR = positions_BL[..., None] * base**-exponents_R
  return Rotation(jnp.sin(angles_BLR), jnp.cos(angles_BLR))


def rotate(x_BLNH: jax.Array, rotation: Rotation) -> jax.Array:
  """Turns each pair of channels by its position's angle, in float32."""
  sin_BL1R, cos_BL1R = (
    rotation.sin_BLR[:, :, None],
    rotation.cos_BLR[:, :, None],
  )
  a_BLNR, b_BLNR = jnp.split(x_BLNH.astype(jnp.float32), 2, axis=-1)
  turned = (
    a_BLNR * cos_BL1R - b_BLNR * sin_BL1R,
    b_BLNR * cos_BL1R + a_BLNR * sin_BL1R,
  )
  return jnp.concatenate(turned, axis=-1).astype(x_BLNH.dtype)
