import jax

from symbol_tuning.training import optimizers, partitioning, state

# The mesh axis that an axis of a parameter is split over, by its size, which
# no other axis of the tiny model has: embed, heads, mlp and vocabulary.
SPLIT = {8: 'fsdp', 2: 'tensor', 16: 'tensor', 32: 'tensor'}


def test_statistics_are_float32_and_split_like_their_parameters(
  make_model, make_devices
):
  """The model's other axes are whole: layers, head_dim, kv_heads."""
  abstract = state.abstract_state(
    make_model(num_layers=3, param_dtype='bfloat16'),
    optimizers.adafactor(min_dim_size_to_factor=4),
    partitioning.Partitioner(2, 2, 2, devices=make_devices([0] * 8)),
  )
  arrays = jax.tree.leaves((abstract.params, abstract.opt_state))
  assert sum(8 in array.shape for array in arrays) > 20
  for array in arrays:
    spec = (*array.sharding.spec, *[None] * array.ndim)[: array.ndim]
    assert spec == tuple(map(SPLIT.get, array.shape))
  assert dtypes(abstract.params) == {'bfloat16'}
  assert dtypes(abstract.opt_state) == {'float32', 'int32'}


def dtypes(tree):
  return {array.dtype.name for array in jax.tree.leaves(tree)}
