"""A device's memory: what fills it, and what to change when it overflows."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import jax

from symbol_tuning.training.partitioning import parameter_name

PyTree = Any

_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
# The compiler speaks of temporaries and means all, as programs with large
# arguments and small temporaries show.
_NEEDED = r'HLO temporaries \((\d+(?:\.\d+)?)([KMGT]?)\)'


@dataclasses.dataclass(frozen=True)
class MemoryNeed:
  """What a program needs of a device's memory, in bytes.

  Attributes:
    by_kind: parts that add up to the need. What is given up (donated) and used
      again for results is counted once; other results are temporary.
    limit: what there is.
    fits: whether the compiler made a program of it.
    largest: the largest arrays, where they are of interest.
  """

  by_kind: Mapping[str, float]
  limit: float
  fits: bool
  largest: Mapping[str, float] = dataclasses.field(default_factory=dict)

  @property
  def total(self) -> float:
    return sum(self.by_kind.values())


def of_compiled(
  compiled: jax.stages.Compiled, arguments: Mapping[str, PyTree], limit: float
) -> MemoryNeed:
  """The memory of a program that was compiled.

  Raises:
    NotImplementedError: if its compiler does not tell.
  """
  analysis = compiled.memory_analysis()
  if analysis is None:
    raise NotImplementedError('the compiler does not tell the need of memory')
  held = {kind: bytes_on_device(tree) for kind, tree in arguments.items()}
  return MemoryNeed(
    by_kind={
      **held,
      'temporary': analysis.peak_memory_in_bytes - sum(held.values()),
      'code': analysis.generated_code_size_in_bytes,
    },
    limit=limit,
    fits=True,
  )


def of_error(
  error: str,
  arguments: Mapping[str, PyTree],
  temporaries: Mapping[str, PyTree],
  limit: float,
) -> MemoryNeed:
  """The memory of a program that the compiler found too large."""
  by_kind = {kind: bytes_on_device(tree) for kind, tree in arguments.items()}
  if match := re.search(_NEEDED, error):
    needed = float(match[1]) * _UNITS[match[2]]
    by_kind['temporary'] = max(0.0, needed - sum(by_kind.values()))
  largest = _largest({**arguments, **temporaries})
  return MemoryNeed(by_kind, limit, fits=False, largest=largest)


def _largest(trees: Mapping[str, PyTree]) -> dict[str, float]:
  sizes = {
    f'{kind} {parameter_name(path)}'.rstrip(): bytes_on_device(array)
    for kind, tree in trees.items()
    for path, array in jax.tree.leaves_with_path(tree)
  }
  return dict(sorted(sizes.items(), key=lambda item: -item[1])[:8])


def bytes_on_device(tree: PyTree) -> float:
  """Bytes of a device's shards of arrays that have shardings."""
  return float(
    sum(
      math.prod(array.sharding.shard_shape(array.shape)) * array.dtype.itemsize
      for array in jax.tree.leaves(tree)
    )
  )


def of_arguments(arguments: Mapping[str, PyTree], limit: float) -> MemoryNeed:
  """What a step holds whatever it computes: arguments and gradients."""
  by_kind = {kind: bytes_on_device(tree) for kind, tree in arguments.items()}
  by_kind['gradients'] = by_kind['parameters']
  return MemoryNeed(by_kind, limit, sum(by_kind.values()) <= limit)


def is_exhausted(error: Exception) -> bool:
  """Whether a compiler's error says that HBM does not suffice.

  A kernel may also ask for more than a chip's own memory (VMEM) holds, which no
  layout of arrays mends.
  """
  text = str(error)
  return 'RESOURCE_EXHAUSTED' in text and 'hbm' in text.lower()


def advice(
  memory: MemoryNeed, settings: Mapping[str, Any], mesh: Mapping[str, int]
) -> list[str]:
  """What makes a program smaller, the parameters first."""
  held = memory.by_kind.get('parameters', 0) * 2
  found = []
  if held > memory.limit / 2:
    found.append(
      'parameters and their gradients alone take '
      f'{held / memory.limit:.0%} of the memory: raise Partitioner.fsdp or '
      'Partitioner.tensor, or set DecoderConfig.param_dtype to bfloat16'
    )
  if settings.get('remat', 'full') != 'full':
    found.append("recompute whole layers: DecoderConfig.remat = 'full'")
  if settings.get('positions with loss', 0) > settings['tokens of a row'] / 4:
    found.append(
      'unembed the positions with loss only: LOSS_POSITIONS_PER_ROW = 256'
    )
  parts = settings.get('microbatches', 1)
  if settings['rows of a batch'] >= 2 * parts * mesh['data'] * mesh['fsdp']:
    found.append(f'split the batch: NUM_MICROBATCHES = {2 * parts}')
  found.append('split layers further (Partitioner.tensor), or take more chips')
  return found
