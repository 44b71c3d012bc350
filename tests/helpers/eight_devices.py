"""Run by partitioning_test in a process of its own with 8 virtual devices.

Prints what it finds as JSON: how far training on each mesh is from training on
one device, whether checkpoints move, how arrays are laid out, which collective
operations microbatches need, what is refused.
"""

import dataclasses
import json
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import random_cache
import tiny_models
from jax.sharding import PartitionSpec

from symbol_tuning.models import decoder, layers
from symbol_tuning.models.checkpoints.steps import newest_whole
from symbol_tuning.training import checkpoints, optimizers, partitioning
from symbol_tuning.training import state as states
from symbol_tuning.training import step as steps

MODEL = decoder.Decoder(tiny_models.TINY)
UNSCANNED = decoder.Decoder(
  dataclasses.replace(tiny_models.TINY, scan_layers=False)
)
# The trace keeps each step's gradient in the state, to be compared.
OPTIMIZER = optax.chain(
  optax.trace(decay=0.0), optimizers.adafactor(0.05, min_dim_size_to_factor=4)
)
LOSS = steps.Loss(z_loss=1e-3)
PARAMS = tiny_models.random_params(tiny_models.TINY, 0.5)
TOKENS = np.random.default_rng(0).integers(1, 32, (16, 9), dtype=np.int32)
BATCH = random_cache.whole_rows(TOKENS) | {
  # Rows differ in how many targets they have, so microbatches do.
  'decoder_loss_weights': (TOKENS[:, 1:] < TOKENS[:, :1]).astype(np.int32),
}


@dataclasses.dataclass(frozen=True)
class Result:
  """Three steps: the losses, the state after them, how they were compiled."""

  losses: list[float]
  state: states.TrainState
  abstract: states.TrainState
  compiled: jax.stages.Compiled


def train(partitioner, model=MODEL, num_microbatches=1) -> Result:
  scanned = model.config.scan_layers
  params = PARAMS if scanned else tiny_models.unstack_layers(PARAMS)
  abstract = states.abstract_state(model, OPTIMIZER, partitioner)
  state = states.first_state(params, OPTIMIZER, abstract, jax.random.PRNGKey(0))
  batch = partitioner.put_batch(BATCH)
  compiled = steps.compile_train_step(
    steps.make_train_step(model, OPTIMIZER, LOSS, num_microbatches),
    abstract,
    batch,
    partitioner,
  )
  losses = []
  for _ in range(3):
    state, metrics = compiled(state, batch)
    losses.append(float(metrics.loss + metrics.z_loss))
  return Result(losses, jax.device_get(state), abstract, compiled)


def differences(result, expected):
  (trace, _), (expected_trace, _) = (
    r.state.opt_state for r in (result, expected)
  )
  pairs = {
    'losses': (result.losses, expected.losses),
    'gradients': (stacked(trace.trace), expected_trace.trace),
    'parameters': (stacked(result.state.params), expected.state.params),
  }
  return {name: largest_difference(*pair) for name, pair in pairs.items()}


def stacked(tree):
  return tree if 'layers' in tree else tiny_models.stack_layers(tree)


def largest_difference(tree, other):
  gaps = jax.tree.map(
    lambda a, b: float(np.abs(np.subtract(a, b, dtype=np.float64)).max()),
    tree,
    other,
  )
  return max(jax.tree.leaves(gaps))


def partitioner_of(mesh):
  """'data,fsdp,tensor' or 'data,fsdp,tensor,slices'; slices take turns."""
  *sizes, num_slices = [*map(int, mesh.split(',')), 1][:4]
  devices = np.reshape(jax.devices(), (-1, num_slices)).T
  return partitioning.Partitioner(
    *sizes, slices=num_slices, devices=tuple(devices.flat)
  )


def on_mesh(mesh, folder, expected):
  partitioner = partitioner_of(mesh)
  results = {
    'scanned': train(partitioner),
    'unscanned in microbatches': train(partitioner, UNSCANNED, 2),
  }
  abstract = results['scanned'].abstract
  chosen = newest_whole(folder / 'checkpoints')
  restored = jax.device_get(checkpoints.restore(chosen, MODEL.config, abstract))
  return {
    'differences': {
      name: differences(result, expected) for name, result in results.items()
    },
    'restored_equal': largest_difference(restored, expected.state) == 0,
    'specs': specs_of_a_kernel(abstract),
    'collectives': collectives(results['unscanned in microbatches']),
  }


def collectives(result):
  """Kinds of collective operations and the types of what they work on."""
  found = re.findall(
    r'= \(?(\w+)\[.* ((?:all|reduce|collective)-[a-z-]+)\(',
    result.compiled.as_text(),
  )
  return sorted({f'{kind} {dtype}' for dtype, kind in found})


def specs_of_a_kernel(abstract):
  statistics = abstract.opt_state[1]['layers']['mlp']['up']['kernel'][0]
  arrays = {
    'kernel': abstract.params['layers']['mlp']['up']['kernel'],
    'v_row': statistics.v_row,
    'v_col': statistics.v_col,
    'v': statistics.v,
  }
  return {name: list(array.sharding.spec) for name, array in arrays.items()}


def embedded_whole_batches():
  """Arrays of embedded tokens that are not split along the batch."""
  partitioner = partitioning.Partitioner(2, 4)
  settings = dataclasses.replace(MODEL.config, vocab_size=4096, embed_dim=256)
  embedding = layers.Embedding(settings)
  table = partitioner.abstract(
    jax.ShapeDtypeStruct((4096, 256), jnp.float32),
    PartitionSpec('vocab', 'embed'),
  )
  tokens = jax.ShapeDtypeStruct(
    (64, 128), jnp.int32, sharding=partitioner.batch_sharding
  )

  def loss(table, tokens):
    x = embedding.apply({'params': {'embedding': table}}, tokens)
    return jnp.sum(jnp.sin(decoder.constrain_residual(x)))

  with partitioner.activate():
    gradient = jax.jit(jax.grad(loss), out_shardings=table.sharding)
    text = gradient.lower(table, tokens).compile().as_text()
  return re.findall(r'f32\[64,128,\d+\]', text)


def refused():
  messages = []
  for attempt in (
    lambda: partitioning.Partitioner(4, 2).check_batch_size(12),
    lambda: states.abstract_state(
      MODEL, OPTIMIZER, partitioning.Partitioner(tensor=8)
    ),
  ):
    try:
      attempt()
    except ValueError as error:
      messages.append(str(error))
  return messages


def main(folder, *meshes):
  folder = pathlib.Path(folder)
  jax.config.update('jax_num_cpu_devices', 8)
  expected = train(partitioning.Partitioner(devices=tuple(jax.devices()[:1])))
  with checkpoints.Checkpoints(folder, MODEL.config) as run:
    run.save(jax.tree.map(jnp.asarray, expected.state), {})
  found = {mesh: on_mesh(mesh, folder, expected) for mesh in meshes}
  found['refused'] = refused()
  found['embedded_whole_batches'] = embedded_whole_batches()
  print(json.dumps(found))


if __name__ == '__main__':
  main(*sys.argv[1:])
