"""The bytes that a device reads from and writes to its memory (HBM).

An instruction reads the operands and writes the results that lie in HBM; what
the compiler keeps in the on-chip memory costs nothing here. Fusions that slice
a layer out of stacked arrays read the layer only, and those that update a slice
write the slice only.
"""

import math
from collections.abc import Iterator, Sequence

from symbol_tuning.compilation.hlo.parsing import (
  Computation,
  Instruction,
  Module,
  Shape,
)

_FREE = (
  *('after-all', 'async-start', 'bitcast', 'call', 'conditional', 'constant'),
  *('get-tuple-element', 'opt-barrier', 'parameter', 'partition-id'),
  *('replica-id', 'tuple', 'while'),
)
_SLICES = ('dynamic-slice', 'slice', 'gather')
_VIEWS = ('bitcast', 'reshape')


def hbm_bytes(
  module: Module, computation: Computation, instruction: Instruction
) -> float:
  """Bytes that an instruction moves in and out of HBM."""
  return sum(_traffic(module, computation, instruction))


def _traffic(
  module: Module, computation: Computation, instruction: Instruction
) -> Iterator[float]:
  opcode = instruction.opcode
  if opcode in _FREE or opcode.endswith(('-done', '-update')):
    return
  operands = [
    shape
    for operand in computation.operands(instruction)
    for shape in operand.shapes
  ]
  if opcode == 'fusion':
    yield from _fusion_traffic(module, computation, instruction)
  elif opcode in _SLICES:
    yield 2 * _in_hbm(instruction.shapes[0])
  elif opcode == 'dynamic-update-slice':
    yield 2 * _in_hbm(operands[1])
  elif opcode.endswith('-start'):
    yield from _start_traffic(instruction, operands)
  else:
    yield from map(_in_hbm, operands)
    yield from map(_in_hbm, instruction.shapes)


def _start_traffic(
  instruction: Instruction, operands: Sequence[Shape]
) -> Iterator[float]:
  """Of an asynchronous copy, slice or collective, which lists its operands."""
  results = [shape for shape in instruction.shapes if shape.dims]
  if not results or not operands:
    return
  target = results[0] if instruction.opcode == 'copy-start' else results[-1]
  yield min(_in_hbm(operands[0]), target.num_bytes)
  yield _in_hbm(target)


def _fusion_traffic(
  module: Module, computation: Computation, fusion: Instruction
) -> Iterator[float]:
  fused = module.computations[fusion.callees[0]]
  for inner in fused.instructions.values():
    if inner.opcode == 'parameter':
      operand = computation.operands(fusion)[int(inner.arguments)]
      read = _read(module, fused, inner.name)
      yield from (min(_in_hbm(shape), read) for shape in operand.shapes)
  root = fused.instructions[fused.root]
  results = root.operands if root.opcode == 'tuple' else (root.name,)
  for shape, name in zip(fusion.shapes, results, strict=False):
    yield min(_in_hbm(shape), _written(module, fused, name))


def _read(module: Module, fused: Computation, name: str) -> float:
  """How much of a parameter a fusion reads; infinity for all of it."""
  total = 0.0
  for user in fused.users(name):
    if user.opcode in _VIEWS:
      total += _read(module, fused, user.name)
    elif user.opcode in _SLICES and user.operands[0] == name:
      total += user.shapes[0].num_bytes
    elif user.opcode == 'dynamic-update-slice' and user.operands[0] == name:
      continue
    elif user.opcode == 'fusion':
      inner = module.computations[user.callees[0]]
      total += sum(
        _read(module, inner, parameter.name)
        for parameter in inner.instructions.values()
        if parameter.opcode == 'parameter'
        and user.operands[int(parameter.arguments)] == name
      )
    else:
      return math.inf
  return total


def _written(module: Module, fused: Computation, name: str) -> float:
  """How much of a result a fusion writes; infinity for all of it."""
  instruction = fused.instructions[name]
  while instruction.opcode in _VIEWS:
    instruction = fused.operands(instruction)[0]
  if instruction.opcode == 'dynamic-update-slice':
    return fused.operands(instruction)[1].shapes[0].num_bytes
  if instruction.opcode == 'fusion' and len(instruction.shapes) == 1:
    inner = module.computations[instruction.callees[0]]
    return _written(module, inner, inner.root)
  return math.inf


def _in_hbm(shape: Shape) -> float:
  return 0.0 if shape.memory_space else shape.num_bytes
