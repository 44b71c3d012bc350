"""Gradients of a sum over a batch's rows, a part of the batch at a time.

After T5X's `num_microbatches`: activations exist for the rows of one part only,
and since gradients of *sums* are added up, the result is that of the whole
batch, however unevenly targets are spread over the parts.

Shape suffixes: B batch, M rows of a microbatch, m microbatches.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

PyTree = Any
Batch = Mapping[str, jax.Array]
SummedLoss = Callable[[PyTree, Batch, jax.Array], tuple[jax.Array, PyTree]]


def summed(
  summed_loss: SummedLoss,
  params: PyTree,
  batch: Batch,
  rng: jax.Array,
  num_microbatches: int,
  logical_axes: PyTree,
) -> tuple[PyTree, PyTree]:
  """The gradient of `summed_loss` with respect to `params`.

  Args:
    summed_loss: (params, batch, rng) → a scalar that is a sum over rows, and a
      pytree of further such sums.
    params: a pytree of arrays.
    batch: arrays [B, ...].
    rng: a random key; each microbatch has one of its own made from it.
    num_microbatches: a divisor of B. 1 computes everything at once.
    logical_axes: a PartitionSpec of logical names for each of `params`, by
      which gradients that are added up are laid out; used where rules are in
      force.

  Returns:
    The gradient, and the further sums; added up in float32.
  """
  gradient = jax.grad(summed_loss, has_aux=True)
  if num_microbatches == 1:
    return gradient(params, batch, rng)

  def add(totals, microbatch):
    rows, index = microbatch
    terms = gradient(params, rows, jax.random.fold_in(rng, index))
    totals = jax.tree.map(lambda total, x: total + x, totals, terms)
    return _laid_out(totals, logical_axes), None

  batch_m = {name: _split(x, num_microbatches) for name, x in batch.items()}
  shapes = jax.eval_shape(
    gradient, params, {name: x_m[0] for name, x_m in batch_m.items()}, rng
  )
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), shapes)
  totals, _ = jax.lax.scan(
    add,
    _laid_out(zeros, logical_axes),
    (batch_m, jnp.arange(num_microbatches)),
  )
  return totals


def _split(x_B: jax.Array, num_microbatches: int) -> jax.Array:
  """[B, ...] → [m, M, ...], taking every m-th row.

  So each device keeps the rows it has, where neighbouring rows would have to
  move between devices.
  """
  x_Mm = x_B.reshape(-1, num_microbatches, *x_B.shape[1:])
  return nn.with_logical_constraint(jnp.moveaxis(x_Mm, 1, 0), (None, 'batch'))


def _laid_out(
  totals: tuple[PyTree, PyTree], logical_axes: PyTree
) -> tuple[PyTree, PyTree]:
  gradients, sums = totals
  axes = jax.tree.map(
    tuple, logical_axes, is_leaf=lambda x: isinstance(x, PartitionSpec)
  )
  return nn.with_logical_constraint(gradients, axes), sums
