"""Programs whose costs can be worked out by hand."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, PartitionSpec

LAYERS, ROWS, WIDTH = 3, 8, 64


@pytest.fixture(scope='session')
def mesh():
  return jax.make_mesh(
    (1, 2, 2),
    ('data', 'fsdp', 'tensor'),
    axis_types=(AxisType.Auto,) * 3,
    devices=jax.devices()[:4],
  )


@pytest.fixture(scope='session')
def sharded_layers(mesh):
  """A function of 3 layers: gather a kernel over fsdp, multiply, sum.

  Float32 rows [8, 64] are split over fsdp; the kernels [3, 64, 64] over fsdp by
  rows and over tensor by columns, with which a device's product is [4, 32].
  """

  def layers(x, kernels):
    def layer(x, kernel):
      whole = jax.lax.all_gather(kernel, 'fsdp', tiled=True)
      y = jnp.tanh(x @ whole)
      y = jax.lax.psum(jnp.concatenate([y, y], axis=1), 'tensor')
      return y, None

    return jax.lax.scan(layer, x, kernels)[0]

  return jax.jit(
    jax.shard_map(
      layers,
      mesh=mesh,
      in_specs=(PartitionSpec('fsdp'), PartitionSpec(None, 'fsdp', 'tensor')),
      out_specs=PartitionSpec('fsdp'),
      check_vma=False,
    )
  ), (
    jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32),
    jax.ShapeDtypeStruct((LAYERS, WIDTH, WIDTH), jnp.float32),
  )
