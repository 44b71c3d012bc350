"""Attention against JAX's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.models import attention, masks


def _inputs(length, num_kv_heads=2):
  shapes = [(2, length, n, 4) for n in (4, num_kv_heads, num_kv_heads)]
  keys = jax.random.split(jax.random.key(0), 3)
  return map(jax.random.normal, keys, shapes)


def _values_and_gradients(attend, inputs, mask):
  def loss(*inputs):
    y = attend(*inputs, mask)
    return jnp.sin(y).sum(), y

  return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(*inputs)


def _assert_close(found, expected):
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
    found,
    expected,
  )


@pytest.mark.parametrize('num_kv_heads', [1, 2, 4])
def test_einsum_attention_is_jax_attention(num_kv_heads):
  segments = jnp.array([[1] * 4 + [2] * 5, [1] * 7 + [0] * 2])
  mask = masks.causal_mask(9, segments)

  def theirs(query, key, value, mask):
    return jax.nn.dot_product_attention(query, key, value, mask=mask[:, None])

  found, expected = (
    _values_and_gradients(attend, _inputs(9, num_kv_heads), mask)
    for attend in (attention.attend_by_einsum, theirs)
  )
  _assert_close(found, expected)


@pytest.mark.parametrize('length', [128, 300])
def test_blocks_of_queries_change_nothing(length):
  index = jnp.arange(length)
  mask = masks.causal_mask(
    length,
    jnp.stack([index // 150, index // 70]),
    jnp.stack([index % 150 // 50, index // 20 % 3]),
  )
  mask = masks.local_mask(mask, index[None], index[None], 60)
  found, expected = (
    _values_and_gradients(attend, _inputs(length), mask)
    for attend in (attention.attend_in_blocks, attention.attend_by_einsum)
  )
  _assert_close(found, expected)


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
