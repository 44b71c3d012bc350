"""The bytes that devices exchange in a compiled program.

Counted are the bytes that a device *receives* by the best algorithm on a ring:
of n devices, an all-gather of a result of B bytes brings each B (n-1)/n, a
reduce-scatter of an operand of B bytes likewise, an all-reduce both. Where the
compiler spreads one operation over several instructions (a start, fusions that
carry it on, an end), it is counted once.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symbol_tuning.compilation.hlo import loops
from symbol_tuning.compilation.hlo.parsing import (
  Computation,
  Instruction,
  Module,
)

KINDS = (
  'all-gather',
  'all-reduce',
  'reduce-scatter',
  'all-to-all',
  'collective-permute',
)
_RENDEZVOUS = re.compile(r'_xla_host_transfer_rendezvous="([a-z\-]+)')
_IOTA = re.compile(
  r'replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?'
)
_LISTS = re.compile(r'replica_groups=\{(\{[\d,{} ]*\})\}')
_AXES = re.compile(
  r'replica_groups=mesh\[([^\]]*)\]'
  r'(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? ?\{([^}]*)\}'
)
_PAIRS = re.compile(r'source_target_pairs=\{((?:\{\d+,\d+\},?)*)\}')


@dataclasses.dataclass(frozen=True)
class Collective:
  """One operation of a program.

  Attributes:
    kind: one of KINDS.
    num_bytes: received by a device each time.
    times: how often it is done in a step.
    axes: axes of the mesh along which the devices of a group differ.
    group: one group of devices, as positions in the flattened mesh of a slice;
      for a permutation, one device and where it sends to.
    between_slices: whether it goes over the data-center network.
  """

  kind: str
  num_bytes: float
  times: int
  axes: tuple[str, ...]
  group: tuple[int, ...]
  between_slices: bool = False

  @property
  def total_bytes(self) -> float:
    return self.num_bytes * self.times


def find_collectives(
  module: Module, mesh: Mapping[str, int], num_slices: int = 1
) -> list[Collective]:
  """Every operation that moves bytes between devices.

  Args:
    module: compiled for a mesh, the same for each device.
    mesh: names and sizes of the mesh's axes; slices are cut from the first.
    num_slices: how many there are.
  """
  first, *rest = mesh.items()
  in_slice = dict([(first[0], first[1] // num_slices), *rest])
  started = _started_channels(module)
  found: list[Collective] = []
  for instruction, times in loops.executed(module):
    if instruction.opcode == 'send':
      found += _megascale(instruction, times, first[0], num_slices)
    for collective, kind in _with_fused(instruction):
      channel = collective.attribute('channel_id')
      carried_on = channel in started and not _starts(collective.computation)
      if collective is instruction or not carried_on:
        found.append(_collective(collective, kind, times, in_slice))
  return [collective for collective in found if collective.num_bytes]


def _started_channels(module: Module) -> set[str | None]:
  """Channels of the collectives that fusions start and others carry on."""
  return {
    instruction.attribute('channel_id')
    for computation in module.computations.values()
    if _starts(computation)
    for instruction in computation.instructions.values()
    if _kind(instruction)
  }


def _starts(fused: Computation) -> bool:
  return any(
    '"AsyncCollectiveStart"' in instruction.attributes
    for instruction in fused.instructions.values()
    if instruction.opcode == 'custom-call'
  )


def _with_fused(instruction: Instruction) -> Iterator[tuple[Instruction, str]]:
  """The collectives that executing one instruction means, and their kinds."""
  if kind := _kind(instruction):
    yield instruction, kind
  elif instruction.opcode == 'fusion':
    for inner in instruction.callees[0].instructions.values():
      yield from _with_fused(inner)


def _kind(instruction: Instruction) -> str | None:
  kind = instruction.opcode.removesuffix('-start')
  return kind if kind in KINDS else None


def _collective(
  instruction: Instruction, kind: str, times: int, mesh: Mapping[str, int]
) -> Collective:
  if 'all-reduce-scatter' in instruction.computation.name:
    kind = 'reduce-scatter'
  group = _group(instruction, tuple(mesh.values()))
  operand_bytes = sum(shape.num_bytes for shape in instruction.operand_shapes)
  return Collective(
    kind=kind,
    num_bytes=_received(kind, operand_bytes, len(group)),
    times=times,
    axes=_axes(group, mesh),
    group=group,
  )


def _received(kind: str, operand_bytes: float, size: int) -> float:
  """Bytes that each of `size` devices receives."""
  shares = {
    'all-gather': size - 1,
    'all-reduce': 2 * (size - 1) / size,
    'reduce-scatter': (size - 1) / size,
    'all-to-all': (size - 1) / size,
    'collective-permute': size > 1,
  }
  return operand_bytes * shares[kind]


def _megascale(
  send: Instruction, times: int, axis: str, num_slices: int
) -> Iterator[Collective]:
  """What is sent from slice to slice by way of the hosts."""
  rendezvous = _RENDEZVOUS.search(send.attributes)
  if rendezvous and rendezvous[1].strip('-') in KINDS:
    kind = rendezvous[1].strip('-')
    sent = send.operands[0].shapes[0].num_bytes
    yield Collective(
      kind=kind,
      num_bytes=_received(kind, sent, num_slices),
      times=times,
      axes=(axis,),
      group=tuple(range(num_slices)),
      between_slices=True,
    )


def _group(instruction: Instruction, mesh: Sequence[int]) -> tuple[int, ...]:
  """The first group of devices among which an operation is done."""
  text = instruction.attributes
  if pairs := _PAIRS.search(text):
    numbers = _numbers(pairs[1])
    moves = zip(numbers[::2], numbers[1::2], strict=True)
    return next((move for move in moves if move[0] != move[1]), (0,))
  if iota := _IOTA.search(text):
    groups, shape, order = map(_numbers, iota.groups(''))
    return tuple(_transposed(shape, order).reshape(groups)[0].tolist())
  if named := _AXES.search(text):
    axes, devices, permutation, used = named.groups('')
    sizes = {name: int(n) for name, n in re.findall(r"'([^']+)'=(\d+)", axes)}
    ids = _transposed(
      _numbers(devices) or [*sizes.values()], _numbers(permutation)
    )
    index = [slice(None) if f"'{name}'" in used else 0 for name in sizes]
    return tuple(ids.reshape(*sizes.values())[tuple(index)].ravel().tolist())
  if lists := _LISTS.search(text):
    return tuple(_numbers(lists[1].split('}')[0]))
  return tuple(range(math.prod(mesh)))


def _transposed(shape: Sequence[int], order: Sequence[int]) -> np.ndarray:
  ids = np.arange(math.prod(shape)).reshape(shape)
  return ids.transpose(order) if order else ids


def _numbers(text: str) -> list[int]:
  return [int(number) for number in re.findall(r'\d+', text)]


def _axes(group: Sequence[int], mesh: Mapping[str, int]) -> tuple[str, ...]:
  positions = np.stack(np.unravel_index(group, tuple(mesh.values())))
  differs = (positions != positions[:, :1]).any(axis=1)
  return tuple(
    name for name, is_used in zip(mesh, differs, strict=True) if is_used
  )
