"""The decoder: what it may see, and that its variants agree."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_models
from tiny_models import GEMMA, LLAMA, PALM, of_families, random_params

from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints.parameter_specs import FIELDS_OF_AXES
from symbol_tuning.models.decoder import Decoder

UNTIED = dataclasses.replace(LLAMA, tied_embeddings=False, activation='gelu')
FAMILIES = of_families(untied=UNTIED)


def _tokens(*shape):
  return np.random.default_rng(0).integers(0, LLAMA.vocab_size, shape)


def _logits(config, params, *inputs, **kwargs):
  method = kwargs.pop('method', None)
  apply = jax.jit(functools.partial(Decoder(config).apply, method=method))
  return np.asarray(apply({'params': params}, *inputs, **kwargs))


def _assert_close(a, b, tolerance=2e-5):
  np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


@FAMILIES
def test_a_token_does_not_see_later_ones(config):
  params = random_params(config)
  tokens = _tokens(1, 8)
  changed = tokens.copy()
  changed[0, 5] = (changed[0, 5] + 1) % config.vocab_size
  before, after = (_logits(config, params, x) for x in (tokens, changed))
  _assert_close(before[:, :5], after[:, :5])
  assert (np.abs(before[:, 5:] - after[:, 5:]).max(axis=(0, 2)) > 1e-3).all()


@FAMILIES
def test_packed_examples_do_not_see_each_other(config):
  params = random_params(config)
  first, second = _tokens(1, 4), _tokens(1, 5) + 1
  packed = np.concatenate([first, second, np.zeros((1, 3), int)], axis=1)
  positions = np.array([[*range(4), *range(5), 0, 0, 0]])
  segments = np.array([[1] * 4 + [2] * 5 + [0] * 3])
  logits = _logits(config, params, packed, positions, segments)
  _assert_close(logits[:, :4], _logits(config, params, first))
  _assert_close(logits[:, 4:9], _logits(config, params, second))
  assert np.isfinite(logits).all()


@FAMILIES
def test_scanned_and_unscanned_layers_give_the_same_logits(config):
  params = random_params(config)
  unscanned = dataclasses.replace(config, scan_layers=False)
  unstacked = tiny_models.unstack_layers(params)
  tokens = _tokens(2, 7)
  _assert_close(
    _logits(config, params, tokens), _logits(unscanned, unstacked, tokens)
  )
  abstract = parameters.abstract_params(Decoder(unscanned))
  assert jax.tree.map(jnp.shape, unstacked) == jax.tree.map(
    lambda x: x.shape, abstract
  )


@pytest.mark.parametrize('scan_layers', [True, False])
def test_recomputing_does_not_change_gradients(scan_layers):
  config = dataclasses.replace(LLAMA, scan_layers=scan_layers)
  params = random_params(config)
  tokens = _tokens(2, 6)

  def gradients(config):
    def loss(params):
      logits = Decoder(config).apply({'params': params}, tokens)
      return jnp.square(logits).mean()

    return jax.jit(jax.grad(loss))(params)

  expected = gradients(config)
  for remat in ('minimal', 'full'):
    recomputed = gradients(dataclasses.replace(config, remat=remat))
    jax.tree.map(_assert_close, recomputed, expected)


def test_positions_matter_only_by_their_distance():
  params = random_params(LLAMA)
  tokens, positions = _tokens(1, 6), np.arange(6)[None]
  logits = _logits(LLAMA, params, tokens, positions)
  _assert_close(logits, _logits(LLAMA, params, tokens, positions + 7), 1e-4)
  stretched = _logits(LLAMA, params, tokens, positions * 2)
  assert np.abs(logits - stretched).max() > 1e-2


def test_parallel_block_is_the_one_of_the_paper():
  """Against PaLM's y = x + MLP(LN(x)) + Attention(LN(x)) in plain NumPy."""
  config = dataclasses.replace(PALM, num_layers=1)
  params = random_params(config)
  block = jax.tree.map(lambda x: x[0], params['layers'])
  embedding_VD = params['token_embedding']['embedding']
  tokens = _tokens(1, 1)

  def norm(x, scale):
    return scale * (x - x.mean()) / np.sqrt(x.var() + config.norm_epsilon)

  x = embedding_VD[tokens[0, 0]]
  y = norm(x, block['norm']['scale'])
  gate = y @ block['mlp']['gate']['kernel']
  gate = gate / (1 + np.exp(-gate))
  mlp = gate * (y @ block['mlp']['up']['kernel'])
  # A token alone attends to itself: every head returns the one value.
  value = y @ block['attention']['value']['kernel'][:, 0]
  heads = np.tile(value, config.num_heads)
  output = block['attention']['output']['kernel'].reshape(heads.size, -1)
  x = x + mlp @ block['mlp']['down']['kernel'] + heads @ output
  x = norm(x, params['final_norm']['scale'])
  expected = embedding_VD @ x / np.sqrt(config.embed_dim)
  _assert_close(_logits(config, params, tokens)[0, 0], expected)


