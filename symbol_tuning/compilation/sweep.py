"""Compares ways to lay out a train step over a topology.

Every candidate is compiled, quickly and less well than for training, and ranked
by its time if communication never hides behind computation. Where parameters
and gradients alone fill the memory, nothing is compiled. Results are kept in
files, so that a sweep which was stopped goes on.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import jax

from symbol_tuning import files
from symbol_tuning.compilation import findings, measuring, memory, rendering
from symbol_tuning.compilation.findings import Findings, Timed
from symbol_tuning.compilation.programs import Program
from symbol_tuning.compilation.topology import Topology
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training.partitioning import Partitioner

MeshShape = tuple[int, int, int]
_EFFORT = 'O1'  # of the compiler: a fifth of the time of a full compilation


def sweep(
  program: Callable[..., Program],
  topology: Topology,
  model: Decoder,
  partitioner: Partitioner,
  output_dir: str,
  meshes: Sequence[MeshShape] | None = None,
  remat: Sequence[str] = ('full', 'minimal'),
  num_microbatches: Sequence[int] = (1,),
) -> list[Findings]:
  """Compiles every candidate and prints a table, the fastest first.

  Args:
    program: `programs.train_step`, all but its layout bound.
    topology: what is compiled for.
    model: the decoder.
    partitioner: the rules; its mesh is replaced.
    output_dir: sweep.md goes there; sweep/ holds what is known so far.
    meshes: sizes of data, fsdp and tensor. None: all whose data axis is as long
      as there are slices.
    remat: policies to try (see `DecoderConfig`).
    num_microbatches: numbers of parts of a batch to try.

  Returns:
    What was found, the fastest first, then those that do not fit.
  """
  folder = files.path(output_dir)
  (folder / 'sweep').mkdir(parents=True, exist_ok=True)
  found = []
  for mesh, policy, parts in itertools.product(
    meshes or all_meshes(topology), remat, num_microbatches
  ):
    name = f'mesh {mesh}, remat {policy}, {parts} microbatch(es)'
    data, fsdp, tensor = mesh
    layout = dataclasses.replace(
      partitioner, data=data, fsdp=fsdp, tensor=tensor
    )
    config = dataclasses.replace(model.config, remat=policy)
    try:
      candidate = program(
        topology=topology,
        model=model.clone(config=config),
        partitioner=layout,
        num_microbatches=parts,
      )
    except ValueError as error:
      print(f'{name}: left out, for {str(error).splitlines()[0]}', flush=True)
      continue
    found.append(_findings(candidate, folder / 'sweep'))
    print(f'{name}: {rendering.verdict(found[-1])}', flush=True)
  found.sort(key=_seconds)
  text = f'# {topology.name}\n\n{rendering.comparison(found)}\n'
  files.write_text(folder / 'sweep.md', text)
  rendering.show(text)
  return found


def all_meshes(topology: Topology) -> Iterator[MeshShape]:
  """Every way to share a slice out between the axes fsdp and tensor."""
  devices = topology.devices_per_slice
  for tensor in range(1, devices + 1):
    if devices % tensor == 0:
      yield topology.num_slices, devices // tensor, tensor


def _seconds(found: Findings) -> float:
  return found.roofline.serial if isinstance(found, Timed) else math.inf


def _findings(program: Program, folder: files.Path) -> Findings:
  """Of a candidate; read from a file where it is known."""
  limit = program.topology.chip.hbm_bytes
  held = memory.of_arguments(program.arguments, limit)
  if not held.fits:
    return measuring.before_work(program, held)
  path = folder / f'{_fingerprint(program)}.json'
  if path.exists():
    return findings.from_json(path.read_text(encoding='utf-8'))
  with _quick_compilation():
    found = measuring.measure(program)
  files.write_text(path, findings.to_json(found))
  return found


def _fingerprint(program: Program) -> str:
  """Of all that its findings depend on, the whole step included."""
  described = (
    program.name,
    program.topology.name,
    sorted(program.partitioner.mesh.shape.items()),
    program.partitioner.logical_axis_rules,
    sorted(program.settings.items()),
    str(program.trace()),
    jax.__version__,
  )
  return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _quick_compilation() -> Iterator[None]:
  before = measuring.optimization_level()
  jax.config.update('jax_optimization_level', _EFFORT)
  try:
    yield
  finally:
    jax.config.update('jax_optimization_level', before)
