"""What a program costs, as counted in its HLO and in its jaxpr, by hand."""

import jax
import jax.numpy as jnp
import pytest
import tiny_models
from jax.sharding import PartitionSpec

from symbol_tuning.compilation import arithmetic, hlo
from symbol_tuning.models import decoder, parameters, splash


def compiled(function, *arguments):
  return hlo.parse(jax.jit(function).lower(*arguments).compile().as_text())


def total(program, cost):
  return sum(
    times * cost(instruction) for instruction, times in hlo.executed(program)
  )


def test_a_sharded_scan_costs_what_its_layers_cost(sharded_layers):
  function, arguments = sharded_layers
  program = compiled(function, *arguments)
  per_device = 3 * 2 * 4 * 64 * 32
  assert total(program, hlo.flops) == per_device
  counted = arithmetic.count(jax.make_jaxpr(function)(*arguments).jaxpr)
  assert counted == arithmetic.Flops(products=4 * per_device)


def test_a_sharded_scan_moves_what_its_layers_move(sharded_layers):
  function, arguments = sharded_layers
  found = hlo.find_collectives(
    compiled(function, *arguments), {'data': 1, 'fsdp': 2, 'tensor': 2}
  )
  kernel, sums = 64 * 32 * 4, 4 * 64 * 4
  assert [(c.kind, c.axes, c.times, c.num_bytes) for c in found] == [
    ('all-gather', ('fsdp',), 3, kernel / 2),
    ('all-reduce', ('tensor',), 3, 2 * sums / 2),
  ]


def test_loops_in_loops_multiply():
  def outer(x, _):
    return jax.lax.scan(lambda x, _: (jnp.tanh(x @ x), None), x, length=5)

  def function(x):
    return jax.lax.scan(lambda x, _: (outer(x, None)[0], None), x, length=7)[0]

  x = jnp.ones((16, 16))
  expected = 5 * 7 * 2 * 16**3
  assert total(compiled(function, x), hlo.flops) == expected
  assert arithmetic.count(jax.make_jaxpr(function)(x).jaxpr).products == (
    expected
  )


def test_a_layer_that_is_sliced_is_read_alone():
  """8 layers of 4 KiB: 8 slices are read, not 8 times all."""
  kernels = jnp.ones((8, 32, 32))
  program = compiled(
    lambda x, kernels: jax.lax.scan(lambda x, k: (x + k, None), x, kernels)[0],
    jnp.ones((32, 32)),
    kernels,
  )
  moved = total(program, hlo.hbm_bytes)
  assert 8 * 2 * 4096 < moved < 8 * 6 * 4096


def test_what_is_computed_again_counts():
  def loss(kernel, x):
    block = jax.checkpoint(lambda x: jnp.tanh(jnp.tanh(x @ kernel) @ kernel))
    return block(x).sum()

  kernel, x = jnp.ones((8, 8)), jnp.ones((4, 8))
  product = 2 * 4 * 8 * 8
  grad = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(kernel, x)
  assert arithmetic.count(grad.jaxpr).products == (2 + 2 + 4) * product


def test_branches_count_as_their_largest():
  def function(x):
    return jax.lax.cond(x.sum() > 0, lambda x: x @ x, lambda x: x, x)

  jaxpr = jax.make_jaxpr(function)(jnp.ones((4, 4))).jaxpr
  assert arithmetic.count(jaxpr).products == 2 * 4**3


def test_products_in_a_loop_of_unknown_length_are_refused():
  def function(x):
    return jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ x, x)

  with pytest.raises(ValueError, match='unknown length'):
    arithmetic.count(jax.make_jaxpr(function)(jnp.ones((4, 4))).jaxpr)


def test_splash_attention_counts_the_blocks_it_visits(mesh):
  """1024 tokens are two blocks: three of four are visited, on each device."""
  shapes = [jnp.zeros((2, 1024, heads, 128)) for heads in (2, 1, 1)]
  segment_ids = jnp.ones((2, 1024), jnp.int32)
  with jax.set_mesh(mesh):
    jaxpr = jax.make_jaxpr(
      lambda q, k, v: splash.attend(q, k, v, segment_ids_BL=segment_ids)
    )(*shapes)
  one_device = 4 * 2 * 2 * 1024 * 1024 * 128 * 3 / 4
  assert arithmetic.count(jaxpr.jaxpr) == arithmetic.Flops(
    kernels=4 * one_device
  )


def test_the_model_needs_its_forward_pass_less_half_of_attention():
  model = decoder.Decoder(tiny_models.TINY)
  tokens = jnp.zeros((2, 6), jnp.int32)
  forward = jax.make_jaxpr(lambda p: model.apply({'params': p}, tokens))(
    parameters.abstract_params(model)
  )
  computed = arithmetic.count(forward.jaxpr).products
  needed = arithmetic.forward_flops(model, rows=2, length=6, loss_positions=6)
  pairs_not_seen = 2 * 6 * (6 - 1) / 2
  assert computed - needed == pairs_not_seen * 2 * 4 * (4 * 4)


def test_axes_are_found_in_every_form_of_groups():
  text = """
ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  ROOT %y = f32[8]{0} all-reduce(%x), replica_groups=GROUPS, to_apply=%add
}
"""
  mesh = {'data': 1, 'fsdp': 4, 'tensor': 2}
  for groups, axes in (
    ('{{0,2,4,6},{1,3,5,7}}', ('fsdp',)),
    ('[2,4]<=[4,2]T(1,0)', ('fsdp',)),
    ('[4,2]<=[8]', ('tensor',)),
    ("mesh['axis_0'=4,'axis_1'=2] {'axis_1'}", ('tensor',)),
    ("mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'b'}", ('fsdp',)),
    ('{}', ('fsdp', 'tensor')),
  ):
    program = hlo.parse(text.replace('GROUPS', groups))
    [found] = hlo.find_collectives(program, mesh)
    assert found.axes == axes, groups


def test_partition_specs_are_those_of_the_mesh(mesh):
  """A product that GSPMD splits: partial sums are added up over tensor."""
  specs = PartitionSpec(None, 'tensor'), PartitionSpec('tensor', None)
  shardings = [jax.sharding.NamedSharding(mesh, spec) for spec in specs]
  function = jax.jit(
    jnp.dot,
    in_shardings=shardings,
    out_shardings=jax.sharding.NamedSharding(mesh, PartitionSpec()),
  )
  program = compiled(function, jnp.ones((8, 16)), jnp.ones((16, 4)))
  assert total(program, hlo.flops) == 2 * 8 * 8 * 4
  [found] = hlo.find_collectives(program, dict(mesh.shape))
  assert (found.kind, found.axes) == ('all-reduce', ('tensor',))
  assert found.total_bytes == 2 * (8 * 4 * 4) / 2
