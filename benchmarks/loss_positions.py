"""What it saves to compute logits only where there is loss.

    python benchmarks/loss_positions.py [--models=gemma3_270m,palm_8b]
        [--rows=32] [--length=2560] [--positions=64] [--devices=16]

The whole training step is compiled for virtual CPU devices that share the
parameters (fsdp) and the rows; nothing is allocated and nothing is run. Memory
is XLA's own figure for one device without what it is given, which is the
gradient, what is kept for the backward pass, and logits; the CPU's compiler
holds bfloat16 as float32. Operations are those of all matrix products in the
step's jaxpr, recomputed ones too.
"""

import argparse
import dataclasses

import gin
import jax
import jax.numpy as jnp

from symbol_tuning import gin_utils
from symbol_tuning.compilation import arithmetic
from symbol_tuning.models import families
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import batches, optimizers, partitioning
from symbol_tuning.training import state as states
from symbol_tuning.training import step as steps

REQUIRED = ("CHECKPOINT = ''", "SENTENCEPIECE_MODEL = ''")


@dataclasses.dataclass(frozen=True)
class Workload:
  """A model and the shape of its batches, on a mesh."""

  model: Decoder
  partitioner: partitioning.Partitioner
  rows: int
  length: int

  def flops(self, loss: steps.Loss) -> float:
    train_step, state, batch = self._step(loss)
    jaxpr = jax.make_jaxpr(train_step)(state, batch)
    return arithmetic.count(jaxpr.jaxpr).products

  def flops_without_logits(self) -> float:
    one, two = (self.flops(steps.Loss(positions)) for positions in (1, 2))
    return 2 * one - two

  def temporary_bytes(self, loss: steps.Loss) -> int:
    train_step, state, batch = self._step(loss)
    compiled = steps.compile_train_step(
      train_step, state, batch, self.partitioner
    )
    return compiled.memory_analysis().temp_size_in_bytes

  def _step(self, loss: steps.Loss):
    optimizer = optimizers.adafactor()
    state = states.abstract_state(self.model, optimizer, self.partitioner)
    shape = jax.ShapeDtypeStruct(
      (self.rows, self.length),
      jnp.int32,
      sharding=self.partitioner.batch_sharding,
    )
    batch = dict.fromkeys(batches.FEATURES, shape)
    return steps.make_train_step(self.model, optimizer, loss), state, batch


def load_model(name: str) -> Decoder:
  """Returns a model of gin/models, or one that was published."""
  gin.clear_config()
  if (gin_utils.configs_dir() / 'models' / f'{name}.gin').exists():
    gin_utils.parse([f'models/{name}.gin'], REQUIRED)
  else:
    path = str(families.published(name))
    gin_utils.parse(['models/huggingface.gin'], [f'CHECKPOINT = {path!r}'])
  return gin.get_configurable(Decoder)()


def print_rows(name: str, workload: Workload, positions: int) -> None:
  """Prints a row of the table for each way to compute the loss."""
  losses = {
    'all at once': steps.Loss(chunk_size=workload.length),
    'all, 256 at a time': steps.Loss(),
    f'{positions} gathered': steps.Loss(positions_per_row=positions),
  }
  rest = workload.flops_without_logits()
  most_flops = most_bytes = None
  for way, loss in losses.items():
    flops = workload.flops(loss)
    num_bytes = workload.temporary_bytes(loss)
    most_flops, most_bytes = most_flops or flops, most_bytes or num_bytes
    print(
      f'| {name} | {way} | {(flops - rest) / 1e12:,.1f} | {flops / 1e12:,.1f} '
      f'| {flops / most_flops:.2f} | {num_bytes / 2**30:.2f} '
      f'| {num_bytes / most_bytes:.2f} |',
      flush=True,
    )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--models', default='gemma3_270m,palm_8b')
  parser.add_argument('--rows', type=int, default=32)
  parser.add_argument('--length', type=int, default=2560)
  parser.add_argument('--positions', type=int, default=64)
  parser.add_argument('--devices', type=int, default=16)
  arguments = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  jax.config.update('jax_num_cpu_devices', arguments.devices)
  partitioner = partitioning.Partitioner(data=1, fsdp=-1)
  print(
    '| model | logits | TFLOPs of logits | TFLOPs of the step | ratio '
    '| temporary GiB a device | ratio |'
  )
  print('| --- | --- | --- | --- | --- | --- | --- |')
  for name in arguments.models.split(','):
    workload = Workload(
      load_model(name), partitioner, arguments.rows, arguments.length
    )
    print_rows(name, workload, arguments.positions)


if __name__ == '__main__':
  main()
