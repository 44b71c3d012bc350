"""What a device executes of a compiled program, and how often.

The bodies of loops are executed as often as their loops turn, which XLA's own
cost analysis ignores. `jax.lax.scan` becomes a loop that counts from a constant
to a constant, and the compiler adds loops of its own, such as those that
overlap a matrix product with the gathering of its operand, whose counters take
steps of two.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from symbol_tuning.compilation.hlo.parsing import (
  Computation,
  Instruction,
  Module,
)

_TRANSPARENT = ('copy', 'bitcast', 'convert')


class Execution(NamedTuple):
  """An instruction where it stands, and how often a device executes it."""

  computation: Computation
  instruction: Instruction
  times: int


def executed(module: Module) -> Iterator[Execution]:
  """What a device executes; fusions are one instruction each.

  A loop of unknown length counts as one turn; see `unknown_loops`. All branches
  of a conditional count, though it takes one only.
  """
  yield from _executed(module, module.computations[module.entry], 1)


def _executed(
  module: Module, computation: Computation, times: int
) -> Iterator[Execution]:
  for instruction in computation.instructions.values():
    yield Execution(computation, instruction, times)
    if instruction.opcode == 'while':
      body = module.computations[instruction.callee('body')]
      turns = trip_count(module, computation, instruction)
      yield from _executed(
        module, body, times * (1 if turns is None else turns)
      )
    elif instruction.opcode in ('call', 'conditional', 'async-start'):
      for name in instruction.callees:
        yield from _executed(module, module.computations[name], times)


def unknown_loops(module: Module) -> list[str]:
  """Names of the loops whose lengths cannot be read from the program."""
  return [
    instruction.name
    for computation, instruction, _ in executed(module)
    if instruction.opcode == 'while'
    and trip_count(module, computation, instruction) is None
  ]


def trip_count(
  module: Module, computation: Computation, loop: Instruction
) -> int | None:
  """How often a `while` of this computation turns; None if that is unknown."""
  known = re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes)
  if known:
    return int(known[1])
  condition = module.computations[loop.callee('condition')]
  body = module.computations[loop.callee('body')]
  start = computation.operands(loop)[0].operands
  compare, sides = _found(module, condition, condition.root, 'compare')
  elements = [_state_element(*side) for side in sides]
  counter = _counter(body, elements)
  if compare is None or counter is None or counter >= len(start):
    return None
  first = _constant(computation, start[counter])
  step = _step(module, body, counter)
  limits = [
    _constant(*side)
    if element is None
    else _constant(computation, start[element])
    for side, element in zip(sides, elements, strict=True)
    if element != counter
  ]
  if first is None or not step or len(limits) != 1 or limits[0] is None:
    return None
  last = limits[0] + (compare.attribute('direction') in ('LE', 'GE'))
  return max(0, math.ceil((last - first) / step))


def _found(
  module: Module, computation: Computation, name: str, opcode: str
) -> tuple[Instruction | None, list[tuple[Computation, str]]]:
  """An instruction of this opcode, be it fused or not, and its operands."""
  instruction = computation.instructions[name]
  if instruction.opcode == opcode:
    return instruction, [(computation, side) for side in instruction.operands]
  if instruction.opcode == 'fusion':
    fused = module.computations[instruction.callees[0]]
    for inner in fused.instructions.values():
      if inner.opcode == opcode:
        return inner, [
          (computation, instruction.operands[int(side.arguments)])
          if side.opcode == 'parameter'
          else (fused, side.name)
          for side in fused.operands(inner)
        ]
  return None, []


def _state_element(computation: Computation, name: str) -> int | None:
  """Which element of the loop's state an instruction reads."""
  instruction = computation.instructions[name]
  if instruction.opcode != 'get-tuple-element':
    return None
  return int(instruction.required('index'))


def _counter(body: Computation, elements: Sequence[int | None]) -> int | None:
  """The element that the body changes."""
  results = body.instructions[body.root].operands
  for element in elements:
    if element is None or element >= len(results):
      continue
    if _state_element(body, results[element]) != element:
      return element
  return None


def _step(module: Module, body: Computation, counter: int) -> int | None:
  result = body.instructions[body.root].operands[counter]
  _, sides = _found(module, body, result, 'add')
  values = [_constant(*side) for side in sides]
  return next((value for value in values if value is not None), None)


def _constant(computation: Computation, name: str) -> int | None:
  instruction = computation.instructions[name]
  while instruction.opcode in _TRANSPARENT:
    instruction = computation.instructions[instruction.operands[0]]
  if instruction.opcode != 'constant':
    return None
  text = instruction.arguments.strip('{}')
  return int(text) if re.fullmatch(r'-?\d+', text) else None
