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


@dataclasses.dataclass(frozen=True, eq=False)
class Instruction:
  """One line of a computation.

  Attributes:
    name: unique in the module.
    opcode: such as 'all-gather-start'.
    shapes: of its result; several if that is a tuple, nested ones flattened.
    arguments: the text between the parentheses.
    attributes: the text behind them.
    computation: in which it stands.
  """

  name: str
  opcode: str
  shapes: tuple[Shape, ...]
  arguments: str
  attributes: str
  computation: 'Computation' = dataclasses.field(repr=False)

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

  @functools.cached_property
  def operands(self) -> list['Instruction']:
    """Instructions of the same computation, whose results it takes."""
    names = _REFERENCE.findall(self.arguments)
    return [self.computation.instructions[name] for name in names]

  @property
  def operand_shapes(self) -> list[Shape]:
    return [shape for operand in self.operands for shape in operand.shapes]

  def callee(self, role: str) -> 'Computation':
    """The computation that is this instruction's 'body', 'condition', …"""
    return self.computation.others[self.required(role).lstrip('%')]

  @functools.cached_property
  def callees(self) -> list['Computation']:
    """The computations that it refers to."""
    found = ' '.join(_CALLEE.findall(self.attributes))
    return [self.computation.others[n] for n in _REFERENCE.findall(found)]

  @property
  def parameters(self) -> list[tuple['Instruction', 'Instruction']]:
    """Of a fusion: each parameter inside, and the operand it stands for."""
    return [
      (inner, self.operands[int(inner.arguments)])
      for inner in self.callees[0].instructions.values()
      if inner.opcode == 'parameter'
    ]


@dataclasses.dataclass(eq=False)
class Computation:
  """Instructions that are executed one after the other.

  Attributes:
    name: unique in the module.
    others: all computations of the module, by name.
    instructions: in order, by name.
    root_name: of the instruction whose result is the computation's.
  """

  name: str
  others: Mapping[str, 'Computation'] = dataclasses.field(repr=False)
  instructions: dict[str, Instruction] = dataclasses.field(default_factory=dict)
  root_name: str = ''

  @property
  def root(self) -> Instruction:
    return self.instructions[self.root_name]

  def users(self, operand: Instruction) -> list[Instruction]:
    return [i for i in self.instructions.values() if operand in i.operands]


@dataclasses.dataclass(frozen=True)
class Module:
  """What each device executes; `loops.executed` says how often."""

  computations: Mapping[str, Computation]
  entry: Computation


def parse(text: str) -> Module:
  """Reads what `jax.stages.Compiled.as_text` gives."""
  computations: dict[str, Computation] = {}
  computation = entry = None
  for line in text.splitlines():
    if header := _HEADER.match(line):
      computation = Computation(header[2], computations)
      computations[computation.name] = computation
      entry = computation if header[1] else entry
    elif computation and (match := _INSTRUCTION.match(line)):
      is_root, name, told = match.groups()
      computation.instructions[name] = _instruction(name, told, computation)
      if is_root:
        computation.root_name = name
  if entry is None:
    raise ValueError('this text is no HLO module: it has no ENTRY')
  return Module(computations, entry)


def _instruction(name: str, text: str, computation: Computation) -> Instruction:
  end = _closing(text, 0) + 1 if text.startswith('(') else text.find(' ')
  opcode = _OPCODE.match(text, end)
  if opcode is None:
    raise ValueError(f'no opcode in {text[:60]!r}')
  start = opcode.end() - 1
  stop = _closing(text, start)
  return Instruction(
    name=name,
    opcode=opcode[1],
    shapes=tuple(_shapes(text[:end])),
    arguments=text[start + 1 : stop],
    attributes=text[stop + 1 :],
    computation=computation,
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
