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

from symbol_tuning.compilation.hlo.parsing import (
  Computation,
  Instruction,
  Module,
)

_TRANSPARENT = ('copy', 'bitcast', 'convert')


def executed(module: Module) -> Iterator[tuple[Instruction, int]]:
  """What a device executes, and how often; a fusion is one instruction.

  A loop of unknown length counts as one turn; see `unknown_loops`. All branches
  of a conditional count, though it takes one only.
  """
  yield from _executed(module.entry, 1)


def _executed(
  computation: Computation, times: int
) -> Iterator[tuple[Instruction, int]]:
  for instruction in computation.instructions.values():
    yield instruction, times
    if instruction.opcode == 'while':
      turns = trip_count(instruction)
      body = instruction.callee('body')
      yield from _executed(body, times * (1 if turns is None else turns))
    elif instruction.opcode in ('call', 'conditional', 'async-start'):
      for callee in instruction.callees:
        yield from _executed(callee, times)


def unknown_loops(module: Module) -> list[str]:
  """Names of the loops whose lengths cannot be read from the program."""
  return [
    instruction.name
    for instruction, _ in executed(module)
    if instruction.opcode == 'while' and trip_count(instruction) is None
  ]


def trip_count(loop: Instruction) -> int | None:
  """How often a `while` turns; None if that is unknown."""
  known = re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes)
  if known:
    return int(known[1])
  body = loop.callee('body')
  start = loop.operands[0].operands
  compare, sides = _found(loop.callee('condition').root, 'compare')
  elements = [_state_element(side) for side in sides]
  counter = _counter(body, elements)
  if compare is None or counter is None or counter >= len(start):
    return None
  first = _constant(start[counter])
  step = _step(body, counter)
  limits = [
    _constant(side if element is None else start[element])
    for side, element in zip(sides, elements, strict=True)
    if element != counter
  ]
  if first is None or not step or len(limits) != 1 or limits[0] is None:
    return None
  last = limits[0] + (compare.attribute('direction') in ('LE', 'GE'))
  return max(0, math.ceil((last - first) / step))


def _found(
  instruction: Instruction, opcode: str
) -> tuple[Instruction | None, list[Instruction]]:
  """An instruction of this opcode, be it fused or not, and its operands."""
  if instruction.opcode == opcode:
    return instruction, instruction.operands
  if instruction.opcode == 'fusion':
    outside = {inner.name: operand for inner, operand in instruction.parameters}
    for inner in instruction.callees[0].instructions.values():
      if inner.opcode == opcode:
        return inner, [outside.get(side.name, side) for side in inner.operands]
  return None, []


def _state_element(instruction: Instruction) -> int | None:
  """Which element of the loop's state an instruction reads."""
  if instruction.opcode != 'get-tuple-element':
    return None
  return int(instruction.required('index'))


def _counter(body: Computation, elements: Sequence[int | None]) -> int | None:
  """The element that the body changes."""
  results = body.root.operands
  for element in elements:
    if element is None or element >= len(results):
      continue
    if _state_element(results[element]) != element:
      return element
  return None


def _step(body: Computation, counter: int) -> int | None:
  _, sides = _found(body.root.operands[counter], 'add')
  values = map(_constant, sides)
  return next((value for value in values if value is not None), None)


def _constant(instruction: Instruction) -> int | None:
  while instruction.opcode in _TRANSPARENT:
    instruction = instruction.operands[0]
  if instruction.opcode != 'constant':
    return None
  text = instruction.arguments.strip('{}')
  return int(text) if re.fullmatch(r'-?\d+', text) else None
