"""The steps that are compiled: exactly those that training and evaluation run.

Nothing is allocated: arguments are shapes and shardings, and the devices are
those of a topology.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.extend import core

from symbol_tuning.compilation import arithmetic
from symbol_tuning.compilation.topology import Topology
from symbol_tuning.evaluation.ranking import rows
from symbol_tuning.models import likelihood, parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import batches, mesh_checks, state, step
from symbol_tuning.training.partitioning import Partitioner

PyTree = Any
# The variable of the environment by which the TPU compiler is given flags, here
# as on TPUs.
COMPILER_FLAGS = 'LIBTPU_INIT_ARGS'


@dataclasses.dataclass(frozen=True)
class Program:
  """A step that can be compiled for the devices of a topology.

  Attributes:
    name: 'train step' or 'eval step'.
    topology: the devices.
    partitioner: with the topology's devices.
    arguments: what the step is given, by kind; arrays without data.
    temporaries: large arrays that it makes for sure, likewise.
    settings: what it was made with, for the reader of a report.
    model_flops: what the model needs in a step; see `arithmetic`.
    trace: gives the step's jaxpr.
    compile: compiles it; raises what XLA raises.
  """

  name: str
  topology: Topology
  partitioner: Partitioner
  arguments: Mapping[str, PyTree]
  temporaries: Mapping[str, PyTree]
  settings: Mapping[str, Any]
  model_flops: float
  trace: Callable[[], core.Jaxpr]
  compile: Callable[[], jax.stages.Compiled]


def train_step(
  topology: Topology,
  model: Decoder,
  optimizer: optax.GradientTransformation,
  partitioner: Partitioner,
  loss: step.Loss,
  batch_size: int,
  task_feature_lengths: Mapping[str, int],
  num_microbatches: int = 1,
) -> Program:
  """The train step of `loop.train`.

  Args:
    topology: what it is compiled for.
    model: the decoder.
    optimizer: an optax transformation.
    partitioner: the mesh, whatever its devices, and the rules.
    loss: what is minimized.
    batch_size: rows of the global batch.
    task_feature_lengths: tokens of inputs and of targets; a row has both.
    num_microbatches: parts of a batch that are computed one after the other.

  Raises:
    ValueError: if the mesh does not fit the topology, a parameter or the batch.
  """
  partitioner = _on_topology(partitioner, topology)
  config, row_length = model.config, sum(task_feature_lengths.values())
  shape = batch_size, row_length
  function = step.make_train_step(model, optimizer, loss, num_microbatches)
  mesh_checks.check(partitioner, config, loss, shape, num_microbatches)
  abstract = state.abstract_state(model, optimizer, partitioner)
  batch = _batch(partitioner, batches.FEATURES, *shape)
  positions = loss.num_positions(row_length)
  rows, logits = batch_size // num_microbatches, min(positions, loss.chunk_size)
  forward = arithmetic.forward_flops(model, *shape, positions)
  return Program(
    name='train step',
    topology=topology,
    partitioner=partitioner,
    arguments={
      'parameters': abstract.params,
      'optimizer state': abstract.opt_state,
      'batch': batch,
    },
    temporaries={
      'gradients': abstract.params,
      **_activations(partitioner, config, rows, row_length, logits),
    },
    settings={
      **_settings(model, *shape),
      'positions with loss': positions,
      'microbatches': num_microbatches,
      'remat': config.remat,
    },
    model_flops=3 * forward,  # The backward pass is two forward passes.
    trace=lambda: _jaxpr(partitioner, function, abstract, batch),
    compile=lambda: step.compile_train_step(
      function, abstract, batch, partitioner
    ),
  )


def eval_step(
  topology: Topology,
  model: Decoder,
  partitioner: Partitioner,
  batch_size: int,
  task_feature_lengths: Mapping[str, int],
  num_positions: int = 64,
) -> Program:
  """The step that scores label options (see `evaluation.scoring`).

  Args:
    topology: what it is compiled for.
    model: the decoder.
    partitioner: the mesh, whatever its devices, and the rules.
    batch_size: rows of a batch.
    task_feature_lengths: tokens of inputs and of targets; a row has both.
    num_positions: target tokens in a row, of all options.

  Raises:
    ValueError: as `train_step`.
  """
  partitioner = _on_topology(partitioner, topology)
  partitioner.check_batch_size(batch_size)
  row_length = sum(task_feature_lengths.values())
  params = partitioner.abstract(
    parameters.abstract_params(model), parameters.logical_axes(model)
  )
  names = [f'decoder_{name}' for name in rows.FEATURES]
  batch = _batch(partitioner, names, batch_size, row_length)

  def score(params, batch):
    return likelihood.weighted_log_likelihoods(
      model, params, batch, num_positions
    ).values_BP

  def compile_step() -> jax.stages.Compiled:
    with partitioner.activate():
      return jax.jit(score).lower(params, batch).compile()

  return Program(
    name='eval step',
    topology=topology,
    partitioner=partitioner,
    arguments={'parameters': params, 'batch': batch},
    temporaries={},
    settings={
      **_settings(model, batch_size, row_length),
      'positions with loss': num_positions,
    },
    model_flops=arithmetic.forward_flops(
      model, batch_size, row_length, num_positions
    ),
    trace=lambda: _jaxpr(partitioner, score, params, batch),
    compile=compile_step,
  )


def _jaxpr(
  partitioner: Partitioner, function: Callable[..., Any], *arguments: PyTree
) -> core.Jaxpr:
  with partitioner.activate():
    return jax.make_jaxpr(function)(*arguments).jaxpr


def _on_topology(partitioner: Partitioner, topology: Topology) -> Partitioner:
  return dataclasses.replace(partitioner, devices=topology.devices)


def _batch(
  partitioner: Partitioner,
  features: Iterable[str],
  batch_size: int,
  row_length: int,
) -> dict[str, jax.ShapeDtypeStruct]:
  return {
    name: jax.ShapeDtypeStruct(
      (batch_size, row_length), jnp.int32, sharding=partitioner.batch_sharding
    )
    for name in features
  }


def _activations(
  partitioner: Partitioner,
  config: DecoderConfig,
  rows: int,
  length: int,
  num_logits: int,
) -> dict[str, jax.ShapeDtypeStruct]:
  """What the backward pass needs of the forward pass, at least."""

  def array(name, shape, axes, dtype):
    sharding = partitioner.sharding(name, shape, axes)
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

  stream = 'residual stream of each layer'
  logits = 'logits of a chunk'
  return {
    stream: array(
      stream,
      (config.num_layers, rows, length, config.embed_dim),
      (None, 'batch', 'length', 'activation_embed'),
      jnp.dtype(config.dtype),
    ),
    logits: array(
      logits,
      (rows, num_logits, config.vocab_size),
      ('batch', 'length', 'activation_vocab'),
      jnp.float32,
    ),
  }


def _settings(
  model: Decoder, batch_size: int, row_length: int
) -> dict[str, Any]:
  return {
    'rows of a batch': batch_size,
    'tokens of a row': row_length,
    'activations': model.config.dtype,
    'parameters': model.config.param_dtype,
    COMPILER_FLAGS: os.environ.get(COMPILER_FLAGS, ''),
  }
