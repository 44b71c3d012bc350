"""Reads the text of a compiled program (HLO) as far as costs need it.

A module is a set of computations, one of which is its entry; those of loops,
calls and fusions are referred to by name.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping

_ITEM_BITS = {
  'pred': 8, 'bf16': 16, 'token': 0, 'opaque': 0, 'c64': 64, 'c128': 128,
}  # fmt: skip
_SHAPE = re.compile(r'([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?')
_HEADER = re.compile(r'(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{')
_INSTRUCTION = re.compile(r'\s+(ROOT )?%?([\w.\-]+) = (.*)')
_OPCODE = re.compile(r' ?([\w\-]+)\(')
_REFERENCE = re.compile(r'%([\w.\-]+)')
_CALLEE = re.compile(
  r'(?:calls|to_apply|body|condition|called_computations?|branch_computations|'
  r'true_computation|false_computation)=\{?((?:%[\w.\-]+(?:, )?)+)'
)


@dataclasses.dataclass(frozen=True)
class Shape:
  """One array: its type, its axes and the memory it is in (0 is HBM)."""

  dtype: str
  dims: tuple[int, ...]
  memory_space: int = 0

  @property
  def size(self) -> int:
    return math.prod(self.dims)

  @property
  def num_bytes(self) -> float:
    digits = re.search(r'\d+', self.dtype)
    bits = _ITEM_BITS.get(self.dtype) or int(digits[0] if digits else 0)
    return self.size * bits / 8


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a computation.

  Attributes:
    name: unique in the module.
    opcode: such as 'all-gather-start'.
    shapes: of its result; several if that is a tuple, nested ones flattened.
    operands: names of instructions of the same computation.
    arguments: the text between the parentheses.
    attributes: the text behind them.
  """

  name: str
  opcode: str
  shapes: tuple[Shape, ...]
  operands: tuple[str, ...]
  arguments: str
  attributes: str

  def attribute(self, name: str) -> str | None:
    """The text of an attribute: in braces, or without commas and spaces."""
    match = re.search(rf'\b{name}=(\{{[^}}]*\}}|[^\s,]+)', self.attributes)
    return match[1] if match else None

  def required(self, name: str) -> str:
    """The text of an attribute that instructions of this opcode all have.

    Raises:
      ValueError: if this one has not.
    """
    text = self.attribute(name)
    if text is None:
      raise ValueError(f'{self.opcode} {self.name} does not say its {name}')
    return text

  def callee(self, role: str) -> str:
    """The computation that is this instruction's 'body', 'condition', …"""
    return self.required(role).lstrip('%')

  @functools.cached_property
  def callees(self) -> tuple[str, ...]:
    """Names of the computations that it refers to."""
    found = _CALLEE.findall(self.attributes)
    return tuple(name for text in found for name in _REFERENCE.findall(text))


@dataclasses.dataclass(frozen=True)
class Computation:
  """Instructions by name, in order; the last result is the root's."""

  name: str
  instructions: Mapping[str, Instruction]
  root: str

  def operands(self, instruction: Instruction) -> list[Instruction]:
    return [self.instructions[name] for name in instruction.operands]

  def users(self, name: str) -> list[Instruction]:
    return [i for i in self.instructions.values() if name in i.operands]


@dataclasses.dataclass(frozen=True)
class Module:
  """What each device executes; `loops.executed` says how often."""

  computations: Mapping[str, Computation]
  entry: str


def parse(text: str) -> Module:
  """Reads what `jax.stages.Compiled.as_text` gives."""
  computations: dict[str, Computation] = {}
  entry, name = None, ''
  lines: list[str] = []
  for line in text.splitlines():
    header = _HEADER.match(line)
    if header and not line.startswith(' '):
      name, lines = header[2], []
      entry = name if header[1] else entry
    elif line == '}' or line.startswith('}, execution_thread='):
      computations[name] = _computation(name, lines)
    else:
      lines.append(line)
  if entry is None:
    raise ValueError('this text is no HLO module: it has no ENTRY')
  return Module(computations, entry)


def _computation(name: str, lines: list[str]) -> Computation:
  instructions, root = {}, ''
  for line in lines:
    match = _INSTRUCTION.match(line)
    if match:
      instructions[match[2]] = _instruction(match[2], match[3])
      root = match[2] if match[1] else root
  return Computation(name, instructions, root or next(reversed(instructions)))


def _instruction(name: str, text: str) -> Instruction:
  end = _closing(text, 0) + 1 if text.startswith('(') else text.find(' ')
  opcode = _OPCODE.match(text, end)
  if opcode is None:
    raise ValueError(f'no opcode in {text[:60]!r}')
  start = opcode.end() - 1
  stop = _closing(text, start)
  arguments = text[start + 1 : stop]
  return Instruction(
    name=name,
    opcode=opcode[1],
    shapes=tuple(_shapes(text[:end])),
    operands=tuple(_REFERENCE.findall(arguments)),
    arguments=arguments,
    attributes=text[stop + 1 :],
  )


def _closing(text: str, start: int) -> int:
  """Where the parenthesis that opens at `start` closes."""
  depth = 0
  for match in re.finditer(r'[()]', text[start:]):
    depth += 1 if match[0] == '(' else -1
    if not depth:
      return start + match.start()
  raise ValueError(f'unbalanced parentheses in {text[start : start + 60]!r}')


def _shapes(text: str) -> Iterator[Shape]:
  for dtype, dims, layout in _SHAPE.findall(text):
    space = re.search(r'S\((\d+)\)', layout)
    yield Shape(
      dtype,
      tuple(int(size) for size in dims.split(',') if size),
      int(space[1]) if space else 0,
    )
