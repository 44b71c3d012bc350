"""Norms, linear maps, embeddings and the gated MLP.

None has a bias. Parameters carry logical axis names, which partitioning rules
map to mesh axes; activations are constrained by names of their own, so that
'embed' of a parameter and 'activation_embed' can be sharded differently.

Shape suffixes: B batch, L length, D embed, F mlp, V vocab.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models.config import DecoderConfig


class Norm(nn.Module):
  """RMSNorm or LayerNorm without bias, of the last axis, in float32.

  Attributes:
    axis: logical name of that axis.
  """

  config: DecoderConfig
  axis: str = 'embed'

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    scale = self.param(
      'scale',
      nn.with_logical_partitioning(nn.initializers.ones, (self.axis,)),
      (x.shape[-1],),
      self.config.param_dtype,
    )
    y = x.astype(jnp.float32)
    if self.config.norm == 'layer':
      y -= y.mean(-1, keepdims=True)
    variance = jnp.square(y).mean(-1, keepdims=True)
    y *= jax.lax.rsqrt(variance + self.config.norm_epsilon)
    return (y * scale).astype(self.config.dtype)


class Linear(nn.Module):
  """Contracts the last axes of its input with the first of a kernel.

  As one product of two matrices: on a CPU, kernel gradients summed over batch
  and length apart take twice the time. Kernels start normal, with a variance of
  one over the number of inputs.

  Attributes:
    shape: of the kernel: input axes, then output axes.
    axes: logical names of the kernel's axes.
    num_input_axes: how many of them are contracted.
  """

  shape: tuple[int, ...]
  axes: tuple[str, ...]
  config: DecoderConfig
  num_input_axes: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    kernel = self.param(
      'kernel',
      nn.with_logical_partitioning(
        nn.initializers.normal(self._num_inputs**-0.5), self.axes
      ),
      self.shape,
      self.config.param_dtype,
    )
    leading = x.shape[: x.ndim - self.num_input_axes]
    x = x.reshape(-1, self._num_inputs)
    y = x @ kernel.astype(self.config.dtype).reshape(self._num_inputs, -1)
    return y.reshape(*leading, *self.shape[self.num_input_axes :])

  @property
  def _num_inputs(self) -> int:
    return math.prod(self.shape[: self.num_input_axes])


class Embedding(nn.Module):
  """Token vectors; also the unembedding of a model that ties the two."""

  config: DecoderConfig

  def setup(self):
    config = self.config
    stddev = 1.0 if config.scaled_logits else config.embed_dim**-0.5
    self.embedding_VD = self.param(
      'embedding',
      nn.with_logical_partitioning(
        nn.initializers.normal(stddev), ('vocab', 'embed')
      ),
      (config.vocab_size, config.embed_dim),
      config.param_dtype,
    )

  def __call__(self, tokens_BL: jax.Array) -> jax.Array:
    x_BLD = jnp.take(self.embedding_VD, tokens_BL, axis=0)
    x_BLD = x_BLD.astype(self.config.dtype)
    if self.config.scaled_embeddings:
      x_BLD *= self.config.embed_dim**0.5
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


class Mlp(nn.Module):
  """A gated MLP (Shazeer 2020, arXiv 2002.05202): SwiGLU or GeGLU."""

  config: DecoderConfig

  @nn.compact
  def __call__(self, x_BLD: jax.Array) -> jax.Array:
    config = self.config
    inward = (config.embed_dim, config.mlp_dim), ('embed', 'mlp'), config
    gate_BLF = Linear(*inward, name='gate')(x_BLD)
    up_BLF = Linear(*inward, name='up')(x_BLD)
    h_BLF = activation(config)(gate_BLF) * up_BLF
    h_BLF = nn.with_logical_constraint(
      h_BLF, ('batch', 'length', 'activation_mlp')
    )
    outward = (config.mlp_dim, config.embed_dim), ('mlp', 'embed'), config
    return Linear(*outward, name='down')(h_BLF)


def activation(config: DecoderConfig) -> Callable[[jax.Array], jax.Array]:
  return {'silu': jax.nn.silu, 'gelu': jax.nn.gelu}[config.activation]
