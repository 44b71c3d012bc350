"""What a training run carries from step to step."""

from collections.abc import Callable
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training.partitioning import Partitioner, parameter_name

PyTree = Any


@flax.struct.dataclass
class TrainState:
  """The whole state of a run, but for its position in the data.

  Attributes:
    step: int32 [], steps done.
    params: the model's parameters, without logical names.
    opt_state: the optimizer's statistics.
    rng: uint32 [2], the run's random key; a step folds its number into it.
  """

  step: jax.Array
  params: PyTree
  opt_state: PyTree
  rng: jax.Array


def abstract_state(
  model: Decoder,
  optimizer: optax.GradientTransformation,
  partitioner: Partitioner,
) -> TrainState:
  """Shapes, dtypes and shardings of a run's state, without its arrays.

  Raises:
    ValueError: if the mesh cannot divide a parameter.
  """
  params = partitioner.abstract(
    parameters.abstract_params(model), parameters.logical_axes(model)
  )

  def whole(shape, dtype):
    return jax.ShapeDtypeStruct(shape, dtype, sharding=partitioner.replicated)

  return TrainState(
    step=whole((), jnp.int32),
    params=params,
    opt_state=partitioner.abstract_result(_init_statistics(optimizer), params),
    rng=whole((2,), jnp.uint32),
  )


def first_state(
  params: PyTree,
  optimizer: optax.GradientTransformation,
  abstract: TrainState,
  rng: jax.Array,
) -> TrainState:
  """The state before the first step, laid out as `abstract` says."""
  init = jax.jit(
    _init_statistics(optimizer), out_shardings=shardings(abstract.opt_state)
  )
  params = jax.device_put(params, shardings(abstract.params))
  return TrainState(
    step=jax.device_put(jnp.int32(0), abstract.step.sharding),
    params=params,
    opt_state=init(params),
    rng=jax.device_put(rng, abstract.rng.sharding),
  )


def in_float32(params: PyTree) -> PyTree:
  """What the optimizer sees, whatever the parameters are stored as.

  So its statistics are float32, and updates are computed in float32.
  """
  return jax.tree.map(lambda array: array.astype(jnp.float32), params)


def _init_statistics(
  optimizer: optax.GradientTransformation,
) -> Callable[[PyTree], PyTree]:
  return lambda params: optimizer.init(in_float32(params))


def shardings(abstract: PyTree) -> PyTree:
  return jax.tree.map(lambda array: array.sharding, abstract)


def model_info(model: Decoder, abstract: TrainState) -> str:
  """A text that lists every parameter, as T5X's model-info.txt does."""
  arrays = jax.tree.leaves_with_path(abstract.params)
  axes = jax.tree.leaves(
    parameters.logical_axes(model), is_leaf=lambda x: isinstance(x, tuple)
  )
  rows: list[tuple[str, ...]] = [
    ('parameter', 'size', 'shape', 'partition spec')
  ]
  for (path, array), names in zip(arrays, axes, strict=True):
    shape = ', '.join(
      f'{name}={size}' for name, size in zip(names, array.shape, strict=True)
    )
    spec = ', '.join(map(str, array.sharding.spec))
    size = f'{array.size:,}'
    rows.append((parameter_name(path), size, f'({shape})', f'({spec})'))
  sharding = abstract.step.sharding
  assert isinstance(sharding, jax.sharding.NamedSharding)
  mesh = sharding.mesh.shape
  return '\n'.join(
    [
      *_aligned(rows),
      '',
      f'parameters: {_total(abstract.params):,}',
      f'numbers in the optimizer state: {_total(abstract.opt_state):,}',
      'mesh: ' + ', '.join(f'{name}={size}' for name, size in mesh.items()),
      '',
    ]
  )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return ['  '.join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _total(tree: PyTree) -> int:
  return sum(array.size for array in jax.tree.leaves(tree))
