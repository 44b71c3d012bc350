"""Norms, linear maps, embeddings and the MLP.

Parameters carry logical axis names, which partitioning rules
map to mesh axes; activations are constrained by names of their own, so that
'embed' of a parameter and 'activation_embed' can be sharded differently.

Shape suffixes: B batch, L length, D embed, F mlp, V vocab, P positions.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models.config import DecoderConfig


def logical_param(
  module: nn.Module,
  name: str,
  init: Callable[..., jax.Array],
  shape: tuple[int, ...],
  axes: tuple[str, ...],
) -> jax.Array:
  """Declares a parameter whose axes have logical names.

  Args:
    module: whose it is; its config has the dtype.
    name: of the parameter.
    init: takes a key, the shape and the dtype.
    shape: of the parameter.
    axes: a name for each axis of it.
  """
  # Flax takes the array out of the box that the annotations do not take off.
  param: Any = module.param(
    name,
    nn.with_logical_partitioning(init, axes),
    shape,
    module.config.param_dtype,
  )
  return param


class Norm(nn.Module):
  """RMSNorm or LayerNorm of the last axes, in float32.

  Attributes:
    axes: logical names of those axes.
    bias: whether one is added.
  """

  config: DecoderConfig
  axes: tuple[str, ...] = ('embed',)
  bias: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    config = self.config
    normalized = tuple(range(-len(self.axes), 0))
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    scale = self._param('scale', zeros if config.centered_norms else ones, x)
    y = x.astype(jnp.float32)
    if config.norm == 'layer':
      y -= y.mean(normalized, keepdims=True)
    variance = jnp.square(y).mean(normalized, keepdims=True)
    y *= jax.lax.rsqrt(variance + config.norm_epsilon)
    y *= 1 + scale.astype(jnp.float32) if config.centered_norms else scale
    if self.bias:
      y += self._param('bias', zeros, x)
    return y.astype(config.dtype)

  def _param(
    self, name: str, init: nn.initializers.Initializer, x: jax.Array
  ) -> jax.Array:
    shape = x.shape[-len(self.axes) :]
    return logical_param(self, name, init, shape, self.axes)


class Linear(nn.Module):
  """Contracts the last axes of its input with the first of a kernel.

  As one product of two matrices: on a CPU, kernel gradients summed over batch
  and length apart take twice the time. Kernels start normal, with a variance of
  one over the number of inputs.

  Attributes:
    shape: of the kernel: input axes, then output axes.
    axes: logical names of the kernel's axes.
    num_input_axes: how many of them are contracted.
    bias: whether one, at first zero, is added.
  """

  shape: tuple[int, ...]
  axes: tuple[str, ...]
  config: DecoderConfig
  num_input_axes: int = 1
  bias: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    init = nn.initializers.normal(self._num_inputs**-0.5)
    kernel = logical_param(self, 'kernel', init, self.shape, self.axes)
    leading = x.shape[: x.ndim - self.num_input_axes]
    x = x.reshape(-1, self._num_inputs)
    y = x @ kernel.astype(self.config.dtype).reshape(self._num_inputs, -1)
    y = y.reshape(*leading, *self.shape[self.num_input_axes :])
    if self.bias:
      bias = logical_param(
        self,
        'bias',
        nn.initializers.zeros,
        self.shape[self.num_input_axes :],
        self.axes[self.num_input_axes :],
      )
      y += bias.astype(self.config.dtype)
    return y

  @property
  def _num_inputs(self) -> int:
    return math.prod(self.shape[: self.num_input_axes])


class Embedding(nn.Module):
  """Token vectors; also the unembedding of a model that ties the two."""

  config: DecoderConfig

  def setup(self):
    config = self.config
    stddev = 1.0 if config.scaled_logits else config.embed_dim**-0.5
    self.embedding_VD = logical_param(
      self,
      'embedding',
      nn.initializers.normal(stddev),
      (config.vocab_size, config.embed_dim),
      ('vocab', 'embed'),
    )

  def __call__(self, tokens_BL: jax.Array) -> jax.Array:
    x_BLD = jnp.take(self.embedding_VD, tokens_BL, axis=0)
    x_BLD = x_BLD.astype(self.config.dtype)
    if self.config.embedding_multiplier != 1.0:
      x_BLD *= self.config.embedding_multiplier
    # Each device looks tokens up in the columns it has. Without this, it may be
    # given the vectors of the whole batch before it keeps those of its rows.
    return nn.with_logical_constraint(
      x_BLD, ('embedding_batch', 'length', 'embed')
    )

  def attend(self, x: jax.Array) -> jax.Array:
    """x_..D → float32 inner products with every token's vector, _..V."""
    return jnp.einsum(
      '...D,VD->...V',
      x,
      self.embedding_VD.astype(self.config.dtype),
      preferred_element_type=jnp.float32,
    )


class PositionTable(nn.Module):
  """A learned vector for each position, as GPT-2 has."""

  config: DecoderConfig

  @nn.compact
  def __call__(self, positions_BL: jax.Array) -> jax.Array:
    config = self.config
    embedding_PD = logical_param(
      self,
      'embedding',
      nn.initializers.normal(config.embed_dim**-0.5),
      (config.learned_positions, config.embed_dim),
      ('positions', 'embed'),
    )
    x_BLD = jnp.take(embedding_PD, positions_BL, axis=0, mode='clip')
    return x_BLD.astype(config.dtype)


class Mlp(nn.Module):
  """An MLP, with a gate (Shazeer 2020, arXiv 2002.05202) or without."""

  config: DecoderConfig

  @nn.compact
  def __call__(self, x_BLD: jax.Array) -> jax.Array:
    config = self.config
    inward = functools.partial(
      Linear,
      (config.embed_dim, config.mlp_dim),
      ('embed', 'mlp'),
      config,
      bias=config.mlp_bias,
    )
    if config.gated_mlp:
      gate_BLF = inward(name='gate')(x_BLD)
      up_BLF = inward(name='up')(x_BLD)
      h_BLF = activation(config)(gate_BLF) * up_BLF
    else:
      h_BLF = activation(config)(inward(name='up')(x_BLD))
    h_BLF = nn.with_logical_constraint(
      h_BLF, ('batch', 'length', 'activation_mlp')
    )
    return Linear(
      (config.mlp_dim, config.embed_dim),
      ('mlp', 'embed'),
      config,
      bias=config.mlp_bias,
      name='down',
    )(h_BLF)


def activation(config: DecoderConfig) -> Callable[[jax.Array], jax.Array]:
  functions: dict[str, Callable[[jax.Array], jax.Array]] = {
    'silu': jax.nn.silu,
    'gelu': jax.nn.gelu,
    'gelu_exact': functools.partial(jax.nn.gelu, approximate=False),
    'relu': jax.nn.relu,
  }
  return functions[config.activation]


def soft_cap(x: jax.Array, cap: float) -> jax.Array:
  """x, bounded smoothly to within ±cap (Gemma 2); unchanged if cap is 0."""
  return cap * jnp.tanh(x / cap) if cap else x
