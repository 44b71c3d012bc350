"""Splash attention, interpreted, against attention with a mask."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from symbol_tuning.models import attention, masks, parameters, splash
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

LENGTH = 200  # more than a block of 128, and no multiple of one
SEGMENTS = np.repeat([[1] * 3 + [2] * 5, [1] * 7 + [0]], 25, axis=1)
RULES = (
  ('batch', ('data', 'fsdp')),
  ('heads', 'tensor'),
  ('activation_heads', 'tensor'),
)
TINY = DecoderConfig(50, 2, 16, 4, 2, 8, 24, attention_implementation='splash')


@pytest.fixture
def small_blocks(monkeypatch):
  """Two blocks a row: what the kernel skips is then tested too."""
  monkeypatch.setattr(splash, 'BLOCK', 128)


def _inputs(num_kv_heads):
  keys = jax.random.split(jax.random.key(0), 4)
  heads = (4, num_kv_heads, num_kv_heads, 4)
  return [
    jax.random.normal(key, (2, LENGTH, num_heads, 8))
    for key, num_heads in zip(keys, heads, strict=True)
  ]


def _value_and_gradients(attend, query, key, value, cotangent):
  @jax.jit
  def run(*inputs):
    y, pull = jax.vjp(attend, *inputs)
    return y, *pull(cotangent)

  return run(query, key, value)


def _assert_same_attention(inputs, segment_ids, window=0, soft_cap=0.0):
  mask = masks.causal_mask(LENGTH, segment_ids)
  if window:
    positions = jnp.arange(LENGTH)[None]
    mask = masks.local_mask(mask, positions, positions, window)
  expected = _value_and_gradients(
    functools.partial(
      attention.attend_by_einsum, mask_BLS=mask, soft_cap=soft_cap
    ),
    *inputs,
  )
  found = _value_and_gradients(
    functools.partial(
      splash.attend,
      segment_ids_BL=segment_ids,
      soft_cap=soft_cap,
      windows=(0, 33),
      kind=jnp.int32(window > 0),
    ),
    *inputs,
  )
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize('num_kv_heads', [1, 2, 4])
def test_it_is_attention_with_a_mask(num_kv_heads, small_blocks):
  _assert_same_attention(_inputs(num_kv_heads), jnp.array(SEGMENTS))


def test_rows_may_be_one_segment():
  _assert_same_attention(_inputs(2), None)


def test_attention_may_be_local(small_blocks):
  _assert_same_attention(_inputs(2), jnp.array(SEGMENTS), window=33)


def test_scores_may_be_bounded(small_blocks):
  _assert_same_attention(_inputs(2), jnp.array(SEGMENTS), soft_cap=0.5)


@pytest.mark.parametrize('num_kv_heads', [1, 2])
def test_a_mesh_changes_nothing(num_kv_heads):
  """Also where a device's key-value heads are not those of its queries."""
  devices = np.array(jax.devices()[:4]).reshape(1, 2, 2)
  mesh = Mesh(devices, ('data', 'fsdp', 'tensor'))
  with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
    _assert_same_attention(_inputs(num_kv_heads), jnp.array(SEGMENTS))


def test_a_decoder_gives_the_same_logits_without_its_mask():
  params = jax.tree.map(
    lambda x: jnp.full(x.shape, 0.1).at[..., ::3].set(-0.2),
    parameters.abstract_params(Decoder(TINY)),
  )
  tokens = np.random.default_rng(0).integers(0, 50, (1, 130))

  def logits(implementation, *inputs):
    config = dataclasses.replace(TINY, attention_implementation=implementation)
    apply = functools.partial(Decoder(config).apply, {'params': params})
    return jax.make_jaxpr(apply)(*inputs), jax.jit(apply)(*inputs)

  program, found = logits('splash', tokens)
  assert '1,130,130' not in str(program)
  program, expected = logits('xla', tokens)
  assert '1,130,130' in str(program)
  np.testing.assert_allclose(found, expected, atol=1e-4)
  _, elsewhere = logits('auto', tokens)
  np.testing.assert_array_equal(elsewhere, expected)


def test_auto_asks_what_the_program_is_for():
  config = dataclasses.replace(TINY, attention_implementation='auto')
  assert not splash.is_chosen(config)
  tpu = jax.sharding.AbstractDevice('TPU v5e', 1, 'tpu')
  mesh = jax.sharding.AbstractMesh((1,), ('data',), abstract_device=tpu)
  with jax.sharding.use_abstract_mesh(mesh):
    assert splash.is_chosen(config)