def test_local_layers_see_a_window_and_global_layers_everything():
  """Two windows of three tokens reach four tokens back."""
  tokens = _tokens(1, 9)
  changed = tokens.copy()
  changed[0, 0] ^= 1
  for kinds, first_unseeing in ((('local', 'global'), None), (('local',), 5)):
    config = dataclasses.replace(GEMMA, layer_kinds=kinds)
    params = random_params(config)
    before, after = (_logits(config, params, x) for x in (tokens, changed))
    differs = (np.abs(before - after) > 1e-5).any(axis=(0, 2))
    assert differs[:first_unseeing].all()
    assert first_unseeing is None or not differs[first_unseeing:].any()


def test_dropout_needs_a_key():
  config = dataclasses.replace(LLAMA, dropout_rate=0.5)
  params = random_params(config)
  tokens = _tokens(1, 6)
  plain = _logits(config, params, tokens)
  np.testing.assert_array_equal(plain, _logits(LLAMA, params, tokens))
  dropped = [
    _logits(config, params, tokens, rngs={'dropout': jax.random.key(i)})
    for i in range(2)
  ]
  assert np.abs(dropped[0] - plain).max() > 1e-2
  assert np.abs(dropped[0] - dropped[1]).max() > 1e-2


def test_bfloat16_activations_keep_float32_parameters_and_logits():
  config = dataclasses.replace(LLAMA, dtype='bfloat16')
  model = Decoder(config)
  params = random_params(config)
  dtypes = {x.dtype for x in jax.tree.leaves(parameters.abstract_params(model))}
  assert dtypes == {jnp.dtype('float32')}
  tokens = _tokens(2, 6)
  logits = _logits(config, params, tokens)
  assert logits.dtype == np.float32
  exact = _logits(LLAMA, params, tokens)
  assert 0 < np.abs(logits - exact).max() < 0.2
  hidden = _logits(config, params, tokens, method='hidden_states')
  assert hidden.dtype == jnp.bfloat16


@pytest.mark.parametrize(
  ('layers', 'width', 'heads', 'mlp', 'billions'),
  [
    (32, 4096, 16, 16384, 8.6),
    (64, 8192, 32, 32768, 62.5),
    (118, 18432, 48, 73728, 540.4),
  ],
)
def test_palm_has_as_many_parameters_as_published(
  layers, width, heads, mlp, billions
):
  config = dataclasses.replace(
    PALM,
    vocab_size=256_000,
    num_layers=layers,
    embed_dim=width,
    num_heads=heads,
    head_dim=256,
    mlp_dim=mlp,
  )
  count = parameters.num_params(Decoder(config))
  assert round(count / 1e9, 1) == billions


@FAMILIES
def test_every_axis_of_every_parameter_has_a_name(config):
  model = Decoder(config)
  jax.tree.map(
    lambda x, names: np.testing.assert_equal(
      x.shape, [getattr(config, FIELDS_OF_AXES[name]) for name in names]
    ),
    parameters.abstract_params(model),
    parameters.logical_axes(model),
  )


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'norm': 'batch'}, "norm is 'batch'; choose one of rms, layer"),
    ({'remat': 'all'}, "remat is 'all'; choose one of none, minimal, full"),
    ({'dtype': 'float64'}, "dtype is 'float64'; choose one of float32, bf"),
    ({'param_dtype': 'int8'}, "param_dtype is 'int8'; choose one of float32"),
    ({'dropout_rate': 1.0}, 'dropout_rate is 1.0; it is a share'),
    ({'dropout_rate': -0.1}, 'dropout_rate is -0.1; it is a share'),
    ({'dropout_rate': float('nan')}, 'dropout_rate is nan; it is a share'),
    ({'num_kv_heads': 3}, r'num_heads \(4\) is not a multiple'),
    ({'head_dim': 7}, 'head_dim is 7; RoPE needs it even'),
    ({'parallel_block': True, 'post_norms': True}, 'post_norms is of serial'),
  ],
)
def test_impossible_configurations_are_named(change, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(LLAMA, **change)
