"""Reading on from a cache, against reading everything at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from tiny_models import LLAMA, PALM, of_families, random_params

from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models.decoder import Decoder

UNSCANNED = dataclasses.replace(
  PALM, conv_width=3, remat='full', scan_layers=False
)


@functools.cache
def methods(config):
  """`hidden_states` and `extend` with random parameters, compiled."""
  variables = {'params': random_params(config)}
  apply = Decoder(config).apply
  extend = functools.partial(apply, variables, method='extend')
  hidden_states = functools.partial(apply, variables, method='hidden_states')
  return (
    jax.jit(hidden_states),
    jax.jit(extend, static_argnames='num_readable'),
  )


@of_families(unscanned=UNSCANNED)
def test_chunks_of_ragged_rows_give_the_hidden_states_of_each_row(config):
  """Rows of other lengths in every chunk; one has no tokens in the second."""
  hidden_states, extend = methods(config)
  rng = np.random.default_rng(1)
  rows = rng.integers(0, 50, (3, 9))
  whole = np.asarray(hidden_states(rows))
  cache = cache_lib.empty(config, batch_size=3, num_slots=16)
  read = np.zeros(3, int)
  for sizes, num_readable in (
    ([5, 2, 1], 0),
    ([1, 0, 3], None),
    ([3, 4, 1], None),
  ):
    chunk = rng.integers(0, 50, (3, 5))  # what is not overwritten is padding
    for row, size in enumerate(sizes):
      chunk[row, :size] = rows[row, read[row] : read[row] + size]
    x, cache = extend(cache, chunk, jnp.array(sizes), num_readable=num_readable)
    for row, size in enumerate(sizes):
      expected = whole[row, read[row] : read[row] + size]
      np.testing.assert_allclose(x[row, :size], expected, atol=2e-5, rtol=2e-5)
    read += sizes
  np.testing.assert_array_equal(cache.num_tokens_B, read)
  assert cache.num_slots == 15


def test_only_slots_that_are_empty_need_not_be_read():
  _, extend = methods(LLAMA)
  empty = cache_lib.empty(LLAMA, batch_size=3, num_slots=16)
  tokens, sizes = jnp.arange(15).reshape(3, 5), jnp.array([5, 5, 5])
  first, cache = extend(empty, tokens, sizes, num_readable=0)
  again, _ = extend(empty, tokens, sizes, num_readable=None)
  np.testing.assert_allclose(first, again, atol=1e-6)
  onward, _ = extend(cache, tokens, sizes, num_readable=None)
  forgetful, _ = extend(cache, tokens, sizes, num_readable=0)
  assert np.abs(onward - forgetful).max() > 1e-2


def test_a_cache_is_as_small_as_its_key_value_heads():
  config = dataclasses.replace(PALM, dtype='bfloat16')
  cache = cache_lib.empty(config, batch_size=3, num_slots=7)
  assert cache.layers_Y.key_BKSH.shape == (2, 3, 1, 7, 8)
  assert {x.dtype.name for x in jax.tree.leaves(cache.layers_Y)} == {'bfloat16'}
  assert not cache.layers_Y.taps_BTNH
