"""Causal self-attention with rotary positions and shared key-value heads.

Shape suffixes: B batch, L length (of queries), S length (of keys) or slots of a
cache, T taps of a convolution, D embed, N query heads, K key-value heads, G
query heads of a key-value head, H head_dim.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models import convolution, layers, rotary, splash
from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models.attention_inputs import AttentionInputs
from symbol_tuning.models.config import DecoderConfig

MASKED = -1e30  # what a masked score is set to
MAX_BLOCKS = 8  # of a row: more take longer to compile and are hardly faster
BLOCK_MULTIPLE = 128  # of the queries in a block: fewer are not faster


def attend_by_einsum(
  query_BLNH: jax.Array,
  key_BSKH: jax.Array,
  value_BSKH: jax.Array,
  mask_BLS: jax.Array,
  scale: float | None = None,
  soft_cap: float = 0.0,
) -> jax.Array:
  """Attention as two batched matrix products, softmax in float32 between them.

  The same function as jax.nn.dot_product_attention, which has no soft cap;
  `scale`, of the scores, is head_dim ** -0.5 by default. With heads ahead of
  positions and the softmax divided after the second product, its backward pass
  is three times as fast on a CPU.
  """
  num_groups = query_BLNH.shape[2] // key_BSKH.shape[2]
  query_BNLH = query_BLNH.swapaxes(1, 2)
  key_BNSH, value_BNSH = (
    jnp.repeat(x, num_groups, axis=2).swapaxes(1, 2)
    for x in (key_BSKH, value_BSKH)
  )
  scores_BNLS = jnp.einsum(
    'BNLH,BNSH->BNLS',
    query_BNLH,
    key_BNSH,
    preferred_element_type=jnp.float32,
  )
  scores_BNLS *= scale or query_BNLH.shape[-1] ** -0.5
  scores_BNLS = layers.soft_cap(scores_BNLS, soft_cap)
  scores_BNLS = jnp.where(mask_BLS[:, None], scores_BNLS, MASKED)
  largest_BNL1 = jax.lax.stop_gradient(scores_BNLS.max(-1, keepdims=True))
  weights_BNLS = jnp.exp(scores_BNLS - largest_BNL1)
  sums_BNL1 = weights_BNLS.sum(-1, keepdims=True)
  y_BNLH = jnp.einsum(
    'BNLS,BNSH->BNLH',
    weights_BNLS.astype(value_BNSH.dtype),
    value_BNSH,
    preferred_element_type=jnp.float32,
  )
  return (y_BNLH / sums_BNL1).astype(query_BLNH.dtype).swapaxes(1, 2)


def attend_in_blocks(
  query_BLNH: jax.Array,
  key_BLKH: jax.Array,
  value_BLKH: jax.Array,
  mask_BLL: jax.Array,
  scale: float | None = None,
  soft_cap: float = 0.0,
) -> jax.Array:
  """Attention of whole rows by `attend_by_einsum`, some queries at a time.

  The mask must be causal. No block of queries is given the keys after it, so
  that of long rows almost half of the scores are never made.
  """
  length = query_BLNH.shape[1]
  block = -(-length // (MAX_BLOCKS * BLOCK_MULTIPLE)) * BLOCK_MULTIPLE
  y_BLNH = []
  for start in range(0, length, block):
    end = start + block
    y_BLNH.append(
      attend_by_einsum(
        query_BLNH[:, start:end],
        key_BLKH[:, :end],
        value_BLKH[:, :end],
        mask_BLL[:, start:end, :end],
        scale,
        soft_cap,
      )
    )
  return jnp.concatenate(y_BLNH, axis=1)


def attend_with_cache(
  query_BLNH: jax.Array,
  chunk: cache_lib.LayerCache,
  cache: cache_lib.LayerCache,
  mask_BLS: jax.Array,
  scale: float | None = None,
  soft_cap: float = 0.0,
) -> jax.Array:
  """Attention to what is remembered, then to the chunk's own tokens.

  Neither of the two is copied: only their scores are joined.
  """
  batch_size, length, _, head_dim = query_BLNH.shape
  num_kv_heads, num_slots = cache.key_BKSH.shape[1:3]
  query_BLKGH = query_BLNH.reshape(
    batch_size, length, num_kv_heads, -1, head_dim
  )
  product = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  scores_BKGLS = (scale or head_dim**-0.5) * jnp.concatenate(
    [
      product('BLKGH,BKSH->BKGLS', query_BLKGH, key_BKSH)
      for key_BKSH in (cache.key_BKSH, chunk.key_BKSH)
    ],
    axis=-1,
  )
  scores_BKGLS = layers.soft_cap(scores_BKGLS, soft_cap)
  scores_BKGLS = jnp.where(mask_BLS[:, None, None], scores_BKGLS, MASKED)
  weights_BKGLS = jax.nn.softmax(scores_BKGLS).astype(chunk.value_BKSH.dtype)
  y_BLKGH = product(
    'BKGLS,BKSH->BLKGH', weights_BKGLS[..., :num_slots], cache.value_BKSH
  ) + product(
    'BKGLS,BKSH->BLKGH', weights_BKGLS[..., num_slots:], chunk.value_BKSH
  )
  return y_BLKGH.astype(query_BLNH.dtype).reshape(query_BLNH.shape)


class Attention(nn.Module):
  """Multi-query, grouped-query or multi-head attention, by num_kv_heads."""

  config: DecoderConfig

  @nn.compact
  def __call__(
    self,
    x_BLD: jax.Array,
    inputs: AttentionInputs,
    cache: cache_lib.LayerCache | None = None,
    kind: jax.Array | None = None,
  ) -> tuple[jax.Array, cache_lib.LayerCache | None]:
    """Attends among the tokens of x_BLD and to those that are remembered.

    Args:
      x_BLD: the tokens.
      inputs: what to see.
      cache: what is remembered of the tokens before, if anything.
      kind: index of the layer's kind; None if all are of one.

    Returns:
      What the residual stream gains, BLD, and what is to be remembered of these
      tokens (see `kv_cache.append`); None without a cache.
    """
    config = self.config
    project = functools.partial(self._project, x_BLD, inputs, cache)
    query_BLNH, query_taps = project('query', 'heads')
    key_BLKH, key_taps = project('key', 'kv_heads')
    value_BLKH, value_taps = project('value', 'kv_heads')
    view = inputs.view(kind)
    query_BLNH = self._turn(query_BLNH, view.rotation, 'query', 'heads')
    key_BLKH = self._turn(key_BLKH, view.rotation, 'key', 'kv_heads')
    if cache is None:
      chunk = None
      y_BLNH = self._attend_to_row(
        (query_BLNH, key_BLKH, value_BLKH),
        view.mask_BLS,
        inputs.segment_ids_BL,
        kind,
      )
    else:
      taps = {'query': query_taps, 'key': key_taps, 'value': value_taps}
      assert view.mask_BLS is not None  # The kernel is for whole rows only.
      chunk = cache_lib.LayerCache(
        key_BKSH=key_BLKH.swapaxes(1, 2),
        value_BKSH=value_BLKH.swapaxes(1, 2),
        taps_BTNH={n: x for n, x in taps.items() if x is not None},
      )
      y_BLNH = attend_with_cache(
        query_BLNH,
        chunk,
        cache,
        view.mask_BLS,
        config.attention_scale or None,
        config.attention_soft_cap,
      )
    y_BLD = layers.Linear(
      (config.num_heads, config.head_dim, config.embed_dim),
      ('heads', 'head_dim', 'embed'),
      config,
      num_input_axes=2,
      bias=config.output_bias,
      name='output',
    )(y_BLNH)
    return y_BLD, chunk

  def _turn(
    self, x_BLNH: jax.Array, rotation: rotary.Rotation, name: str, heads: str
  ) -> jax.Array:
    """Queries or keys, normalized if asked, turned by their positions."""
    if self.config.qk_norm != 'none':
      axes = {'head': ('head_dim',), 'projection': (heads, 'head_dim')}
      x_BLNH = layers.Norm(
        self.config, axes[self.config.qk_norm], name=f'{name}_norm'
      )(x_BLNH)
    return rotary.rotate(x_BLNH, rotation)

  def _attend_to_row(
    self,
    query_key_value: tuple[jax.Array, jax.Array, jax.Array],
    mask_BLS: jax.Array | None,
    segment_ids_BL: jax.Array | None,
    kind: jax.Array | None,
  ) -> jax.Array:
    """Queries, keys, values → what is seen of the row, by the chosen kernel."""
    config = self.config
    scale = config.attention_scale or None
    if mask_BLS is None:
      return splash.attend(
        *query_key_value,
        scale,
        segment_ids_BL,
        soft_cap=config.attention_soft_cap,
        windows=splash.windows(config),
        kind=kind,
      )
    if config.attention_implementation == 'cudnn':
      # A fused kernel of NVIDIA GPUs, for 16-bit activations.
      return jax.nn.dot_product_attention(
        *query_key_value,
        mask=mask_BLS[:, None],
        scale=scale,
        implementation='cudnn',
      )
    return attend_in_blocks(
      *query_key_value, mask_BLS, scale, config.attention_soft_cap
    )

  def _project(
    self,
    x_BLD: jax.Array,
    inputs: AttentionInputs,
    cache: cache_lib.LayerCache | None,
    name: str,
    heads: str,
  ) -> tuple[jax.Array, jax.Array | None]:
    """x_BLD → queries, keys or values, BLNH or BLKH, convolved if asked.

    Returns:
      Them, and the convolution's last inputs, BTNH or BTKH, where a cache needs
      them.
    """
    config = self.config
    num_heads = {'heads': config.num_heads, 'kv_heads': config.num_kv_heads}
    y_BLNH = layers.Linear(
      (config.embed_dim, num_heads[heads], config.head_dim),
      ('embed', heads, 'head_dim'),
      config,
      bias=config.qkv_bias,
      name=name,
    )(x_BLD)
    taps_BTNH = None
    if config.conv_width:
      convolve = convolution.CausalConvolution(
        (heads, 'head_dim'), config, name=f'{name}_convolution'
      )
      if cache is None:
        y_BLNH = convolve(
          y_BLNH, inputs.segment_ids_BL, inputs.predecessors_BLT
        )
      else:
        assert inputs.num_tokens_B is not None  # It comes with a cache.
        y_BLNH, taps_BTNH = convolution.resume(
          convolve, cache.taps_BTNH[name], y_BLNH, inputs.num_tokens_B
        )
    y_BLNH = nn.with_logical_constraint(
      y_BLNH,
      ('batch', 'length', f'activation_{heads}', 'activation_head_dim'),
    )
    return y_BLNH, taps_BTNH
