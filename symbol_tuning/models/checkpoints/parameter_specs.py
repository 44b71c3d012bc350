"""What a checkpoint must provide for a model, and what is said if it does not.

Readers of checkpoint formats make arrays to these specifications, and know
nothing of Flax.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from symbol_tuning.models import families
from symbol_tuning.models.config import DecoderConfig

FIELDS_OF_AXES = {
  'vocab': 'vocab_size',
  'embed': 'embed_dim',
  'heads': 'num_heads',
  'kv_heads': 'num_kv_heads',
  'head_dim': 'head_dim',
  'mlp': 'mlp_dim',
  'conv': 'conv_width',
  'positions': 'learned_positions',
  'layers': 'num_layers',
}

Index = tuple[slice, ...]


@dataclasses.dataclass(frozen=True)
class ParameterSpec:
  """One parameter: what it must be, and where it goes.

  Attributes:
    path: its keys, joined by '/'.
    shape: as the model has it.
    dtype: likewise.
    axes: logical names of the shape's axes.
    sharding: the devices that hold it, and which part each has.
  """

  path: str
  shape: tuple[int, ...]
  dtype: Any
  axes: tuple[str, ...]
  sharding: jax.sharding.Sharding

  @property
  def is_stacked(self) -> bool:
    """Whether the first axis is layers."""
    return self.axes[0] == 'layers'

  @property
  def axes_in_layer(self) -> tuple[str, ...]:
    """Those of one layer, where layers are stacked."""
    return self.axes[1:] if self.is_stacked else self.axes

  def make(self, read: Callable[[Index], np.ndarray]) -> jax.Array:
    """The array, of parts that `read` gives; only those of this process.

    Waits until it is made, lest arrays wait for theirs while others are read.
    """
    return jax.make_array_from_callback(
      self.shape,
      self.sharding,
      lambda index: read(index or ()).astype(self.dtype, copy=False),
    ).block_until_ready()


def check_shape(
  name: str,
  found: Sequence[int],
  expected: Sequence[int],
  axes: Sequence[Sequence[str]],
) -> None:
  """Raises ValueError unless `found` is `expected`.

  Args:
    name: of the array, and of the file that holds it.
    found: its shape there.
    expected: the shape the model needs there.
    axes: for each axis of `expected`, the logical axes it is made of.
  """
  if tuple(found) == tuple(expected):
    return
  sizes = zip(found, expected, axes, strict=False)
  causes = [
    FIELDS_OF_AXES[axis]
    for a, b, names in sizes
    if a != b
    for axis in names
    if axis in FIELDS_OF_AXES
  ]
  if len(found) != len(expected) or not causes:
    causes = ['scan_layers']
  raise ValueError(
    f'{name} has shape {tuple(found)}, but the model needs '
    f'{tuple(expected)}. Likely cause: DecoderConfig.{" or ".join(causes)} is '
    'not that of the checkpoint.'
  )


def check_names(source: Any, found: set[str], expected: set[str]) -> None:
  """Raises ValueError unless the array names are exactly those expected."""
  for names, problem in (
    (expected - found, 'lacks'),
    (found - expected, 'holds arrays the model has no place for:'),
  ):
    if names:
      first = ', '.join(sorted(names)[:3])
      raise ValueError(
        f'{source} {problem} {first} ({len(names)} in all). Likely cause: '
        'DecoderConfig (num_layers, tied_embeddings, parallel_block, qk_norm, '
        'post_norms, biases, conv_width, scan_layers) is not that of the '
        'checkpoint.'
      )


def check_config(
  source: Any, found: DecoderConfig, expected: DecoderConfig
) -> None:
  """Raises ValueError if a checkpoint's model computes something else."""
  differences = families.config_differences(expected, found, 'the checkpoint')
  if differences:
    raise ValueError(
      f'{source} is of another model: {"; ".join(differences)}. Make '
      'DecoderConfig agree with it.'
    )
