"""Compiles a step and reads what came of it."""

import collections
import dataclasses
import resource
import time

import jax

from symbol_tuning.compilation import (
  arithmetic,
  hlo,
  loops,
  memory,
  products,
  roofline,
  traffic,
)
from symbol_tuning.compilation.collectives import Collective, collectives
from symbol_tuning.compilation.programs import Program
from symbol_tuning.compilation.report import Report, Traffic, Work

# The variable of the environment by which compilers are told to hurry; a step
# then needs other amounts of memory and time.
OPTIMIZATION_LEVEL = 'JAX_OPTIMIZATION_LEVEL'


def measure(program: Program) -> Report:
  """Compiles a step; that it does not fit is an answer too.

  Raises:
    jax.errors.JaxRuntimeError: if the compiler fails for another reason than
      the lack of memory.
  """
  limit = program.topology.chip.hbm_bytes
  start = time.perf_counter()
  try:
    compiled = program.compile()
    needed = memory.of_compiled(compiled, program.arguments, limit)
  except jax.errors.JaxRuntimeError as error:
    if not memory.is_exhausted(error):
      raise
    compiled = None
    needed = memory.of_error(
      str(error), program.arguments, program.temporaries, limit
    )
  report = first_report(program, needed, time.perf_counter() - start)
  if compiled is None:
    return report
  return _with_work(report, program, hlo.parse(compiled.as_text()))


def first_report(
  program: Program, needed: memory.Memory, compile_seconds: float = 0.0
) -> Report:
  """What is known of a step before its instructions are looked at."""
  return Report(
    program=program.name,
    topology=program.topology.name,
    num_devices=len(program.topology.devices),
    mesh=dict(program.partitioner.mesh.shape),
    settings={**program.settings, OPTIMIZATION_LEVEL: _optimization_level()},
    memory=needed,
    compile_seconds=compile_seconds,
    compile_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
  )


def _optimization_level() -> str:
  level = jax.config.jax_optimization_level
  return '' if level == 'UNKNOWN' else level


def _with_work(
  report: Report, program: Program, compiled: hlo.Program
) -> Report:
  topology, chip = program.topology, program.topology.chip
  mesh = program.partitioner.mesh
  found = collectives(compiled, report.mesh, topology.num_slices)
  in_step = arithmetic.count(program.trace())
  kernels = in_step.kernels / report.num_devices
  device_flops, hbm_bytes, core = kernels, 0.0, kernels / chip.peak_flops
  for *where, times in loops.executed(compiled):
    flops = times * products.flops(compiled, *where)
    moved = times * traffic.hbm_bytes(compiled, *where)
    device_flops += flops
    hbm_bytes += moved
    core += max(flops / chip.peak_flops, moved / chip.hbm_bandwidth)
  links, network = roofline.communication(
    (one, roofline.bandwidth(one, topology, mesh)) for one in found
  )
  return dataclasses.replace(
    report,
    work=Work(
      model_flops=program.model_flops,
      step_flops=in_step.products + in_step.kernels,
      device_flops=device_flops,
      hbm_bytes=hbm_bytes,
      collectives=_by_kind(found),
      unknown_loops=tuple(loops.unknown_loops(compiled)),
    ),
    roofline=roofline.Roofline(
      core=core,
      compute=device_flops / chip.peak_flops,
      memory=hbm_bytes / chip.hbm_bandwidth,
      links=links,
      network=network,
      needed=program.model_flops / report.num_devices / chip.peak_flops,
    ),
  )


def _by_kind(found: list[Collective]) -> tuple[Traffic, ...]:
  groups = collections.defaultdict(list)
  for one in found:
    groups[one.kind, one.axes, one.between_slices].append(one)
  return tuple(
    sorted(
      (
        Traffic(
          *key,
          count=sum(one.times for one in group),
          num_bytes=sum(one.total_bytes for one in group),
        )
        for key, group in groups.items()
      ),
      key=lambda traffic: -traffic.num_bytes,
    )
  )
