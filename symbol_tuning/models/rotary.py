"""Rotary position embedding.

Su et al. 2021 (arXiv 2104.09864), in the layout of Llama's published weights,
which pairs channel i with channel i + rotary_dim / 2. Models that were
stretched to longer contexts turn some pairs more slowly; see `RopeScaling`.

Shape suffixes: B batch, L length, N heads, H head_dim, R rotated pairs.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SCALINGS = ('linear', 'dynamic', 'llama3', 'yarn', 'longrope')


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """How a model was stretched beyond the length it was pretrained with.

  Each kind divides the frequency of a pair of channels by a number of its own:

  - 'linear' (Chen et al. 2023, arXiv 2306.15595): by `factor`.
  - 'dynamic': by nothing in rows of up to `original_context` tokens; longer
    ones are refused, since their frequencies would depend on their length.
  - 'llama3' (Llama 3.1): by `factor` where the wavelength is long, by nothing
    where it is short, by something between in the middle.
  - 'yarn' (Peng et al. 2023, arXiv 2309.00071): the same with a linear ramp.
  - 'longrope' (Ding et al. 2024, arXiv 2402.13753): by `short_factors`, in rows
    longer than `original_context` by `long_factors`.

  Attributes:
    kind: one of the above.
    factor: how much longer the context became.
    original_context: tokens that the model was pretrained with.
    low_frequency_factor: 'llama3': wavelengths of more than original_context /
      this are divided by the whole factor.
    high_frequency_factor: 'llama3': those of less than original_context / this
      by nothing.
    beta_fast: 'yarn': pairs that turn more often than this in the original
      context are left as they are.
    beta_slow: 'yarn': those that turn less often than this are divided by the
      whole factor.
    truncate: 'yarn': the ramp begins and ends at whole pairs.
    attention_factor: rotated queries and keys are multiplied by it.
    short_factors: 'longrope': a divisor for each pair.
    long_factors: 'longrope': those of rows beyond the original context.
  """

  kind: str
  factor: float = 1.0
  original_context: int = 0
  low_frequency_factor: float = 1.0
  high_frequency_factor: float = 4.0
  beta_fast: float = 32.0
  beta_slow: float = 1.0
  truncate: bool = True
  attention_factor: float = 1.0
  short_factors: tuple[float, ...] = ()
  long_factors: tuple[float, ...] = ()

  def __post_init__(self):
    if self.kind not in SCALINGS:
      raise ValueError(
        f'RopeScaling.kind is {self.kind!r}; choose one of '
        f'{", ".join(SCALINGS)}.'
      )
    if self.kind != 'linear' and self.original_context < 1:
      raise ValueError(
        f'RopeScaling.original_context is {self.original_context}; '
        f'{self.kind!r} needs the length the model was pretrained with.'
      )

  def divisors(self, rotary_dim: int, base: float, length: int) -> np.ndarray:
    """What each pair's frequency is divided by, [R].

    Args:
      rotary_dim: channels that are rotated.
      base: of the unscaled embedding.
      length: how many positions rows have room for.

    Raises:
      ValueError: the rows are too long for 'dynamic', or 'longrope' has another
        number of factors.
    """
    num_pairs = rotary_dim // 2
    if self.kind == 'linear':
      return np.full(num_pairs, self.factor)
    if self.kind == 'dynamic':
      if length > self.original_context:
        raise ValueError(
          f'Rows of {length} tokens are longer than the '
          f'{self.original_context} of this model, whose dynamic RoPE scaling '
          'is supported up to there only: use shorter rows.'
        )
      return np.ones(num_pairs)
    if self.kind == 'longrope':
      is_long = length > self.original_context
      factors = self.long_factors if is_long else self.short_factors
      if len(factors) != num_pairs:
        raise ValueError(
          f'RopeScaling has {len(factors)} {"long" if is_long else "short"} '
          f'factors; heads of {rotary_dim} rotated channels need {num_pairs}.'
        )
      return np.array(factors)
    frequencies_R = base ** -(np.arange(0, rotary_dim, 2) / rotary_dim)
    if self.kind == 'llama3':
      kept_R = self._kept_by_llama3(frequencies_R)
    else:
      kept_R = self._kept_by_yarn(rotary_dim, base)
    return 1 / (kept_R + (1 - kept_R) / self.factor)

  def _kept_by_llama3(self, frequencies_R: np.ndarray) -> np.ndarray:
    """1 for pairs that are not slowed down, 0 for those that are."""
    turns_R = self.original_context * frequencies_R / (2 * math.pi)
    low, high = self.low_frequency_factor, self.high_frequency_factor
    return np.clip((turns_R - low) / (high - low), 0, 1)

  def _kept_by_yarn(self, rotary_dim: int, base: float) -> np.ndarray:
    """The same by YaRN: a ramp over the index of the pair."""

    def index(turns: float) -> float:
      """Of the pair that turns so often in the original context."""
      wavelength = self.original_context / (turns * 2 * math.pi)
      return rotary_dim * math.log(wavelength) / (2 * math.log(base))

    first, last = index(self.beta_fast), index(self.beta_slow)
    if self.truncate:
      first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, rotary_dim - 1)
    if first == last:
      last += 0.001  # As transformers does, not to divide by zero.
    ramp_R = (np.arange(rotary_dim // 2) - first) / (last - first)
    return 1 - np.clip(ramp_R, 0, 1)


class Rotation(NamedTuple):
  """By which angles the pairs of channels are turned at each position.

  Attributes:
    sin_BLR: the angles' sines, float32.
    cos_BLR: their cosines.
  """

  sin_BLR: jax.Array
  cos_BLR: jax.Array


def rotation(
  positions_BL: jax.Array,
  rotary_dim: int,
  base: float,
  scaling: RopeScaling | None = None,
  length: int = 0,
) -> Rotation:
  """The rotation at each position.

  Args:
    positions_BL: the positions.
    rotary_dim: channels of a head that are turned.
    base: the longest wavelength over 2 pi, before scaling.
    scaling: how the model was stretched; None if it was not.
    length: how many positions rows have room for; read by scaling only.
  """
  frequencies_R = base ** -(jnp.arange(0, rotary_dim, 2) / rotary_dim)
  magnitude = 1.0
  if scaling is not None:
    divisors_R = scaling.divisors(rotary_dim, base, length)
    frequencies_R /= divisors_R.astype(np.float32)
    magnitude = scaling.attention_factor
  angles_BLR = positions_BL[..., None] * frequencies_R
  return Rotation(
    jnp.sin(angles_BLR) * magnitude, jnp.cos(angles_BLR) * magnitude
  )


def rotate(x_BLNH: jax.Array, rotation: Rotation) -> jax.Array:
  """Turns each pair of channels by its position's angle, in float32.

  Channels beyond the pairs that the rotation has are left as they are.
  """
  sin_BL1R, cos_BL1R = (x_BLR[:, :, None] for x_BLR in rotation)
  num_pairs = sin_BL1R.shape[-1]
  a_BLNR, b_BLNR, rest_BLNH = jnp.split(
    x_BLNH, (num_pairs, 2 * num_pairs), axis=-1
  )
  a_BLNR, b_BLNR = a_BLNR.astype(jnp.float32), b_BLNR.astype(jnp.float32)
  turned = (
    a_BLNR * cos_BL1R - b_BLNR * sin_BL1R,
    b_BLNR * cos_BL1R + a_BLNR * sin_BL1R,
  )
  turned_BLNH = jnp.concatenate(turned, axis=-1).astype(x_BLNH.dtype)
  return jnp.concatenate([turned_BLNH, rest_BLNH], axis=-1)
