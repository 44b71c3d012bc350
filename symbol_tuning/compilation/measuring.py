"""Answers whether a step fits a topology, and how fast it can be."""

import collections
import resource
import time

import jax

from symbol_tuning import files
from symbol_tuning.compilation import (
  arithmetic,
  findings,
  hlo,
  memory,
  rendering,
  roofline,
)
from symbol_tuning.compilation.findings import (
  CollectiveTotal,
  Findings,
  Timed,
  Work,
)
from symbol_tuning.compilation.programs import Program

# The variable of the environment by which compilers are told to hurry; a step
# then needs other amounts of memory and time.
OPTIMIZATION_LEVEL = 'JAX_OPTIMIZATION_LEVEL'
DOES_NOT_FIT = 2  # the exit status of a program whose step is too large


def precompile(program: Program, output_dir: str) -> Findings:
  """Compiles a step and writes what came of it.

  Args:
    program: from `programs`.
    output_dir: <step>-<topology>.md and .json go there.

  Raises:
    SystemExit: with status DOES_NOT_FIT, if it does not.
  """
  folder = files.path(output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  found = measure(program)
  text = rendering.markdown(found)
  name = f'{found.program}-{found.topology}'.replace(' ', '_').replace(':', '_')
  files.write_text(folder / f'{name}.md', text)
  files.write_text(folder / f'{name}.json', findings.to_json(found))
  rendering.show(text)
  if not found.fits:
    raise SystemExit(DOES_NOT_FIT)
  return found


def measure(program: Program) -> Findings:
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
  found = before_work(program, needed, time.perf_counter() - start)
  if compiled is None:
    return found
  return _with_work(found, program, hlo.parse(compiled.as_text() or ''))


def before_work(
  program: Program, needed: memory.MemoryNeed, compile_seconds: float = 0.0
) -> Findings:
  """What is known of a step before its instructions are looked at."""
  return Findings(
    program=program.name,
    topology=program.topology.name,
    num_devices=len(program.topology.devices),
    mesh=dict(program.partitioner.mesh.shape),
    settings={
      **program.settings,
      OPTIMIZATION_LEVEL: optimization_level().replace('UNKNOWN', ''),
    },
    memory=needed,
    compile_seconds=compile_seconds,
    compile_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
  )


def optimization_level() -> str:
  """How the compiler is told to hurry: 'O0' … 'O3', or 'UNKNOWN'."""
  # JAX adds its settings to the class as they are defined.
  return jax.config.jax_optimization_level  # type: ignore[attr-defined]


def _with_work(
  found: Findings, program: Program, compiled: hlo.Module
) -> Timed:
  """Adds what a device does in a step, and the time that takes at least."""
  topology, mesh = program.topology, program.partitioner.mesh
  chip = topology.chip
  in_step = arithmetic.count(program.trace())
  kernels = in_step.kernels / found.num_devices
  device_flops, hbm_bytes, core = kernels, 0.0, kernels / chip.peak_flops
  for instruction, times in hlo.executed(compiled):
    flops = times * hlo.flops(instruction)
    moved = times * hlo.hbm_bytes(instruction)
    device_flops += flops
    hbm_bytes += moved
    core += max(flops / chip.peak_flops, moved / chip.hbm_bandwidth)
  collectives = hlo.find_collectives(compiled, found.mesh, topology.num_slices)
  links, network = roofline.communication(
    (one, roofline.bandwidth(one, topology, mesh)) for one in collectives
  )
  return Timed(
    **vars(found),
    work=Work(
      model_flops=program.model_flops,
      step_flops=in_step.products + in_step.kernels,
      device_flops=device_flops,
      hbm_bytes=hbm_bytes,
      collectives=_by_kind(collectives),
      unknown_loops=tuple(hlo.unknown_loops(compiled)),
    ),
    roofline=roofline.Roofline(
      core=core,
      compute=device_flops / chip.peak_flops,
      memory=hbm_bytes / chip.hbm_bandwidth,
      links=links,
      network=network,
      needed=program.model_flops / found.num_devices / chip.peak_flops,
    ),
  )


def _by_kind(collectives: list[hlo.Collective]) -> tuple[CollectiveTotal, ...]:
  groups = collections.defaultdict(list)
  for one in collectives:
    groups[one.kind, one.axes, one.between_slices].append(one)
  totals = (
    CollectiveTotal(
      *key,
      count=sum(one.times for one in group),
      num_bytes=sum(one.total_bytes for one in group),
    )
    for key, group in groups.items()
  )
  return tuple(sorted(totals, key=lambda total: -total.num_bytes))
