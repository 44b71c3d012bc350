"""Attention against JAX's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.models import attention, masks


@pytest.mark.parametrize('num_kv_heads', [1, 2, 4])
def test_einsum_attention_is_jax_attention(num_kv_heads):
  keys = jax.random.split(jax.random.key(0), 4)
  query = jax.random.normal(keys[0], (2, 9, 4, 8))
  key, value = (
    jax.random.normal(k, (2, 9, num_kv_heads, 8)) for k in keys[1:3]
  )
  segments = jnp.array([[1] * 4 + [2] * 5, [1] * 7 + [0] * 2])
  mask = masks.causal_mask(9, segments)
  cotangent = jax.random.normal(keys[3], query.shape)

  def theirs(query, key, value):
    return jax.nn.dot_product_attention(query, key, value, mask=mask[:, None])

  def ours(query, key, value):
    return attention.attend_by_einsum(query, key, value, mask)

  @functools.partial(jax.jit, static_argnums=0)
  def value_and_gradients(attend, *inputs):
    y, pull = jax.vjp(attend, *inputs)
    return y, *pull(cotangent)

  for expected, found in zip(
    value_and_gradients(theirs, query, key, value),
    value_and_gradients(ours, query, key, value),
    strict=True,
  ):
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _inputs(length):
  shapes = [(2, length, heads, 4) for heads in (4, 2, 2)]
  keys = jax.random.split(jax.random.key(0), 3)
  return map(jax.random.normal, keys, shapes)


@pytest.mark.parametrize('length', [128, 300])
def test_blocks_of_queries_change_nothing(length):
  index = jnp.arange(length)
  mask = masks.causal_mask(
    length,
    jnp.stack([index // 150, index // 70]),
    jnp.stack([index % 150 // 50, index // 20 % 3]),
  )
  mask = masks.local_mask(mask, index[None], index[None], 60)

  def value_and_gradients(attend):
    def loss(*inputs):
      return jnp.sin(attend(*inputs, mask)).sum()

    return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(*_inputs(length))

  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
    value_and_gradients(attention.attend_in_blocks),
    value_and_gradients(attention.attend_by_einsum),
  )


def test_of_long_rows_blocks_leave_out_scores_that_are_masked():
  mask = masks.causal_mask(1024)

  def flops(attend):
    lowered = jax.jit(attend).lower(*_inputs(1024), mask)
    return lowered.cost_analysis()['flops']

  blocks = flops(attention.attend_in_blocks)
  assert blocks < 0.6 * flops(attention.attend_by_einsum)


def test_large_scores_do_not_overflow():
  query = jnp.full((1, 2, 1, 2), 1e4)
  y = attention.attend_by_einsum(
    query, query, jnp.ones((1, 2, 1, 2)), masks.causal_mask(2)
  )
  np.testing.assert_allclose(y, 1.0)
