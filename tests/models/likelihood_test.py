"""Chunked and gathered log-likelihoods against the plain computation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symbol_tuning.models import likelihood, parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

MODEL = Decoder(DecoderConfig(53, 2, 16, 2, 1, 8, 24))
ROWS, LENGTH, VOCABULARY = 3, 11, 53


@pytest.fixture(scope='module')
def params():
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: rng.normal(size=x.shape, scale=0.3).astype(np.float32),
    parameters.abstract_params(MODEL),
  )


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  tokens = rng.integers(0, VOCABULARY, (ROWS, LENGTH + 1))
  weights = np.zeros((ROWS, LENGTH), np.int32)
  weights[0, [2, 5, 10]] = 1
  weights[1, [0]] = 1
  return {
    'decoder_input_tokens': tokens[:, :-1],
    'decoder_target_tokens': tokens[:, 1:],
    'decoder_loss_weights': weights,
    'decoder_positions': np.tile([*range(6), *range(5)], (ROWS, 1)),
    'decoder_segment_ids': np.tile([1] * 6 + [2] * 5, (ROWS, 1)),
  }


def _plain(params, batch):
  logits = MODEL.apply(
    {'params': params},
    batch['decoder_input_tokens'],
    batch['decoder_positions'],
    batch['decoder_segment_ids'],
  )
  targets = batch['decoder_target_tokens'][..., None]
  return jnp.take_along_axis(jax.nn.log_softmax(logits), targets, -1)[..., 0]


def _weighted_sum(values, weights):
  return (values * weights).sum()


def _assert_close(a, b):
  np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('chunk_size', [1, 4, 64])
def test_chunks_do_not_change_values_or_gradients(params, batch, chunk_size):
  weights = np.random.default_rng(1).normal(size=(ROWS, LENGTH))

  def ours(params):
    values = likelihood.target_log_likelihoods(MODEL, params, batch, chunk_size)
    return _weighted_sum(values, weights), values

  def theirs(params):
    values = _plain(params, batch)
    return _weighted_sum(values, weights), values

  (gradients, values), (expected_gradients, expected) = (
    jax.jit(jax.grad(f, has_aux=True))(params) for f in (ours, theirs)
  )
  assert values.shape == (ROWS, LENGTH)
  _assert_close(values, expected)
  jax.tree.map(_assert_close, gradients, expected_gradients)


@pytest.mark.parametrize('chunk_size', [2, 64])
def test_smoothed_labels_are_those_of_optax(params, batch, chunk_size):
  def ours(params):
    result = likelihood.weighted_log_likelihoods(
      MODEL, params, batch, 3, chunk_size, label_smoothing=0.2
    )
    return -_weighted_sum(result.values_BP, result.weights_BP)

  def theirs(params):
    logits = MODEL.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      batch['decoder_positions'],
      batch['decoder_segment_ids'],
    )
    targets = jax.nn.one_hot(batch['decoder_target_tokens'], VOCABULARY)
    losses = optax.softmax_cross_entropy(
      logits, optax.smooth_labels(targets, 0.2)
    )
    return _weighted_sum(losses, batch['decoder_loss_weights'])

  results = [jax.jit(jax.value_and_grad(f))(params) for f in (ours, theirs)]
  jax.tree.map(_assert_close, *results)


@pytest.mark.parametrize('num_positions', [3, 11])
def test_gathered_positions_give_the_same_loss(params, batch, num_positions):
  weights = batch['decoder_loss_weights']

  def ours(params):
    found = likelihood.weighted_log_likelihoods(
      MODEL, params, batch, num_positions, chunk_size=2
    )
    assert found.values_BP.shape == (ROWS, num_positions)
    return _weighted_sum(found.values_BP, found.weights_BP)

  def theirs(params):
    return _weighted_sum(_plain(params, batch), weights)

  loss, gradients = jax.jit(jax.value_and_grad(ours))(params)
  expected, expected_gradients = jax.jit(jax.value_and_grad(theirs))(params)
  _assert_close(loss, expected)
  jax.tree.map(_assert_close, gradients, expected_gradients)


def test_gathering_keeps_the_order_of_the_first_that_fit():
  x = jnp.arange(10.0).reshape(2, 5, 1)
  targets = jnp.arange(10).reshape(2, 5)
  weights = jnp.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0]])
  found = likelihood.gather_weighted_positions(x, targets, weights, 2)
  np.testing.assert_array_equal(found.targets_BP[0], [1, 3])
  np.testing.assert_array_equal(found.x_BPD[0, :, 0], [1, 3])
  np.testing.assert_array_equal(found.weights_BP, [[1, 1], [1, 0]])
  assert found.targets_BP[1, 0] == 8


def test_no_array_of_all_logits_exists(params, batch):
  def shapes(chunk_size):
    def loss(params):
      return likelihood.target_log_likelihoods(
        MODEL, params, batch, chunk_size
      ).sum()

    return jax.jit(jax.grad(loss)).lower(params).compile().as_text()

  whole = f'[{ROWS},{LENGTH},{VOCABULARY}]'
  flat = f'[{ROWS * LENGTH},{VOCABULARY}]'
  chunked, unchunked = shapes(4), shapes(LENGTH)
  assert whole in unchunked or flat in unchunked
  assert whole not in chunked
  assert flat not in chunked
