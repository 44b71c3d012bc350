"""What a checkpoint must provide for a model, and what is said if it does not.

A slot is one parameter's place: its path, shape and dtype, and the devices it
goes to. Readers of checkpoint formats fill slots and know nothing of Flax.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from symbol_tuning.models.config import DecoderConfig

FIELDS_OF_AXES = {
  'vocab': 'vocab_size',
  'embed': 'embed_dim',
  'heads': 'num_heads',
  'kv_heads': 'num_kv_heads',
  'head_dim': 'head_dim',
  'mlp': 'mlp_dim',
  'conv': 'conv_width',
  'layers': 'num_layers',
}

# Fields that say how a model is run; all others change what it computes.
FIELDS_OF_EXECUTION = frozenset(
  (
    'context_length',
    'dropout_rate',
    'scan_layers',
    'remat',
    'attention_implementation',
    'dtype',
    'param_dtype',
  )
)


@dataclasses.dataclass(frozen=True)
class Slot:
  """One parameter to be filled.

  Attributes:
    path: its keys, joined by '/'.
    shape: as the model has it.
    dtype: likewise.
    axes: logical names of the shape's axes.
    sharding: where the array goes.
  """

  path: str
  shape: tuple[int, ...]
  dtype: Any
  axes: tuple[str, ...]
  sharding: jax.sharding.Sharding

  def place(self, array: np.ndarray) -> jax.Array:
    """The array on the devices; each process copies only its own part.

    Waits for the copy, lest arrays wait for theirs while the next are read.
    """
    array = array.astype(self.dtype, copy=False)
    return jax.make_array_from_callback(
      self.shape, self.sharding, lambda index: array[index]
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
  causes = [FIELDS_OF_AXES[x] for a, b, names in sizes if a != b for x in names]
  if len(found) != len(expected):
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
        'post_norms, conv_width, scan_layers) is not that of the checkpoint.'
      )


def check_config(
  source: Any, found: DecoderConfig, expected: DecoderConfig
) -> None:
  """Raises ValueError if a checkpoint's model computes something else."""
  differences = [
    f'{field.name} is {getattr(expected, field.name)!r} in the model and '
    f'{getattr(found, field.name)!r} in the checkpoint'
    for field in dataclasses.fields(DecoderConfig)
    if field.name not in FIELDS_OF_EXECUTION
    and getattr(expected, field.name) != getattr(found, field.name)
  ]
  if differences:
    raise ValueError(
      f'{source} is of another model: {"; ".join(differences)}. Make '
      'DecoderConfig agree with it.'
    )
