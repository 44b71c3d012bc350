"""Chunked and gathered log-likelihoods against the plain computation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_models

from symbol_tuning.models import likelihood
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

CONFIG = DecoderConfig(53, 2, 16, 2, 1, 8, 24)
MODEL = Decoder(CONFIG)
PARAMS = tiny_models.random_params(CONFIG)
ROWS, LENGTH, VOCABULARY = 3, 11, 53


TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (ROWS, LENGTH + 1))
BATCH = {
  'decoder_input_tokens': TOKENS[:, :-1],
  'decoder_target_tokens': TOKENS[:, 1:],
  'decoder_positions': np.tile([*range(6), *range(5)], (ROWS, 1)),
  'decoder_segment_ids': np.tile([1] * 6 + [2] * 5, (ROWS, 1)),
}
EVERY = np.random.default_rng(1).normal(size=(ROWS, LENGTH))
FEW = np.zeros((ROWS, LENGTH), np.int32)
FEW[[0, 0, 0, 1], [2, 5, 10, 0]] = 1


def _assert_close(a, b):
  np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
  ('weights', 'num_positions', 'chunk_size', 'label_smoothing'),
  [
    *((EVERY, LENGTH, chunk_size, 0.0) for chunk_size in (1, 4, 64)),
    *((FEW, num_positions, 2, 0.0) for num_positions in (3, LENGTH)),
    *((FEW, 3, chunk_size, 0.2) for chunk_size in (2, 64)),
  ],
)
def test_values_and_gradients_are_those_of_optax(
  weights, num_positions, chunk_size, label_smoothing
):
  batch = BATCH | {'decoder_loss_weights': weights}

  def ours(params):
    found = likelihood.weighted_log_likelihoods(
      MODEL,
      params,
      batch,
      num_positions,
      chunk_size,
      label_smoothing=label_smoothing,
    )
    return (found.values_BP * found.weights_BP).sum(), found

  def theirs(params):
    logits = MODEL.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      batch['decoder_positions'],
      batch['decoder_segment_ids'],
    )
    targets = jax.nn.one_hot(batch['decoder_target_tokens'], VOCABULARY)
    values = -optax.softmax_cross_entropy(
      logits, optax.smooth_labels(targets, label_smoothing)
    )
    return (values * weights).sum(), values

  (gradients, found), (expected_gradients, expected) = (
    jax.jit(jax.grad(f, has_aux=True))(PARAMS) for f in (ours, theirs)
  )
  assert found.values_BP.shape == (ROWS, num_positions)
  _assert_close(found.values_BP[found.weights_BP != 0], expected[weights != 0])
  jax.tree.map(_assert_close, gradients, expected_gradients)


def test_gathering_keeps_the_order_of_the_first_that_fit():
  x = jnp.arange(10.0).reshape(2, 5, 1)
  targets = jnp.arange(10).reshape(2, 5)
  weights = jnp.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0]])
  x, targets, weights = likelihood.gather_weighted_positions(
    x, targets, weights, 2
  )
  np.testing.assert_array_equal(targets[0], [1, 3])
  np.testing.assert_array_equal(x[0, :, 0], [1, 3])
  np.testing.assert_array_equal(weights, [[1, 1], [1, 0]])
  assert targets[1, 0] == 8


def test_no_array_of_all_logits_exists():
  def shapes(chunk_size):
    def loss(params):
      return likelihood.weighted_log_likelihoods(
        MODEL,
        params,
        BATCH | {'decoder_loss_weights': EVERY},
        LENGTH,
        chunk_size,
      ).values_BP.sum()

    return jax.jit(jax.grad(loss)).lower(PARAMS).compile().as_text()

  whole = f'[{ROWS},{LENGTH},{VOCABULARY}]'
  flat = f'[{ROWS * LENGTH},{VOCABULARY}]'
  chunked, unchunked = shapes(4), shapes(LENGTH)
  assert whole in unchunked or flat in unchunked
  assert whole not in chunked
  assert flat not in chunked
