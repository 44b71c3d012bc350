import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from symbol_tuning.training import gradients

PARAMS = {'w': jnp.array([0.5, -1.5])}
AXES = {'w': PartitionSpec('embed')}
BATCH = {'x': np.arange(24.0).reshape(12, 2), 'count': np.arange(12)}


def summed_loss(params, batch, rng):
  value = jnp.sum(jnp.square(batch['x'] @ params['w']))
  return value, (batch['count'].sum(), jax.random.normal(rng))


def summed(num_microbatches):
  return gradients.summed(
    summed_loss, PARAMS, BATCH, jax.random.key(0), num_microbatches, AXES
  )


@pytest.mark.parametrize('num_microbatches', [2, 3, 12])
def test_parts_add_up(num_microbatches):
  gradient, (count, _) = summed(num_microbatches)
  expected, (expected_count, _) = summed(1)
  np.testing.assert_allclose(gradient['w'], expected['w'], rtol=1e-6)
  assert count == expected_count


def test_each_part_draws_random_numbers_of_its_own():
  _, (_, two) = summed(2)
  _, (_, four) = summed(4)
  keys = [jax.random.fold_in(jax.random.key(0), i) for i in range(4)]
  numbers = np.array([jax.random.normal(key) for key in keys])
  np.testing.assert_allclose([two, four], [numbers[:2].sum(), numbers.sum()])


def test_gradients_of_bfloat16_parameters_add_up_in_float32():
  """A bfloat16 sum of ones stays at 256."""
  params = {'w': jnp.ones(2, jnp.bfloat16)}
  batch = {'x': jnp.ones((300, 2))}

  def loss(params, batch, rng):
    del rng
    return jnp.sum(batch['x'] * params['w']), ()

  gradient, _ = gradients.summed(
    loss, params, batch, jax.random.key(0), 300, AXES
  )
  np.testing.assert_array_equal(gradient['w'], [300, 300])
