"""What PaLM needs on TPU slices: compiled for them, with no TPU.

    python benchmarks/compilation.py ready      the ready configurations
    python benchmarks/compilation.py scaling    from 16 to 4096 devices
    python benchmarks/compilation.py loss       gathered positions with loss

Each step is compiled by `symbol_tuning.precompile` in a process of its own, one
after the other: minutes each, and up to 3 GiB of memory. Findings that are in
--output_dir already are not made again. Needs the TPU compiler, `pip install
"jax[tpu]"`.
"""

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence

from symbol_tuning.compilation import findings, measuring, programs, rendering
from symbol_tuning.compilation.findings import Findings, Timed

GIB = 2**30
# Kernels are gathered whole. By default they are gathered piece by piece beside
# the parts of a product, whose sums go through memory once for each piece.
FLAGS = '--xla_tpu_enable_windowed_einsum_for_all_gather=false'
QUICK = {'JAX_OPTIMIZATION_LEVEL': 'O1'}


@dataclasses.dataclass(frozen=True)
class Run:
  """One call of `symbol_tuning.precompile`: an experiment, and changes."""

  name: str
  experiment: str
  bindings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Table:
  """Runs, and what is told of each beside its name."""

  runs: tuple[Run, ...]
  columns: dict[str, Callable[[Timed], str]]


def scaled(devices: int, topology: str, data: int) -> Run:
  """PaLM 62B with two rows a device, its parameters split over devices/data."""
  bindings = (
    f'TPU_TOPOLOGY={topology!r}',
    f'BATCH_SIZE={2 * devices}',
    f'partitioning.Partitioner.data={data}',
    f'partitioning.Partitioner.fsdp={devices // data}',
    'partitioning.Partitioner.tensor=1',
  )
  name = f'{devices:,} devices, {data} × {devices // data}'
  return Run(name, 'palm_62b_v5p_128', bindings)


MEMORY = {
  'HBM a device, GiB': lambda r: rendering.figure(r.memory.total / GIB),
  'of': lambda r: rendering.figure(r.memory.limit / GIB),
}
COSTS = {
  'TFLOP a device': lambda r: rendering.figure(r.work.device_flops / 1e12),
  'received a device, GB': lambda r: rendering.figure(
    r.work.collective_bytes / 1e9
  ),
}
ROOFLINE = {
  's a step': lambda r: rendering.figure(r.roofline.overlapped),
  'roofline MFU': lambda r: f'{r.roofline.best_mfu:.0%}',
  'if nothing hides': lambda r: f'{r.roofline.worst_mfu:.0%}',
}
COMPILING = {
  'compiled in, s': lambda r: f'{r.compile_seconds:.0f}',
  'with, GiB': lambda r: f'{r.compile_bytes / GIB:.1f}',
}
TABLES = {
  'ready': Table(
    tuple(
      Run(name, name)
      for name in (
        'palm_8b_v5e_16',
        'palm_8b_v6e_16',
        'palm_62b_v4_128',
        'palm_62b_v5p_128',
        'palm_540b_v5p_1024',
        'palm_540b_2x_v4_4096',
        'palm_540b_2x_v4_4096_batch_256',
      )
    ),
    MEMORY | COSTS | ROOFLINE | COMPILING,
  ),
  'scaling': Table(
    (
      scaled(16, 'v5p:2x2x4', data=1),
      scaled(512, 'v5p:8x8x8', data=1),
      scaled(512, 'v5p:8x8x8', data=32),
      scaled(4096, 'v5p:16x16x16', data=1),
      scaled(4096, 'v5p:16x16x16', data=256),
    ),
    {
      'HBM a device, GiB': MEMORY['HBM a device, GiB'],
      'of it parameters': lambda r: rendering.figure(
        r.memory.by_kind['parameters'] / GIB
      ),
    }
    | COSTS
    | ROOFLINE,
  ),
  'loss': Table(
    tuple(
      Run(
        f'{number} of 2560',
        'palm_8b_v5e_16',
        (f'LOSS_POSITIONS_PER_ROW={number}',),
      )
      for number in (2560, 256, 64)
    ),
    MEMORY | COSTS,
  ),
}


def compiled(run: Run, folder: pathlib.Path, quickly: bool) -> Findings:
  """What compiling a run found; made if it is not there."""
  output = folder / run.name.replace(' ', '_').replace(',', '')
  if not list(output.glob('*.json')):
    flags = os.environ.get(programs.COMPILER_FLAGS, FLAGS)
    ended = subprocess.run(
      [
        *(sys.executable, '-m', 'symbol_tuning.precompile'),
        f'--gin_file=experiments/{run.experiment}.gin',
        '--gin_file=runs/precompile.gin',
        *(f'--gin.{binding}' for binding in run.bindings),
        f'--gin.OUTPUT_DIR={str(output)!r}',
      ],
      env=os.environ
      | {programs.COMPILER_FLAGS: flags}
      | (QUICK if quickly else {}),
      stdout=subprocess.DEVNULL,
    )
    if ended.returncode not in (0, measuring.DOES_NOT_FIT):
      sys.exit(f'{run.name} could not be compiled')
  [path] = output.glob('*.json')
  return findings.from_json(path.read_text(encoding='utf-8'))


def line(run: Run, found: Findings, table: Table) -> Sequence[str]:
  if not isinstance(found, Timed):
    return [
      run.name,
      rendering.verdict(found),
      *[''] * (len(table.columns) - 1),
    ]
  return [run.name, *(show(found) for show in table.columns.values())]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('table', choices=TABLES)
  parser.add_argument('--output_dir', default='compiled', type=pathlib.Path)
  parser.add_argument('--quick', action='store_true', help='compile less well')
  arguments = parser.parse_args()
  table = TABLES[arguments.table]
  lines = [
    line(run, compiled(run, arguments.output_dir, arguments.quick), table)
    for run in table.runs
  ]
  print(rendering.table([arguments.table, *table.columns], lines))


if __name__ == '__main__':
  main()
