import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.models import parameters
from symbol_tuning.training import step

LENGTHS = (5, 3, 6)


@pytest.fixture(scope='module')
def examples():
  """Token sequences; the targets are the last two of each."""
  rng = np.random.default_rng(0)
  return [rng.integers(1, 32, n + 1, dtype=np.int32) for n in LENGTHS]


def rows_of(packing, rows=3, length=16):
  """A batch from lists of examples, one list for each row; then padding."""
  batch = {
    name: np.zeros((rows, length), np.int32)
    for name in (
      'decoder_input_tokens',
      'decoder_target_tokens',
      'decoder_loss_weights',
      'decoder_positions',
      'decoder_segment_ids',
    )
  }
  for row, packed in enumerate(packing):
    start = 0
    for segment, tokens in enumerate(packed, start=1):
      end = start + len(tokens) - 1
      place = row, slice(start, end)
      batch['decoder_input_tokens'][place] = tokens[:-1]
      batch['decoder_target_tokens'][place] = tokens[1:]
      batch['decoder_loss_weights'][row, end - 2 : end] = 1
      batch['decoder_positions'][place] = np.arange(end - start)
      batch['decoder_segment_ids'][place] = segment
      start = end
  return batch


@functools.cache
def compiled(model, loss):
  """Random parameters, and the function to the mean loss and its gradient."""

  def mean_loss(params, batch):
    total, sums = loss(model, params, batch, jax.random.PRNGKey(0))
    return total / sums.weights

  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda array: jnp.asarray(rng.normal(0, 0.5, array.shape), array.dtype),
    parameters.abstract_params(model),
  )
  return params, jax.jit(jax.value_and_grad(mean_loss))


def loss_and_gradient(model, batch, loss=None):
  params, function = compiled(model, loss or step.Loss())
  return function(params, batch)


def assert_same(actual, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    actual,
    expected,
  )


@pytest.mark.parametrize('conv_width', [0, 3])
def test_packed_and_unpacked_agree(make_model, examples, conv_width):
  model = make_model(conv_width=conv_width)
  packed = rows_of([examples])
  unpacked = rows_of([[example] for example in examples])
  assert_same(
    loss_and_gradient(model, packed), loss_and_gradient(model, unpacked)
  )


def test_looking_at_few_positions_changes_nothing(make_model, examples):
  model = make_model()
  batch = rows_of([examples, examples[1:]])
  assert_same(
    loss_and_gradient(model, batch, step.Loss(positions_per_row=6)),
    loss_and_gradient(model, batch, step.Loss(chunk_size=5)),
  )


def test_tokens_without_weight_do_not_change_the_loss(make_model, examples):
  model = make_model()
  batch = rows_of([examples])
  loss, _ = loss_and_gradient(model, batch)
  padding = batch['decoder_segment_ids'] == 0
  batch['decoder_input_tokens'][padding] = 9
  batch['decoder_target_tokens'][batch['decoder_loss_weights'] == 0] = 9
  changed, _ = loss_and_gradient(model, batch)
  np.testing.assert_allclose(changed, loss, rtol=1e-6)
  batch['decoder_target_tokens'][batch['decoder_loss_weights'] == 1] = 9
  changed, _ = loss_and_gradient(model, batch)
  assert abs(changed - loss) > 1e-3
