"""The bytes that a device reads from and writes to its memory (HBM).

An instruction reads the operands and writes the results that lie in HBM; what
the compiler keeps in the on-chip memory costs nothing here. Fusions that slice
a layer out of stacked arrays read the layer only, and those that update a slice
write the slice only.
"""

import math
from collections.abc import Iterator, Sequence

from symbol_tuning.compilation.hlo.parsing import Instruction, Shape

_FREE = (
  *('after-all', 'async-start', 'bitcast', 'call', 'conditional', 'constant'),
  *('get-tuple-element', 'opt-barrier', 'parameter', 'partition-id'),
  *('replica-id', 'tuple', 'while'),
)
_SLICES = ('dynamic-slice', 'slice', 'gather')
_VIEWS = ('bitcast', 'reshape')


def hbm_bytes(instruction: Instruction) -> float:
  """Bytes that an instruction moves in and out of HBM."""
  return sum(_traffic(instruction))


def _traffic(instruction: Instruction) -> Iterator[float]:
  opcode = instruction.opcode
  if opcode in _FREE or opcode.endswith(('-done', '-update')):
    return
  operands = instruction.operand_shapes
  if opcode == 'fusion':
    yield from _fusion_traffic(instruction)
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


def _fusion_traffic(fusion: Instruction) -> Iterator[float]:
  for parameter, operand in fusion.parameters:
    read = _read(parameter)
    yield from (min(_in_hbm(shape), read) for shape in operand.shapes)
  root = fusion.callees[0].root
  results = root.operands if root.opcode == 'tuple' else [root]
  for shape, result in zip(fusion.shapes, results, strict=False):
    yield min(_in_hbm(shape), _written(result))


def _read(parameter: Instruction) -> float:
  """How much of a parameter a fusion reads; infinity for all of it."""
  total = 0.0
  for user in parameter.computation.users(parameter):
    is_first = user.operands[0] is parameter
    if user.opcode in _VIEWS:
      total += _read(user)
    elif user.opcode in _SLICES and is_first:
      total += user.shapes[0].num_bytes
    elif user.opcode == 'dynamic-update-slice' and is_first:
      continue
    elif user.opcode == 'fusion':
      total += sum(
        _read(inner)
        for inner, operand in user.parameters
        if operand is parameter
      )
    else:
      return math.inf
  return total


def _written(result: Instruction) -> float:
  """How much of a result a fusion writes; infinity for all of it."""
  while result.opcode in _VIEWS:
    result = result.operands[0]
  if result.opcode == 'dynamic-update-slice':
    return result.operands[1].shapes[0].num_bytes
  if result.opcode == 'fusion' and len(result.shapes) == 1:
    return _written(result.callees[0].root)
  return math.inf


def _in_hbm(shape: Shape) -> float:
  return 0.0 if shape.memory_space else shape.num_bytes
