"""Host memory of loading a large model on one of several hosts.

    python benchmarks/loading.py [--layers=32] [--processes=4]

Makes up a Llama in bfloat16 of Llama 3.1 8B's proportions, at a quarter of its
width, in shards; then starts processes with one virtual device each, which
load it together, split over all of them (fsdp). Each tells the most memory that
it had, beyond what it had before loading. A CPU's device memory is host memory,
so that what is kept (its share of the parameters) is in that figure.

The peer is the same with every process reading whole tensors, as `safetensors`
loads a file.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np

from symbol_tuning.models import families, parameters
from symbol_tuning.models.checkpoints import safetensors_files
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import partitioning

ROOT = pathlib.Path(__file__).parents[1]


def make(folder: pathlib.Path, num_layers: int) -> None:
  """Writes the model, a shard for every 200 MB."""
  model = decoder(num_layers)
  params = jax.tree.map(
    lambda x: np.ones(x.shape, x.dtype), parameters.abstract_params(model)
  )
  parameters.export(params, model.config, folder, shard_bytes=200_000_000)


def decoder(num_layers: int) -> Decoder:
  config = parameters.read_config(
    families.published('llama3.1_8b'),
    num_layers=num_layers,
    embed_dim=1024,
    num_heads=8,
    num_kv_heads=2,
    mlp_dim=3584,
    vocab_size=32_064,
    param_dtype='bfloat16',
  )
  return Decoder(config)


def load(folder: pathlib.Path, num_layers: int, whole: bool) -> None:
  """What one process does; prints its figures."""
  jax.distributed.initialize(
    os.environ['JAX_COORDINATOR_ADDRESS'],
    int(os.environ['JAX_NUM_PROCESSES']),
    int(os.environ['JAX_PROCESS_ID']),
  )
  if whole:
    read = safetensors_files.SafeTensor.__getitem__
    safetensors_files.SafeTensor.__getitem__ = lambda self, index: read(
      self, tuple(slice(None) for _ in self.shape)
    )[index]
  model = decoder(num_layers)
  partitioner = partitioning.Partitioner(data=1, fsdp=-1)
  shapes = partitioner.abstract(
    parameters.abstract_params(model), parameters.logical_axes(model)
  )
  shardings = jax.tree.map(lambda x: x.sharding, shapes)
  before = peak_memory()
  start = time.perf_counter()
  params = parameters.load_params(folder, model, shardings)
  seconds = time.perf_counter() - start
  kept = sum(
    shard.data.nbytes
    for array in jax.tree.leaves(params)
    for shard in array.addressable_shards
  )
  gained = peak_memory() - before
  print(f'FIGURES {gained} {kept} {seconds:.1f}', flush=True)


def peak_memory() -> int:
  """The most bytes that this process had in memory."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--layers', type=int, default=32)
  parser.add_argument('--processes', type=int, default=4)
  parser.add_argument('--member', type=pathlib.Path)
  parser.add_argument('--whole', action='store_true')
  arguments = parser.parse_args()
  if arguments.member:
    load(arguments.member, arguments.layers, arguments.whole)
    return
  print('| reads | file | kept, of the file | most memory, of the file | s |')
  print('| --- | --- | --- | --- | --- |')
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name) / 'model'
    make(folder, arguments.layers)
    files = folder.glob('*.safetensors')
    size = sum(path.stat().st_size for path in files)
    for way in ('its ranges', 'whole tensors'):
      command = [
        str(ROOT / 'launch' / 'local_pod.sh'),
        *(str(arguments.processes), '1', '--', sys.executable, __file__),
        *('--layers', str(arguments.layers), '--member', str(folder)),
        *(['--whole'] if way == 'whole tensors' else []),
      ]
      done = subprocess.run(command, capture_output=True, text=True)
      if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
      figures = [
        [float(x) for x in line.split('FIGURES ')[1].split()]
        for line in done.stdout.splitlines()
        if 'FIGURES ' in line
      ]
      gained, kept, seconds = (max(x) for x in zip(*figures, strict=True))
      print(
        f'| {way} | {size / 1e9:.2f} GB | {kept / size:.2f} | '
        f'{gained / size:.2f} | {seconds:.0f} |',
        flush=True,
      )


if __name__ == '__main__':
  main()
