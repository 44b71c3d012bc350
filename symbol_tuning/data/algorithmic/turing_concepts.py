"""Simple Turing concepts: which program turns these bits into those?

Telle, Hernández-Orallo and Ferri (2019, "The teaching size", Machine Learning
108) teach programs of P3, a variant of Böhm's P'', by example: the teacher
shows the smallest witness set, by which a learner that goes through all
programs, shortest first, finds the right one. BIG-bench's simp_turing_concept
asks language models to be that learner. Wei et al. (2023, section 5) take the
concepts of at most three instructions and BIG-bench's second additional set:
five more examples beside the witness set, and five questions a concept.

A P3 program moves on a tape, endless in both directions, of 0, 1 and blanks
(written as a dot). The input stands on it; the head begins at its first bit.

  < >   move left, right
  + -   change the symbol to the next, the previous one in the cycle 0 1 .
  [ ]   repeat what stands between while the symbol is not blank
  o     output the symbol; a blank ends the output and the program

Programs that do the same are one concept, named by the first of them. The one
that never outputs anything is left out. That leaves 17 concepts of at most
three instructions; the paper's accuracies are multiples of 1/85, which is 17
concepts times five questions. The official witness sets, weighed by another
code length, need not be ours: `bigbench` reads them. Questions are written as
BIG-bench's are: bits stand in quotes, which its `output_regex` looks for.
"""

import dataclasses
import functools
import heapq
import itertools
from collections.abc import Iterator, Sequence

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.seqio_tasks import text_tasks
from symbol_tuning.data.seqio_tasks.text_tasks import Pair

INSTRUCTIONS = '<>+-[]o'
SYMBOLS = '01.'
FORMAT = FORMATS[0]  # BIG-bench's.
OUTPUT_REGEX = "('.*?')"
BLANK = '.'
# A teacher shows, and a question asks for, strings of at most five bits.
INPUTS = tuple(
  ''.join(bits)
  for length in range(1, 6)
  for bits in itertools.product('01', repeat=length)
)

Outputs = tuple[str | None, ...]  # of each of INPUTS; None: did not halt


def run(program: str, bits: str, max_steps: int = 1000) -> str | None:
  """Runs a P3 program.

  Args:
    program: instructions, brackets balanced.
    bits: the input.
    max_steps: instructions executed before it is given up.

  Returns:
    The output, or None if the program did not end within `max_steps`.

  Raises:
    ValueError: if the program is not well-formed.
  """
  jumps = _jumps(program)
  tape = dict(enumerate(bits))
  head = counter = 0
  output = ''
  for _ in range(max_steps):
    if counter == len(program):
      return output
    instruction = program[counter]
    symbol = tape.get(head, BLANK)
    if instruction in '<>':
      head += 1 if instruction == '>' else -1
    elif instruction in '+-':
      step = 1 if instruction == '+' else -1
      tape[head] = SYMBOLS[(SYMBOLS.index(symbol) + step) % len(SYMBOLS)]
    elif instruction == 'o':
      if symbol == BLANK:
        return output
      output += symbol
    elif (instruction == '[') == (symbol == BLANK):
      counter = jumps[counter]
    counter += 1
  return output if counter == len(program) else None


def _jumps(program: str) -> dict[int, int]:
  """Returns where the partner of each bracket stands."""
  jumps: dict[int, int] = {}
  opened = []
  for place, instruction in enumerate(program):
    if instruction not in INSTRUCTIONS:
      raise ValueError(
        f'{instruction!r} in {program!r} is none of {INSTRUCTIONS}.'
      )
    if instruction == '[':
      opened.append(place)
    elif instruction == ']':
      if not opened:
        raise ValueError(f'{program!r} closes a bracket that is not open.')
      jumps[place] = opened.pop()
      jumps[jumps[place]] = place
  if opened:
    raise ValueError(f'{program!r} leaves a bracket open.')
  return jumps


def programs(max_instructions: int) -> Iterator[str]:
  """Yields all programs, shorter ones first, then as INSTRUCTIONS has it."""
  for length in range(max_instructions + 1):
    for instructions in itertools.product(INSTRUCTIONS, repeat=length):
      program = ''.join(instructions)
      if _is_balanced(program):
        yield program


def _is_balanced(program: str) -> bool:
  try:
    _jumps(program)
  except ValueError:
    return False
  return True


@dataclasses.dataclass(frozen=True)
class Concept:
  """What a program computes.

  Attributes:
    program: the first of the programs that compute it.
    outputs: what it makes of each of INPUTS.
    witnesses: the smallest examples that tell it from all earlier programs.
  """

  program: str
  outputs: tuple[str, ...]
  witnesses: tuple[Pair, ...]


@functools.cache
def concepts(max_instructions: int = 3) -> tuple[Concept, ...]:
  """Returns the concepts in the order of their programs.

  A concept halts on all of INPUTS and outputs something for one of them.
  Earlier programs that do not always halt are no concepts, but what they do
  output is told apart from a concept too.
  """
  first_programs: dict[Outputs, str] = {}
  found = []
  for program in programs(max_instructions):
    outputs = tuple(run(program, bits) for bits in INPUTS)
    if outputs in first_programs:
      continue
    written = tuple(output for output in outputs if output is not None)
    if len(written) == len(outputs) and any(written):
      witnesses = _witness_set(written, list(first_programs))
      found.append(Concept(program, written, witnesses))
    first_programs[outputs] = program
  return tuple(found)


def learn(examples: Sequence[Pair]) -> Concept | None:
  """Returns the first concept that agrees with all examples, if there is one.

  Args:
    examples: inputs and outputs, of any length.
  """
  agreeing = (
    concept
    for concept in concepts()
    if all(run(concept.program, bits) == output for bits, output in examples)
  )
  return next(agreeing, None)


def _witness_set(
  outputs: tuple[str, ...], rivals: Sequence[Outputs]
) -> tuple[Pair, ...]:
  """Finds the smallest set of examples with which no rival agrees.

  One exists, since every rival differs from `outputs` somewhere.

  The size of a set is the number of its bits and one end mark a string. Sets
  are tried by increasing size (uniform-cost search); an example is added only
  if it rules out another rival.
  """
  agreeing = [
    frozenset(r for r, rival in enumerate(rivals) if rival[i] == output)
    for i, output in enumerate(outputs)
  ]
  # Size, examples chosen, rivals that agree with them.
  queue: list[tuple[int, tuple[int, ...], frozenset[int]]] = [
    (0, (), frozenset(range(len(rivals))))
  ]
  while True:
    size, chosen, remaining = heapq.heappop(queue)
    if not remaining:
      return tuple((INPUTS[i], outputs[i]) for i in chosen)
    for i in range(chosen[-1] + 1 if chosen else 0, len(INPUTS)):
      left = remaining & agreeing[i]
      if left != remaining:
        larger = size + len(INPUTS[i]) + len(outputs[i]) + 2
        heapq.heappush(queue, (larger, (*chosen, i), left))


def questions(
  num_additional: int = 5, num_queries: int = 5, seed: int = 0
) -> list[text_tasks.Question]:
  """Asks for held-out outputs of each concept.

  Args:
    num_additional: examples shown after the witness set, drawn at random.
    num_queries: questions a concept; none of them is shown.
    seed: of the draws.
  """
  asked = []
  for concept in concepts():
    pairs = list(zip(INPUTS, concept.outputs, strict=True))
    others = [pair for pair in pairs if pair not in concept.witnesses]
    rng = text_tasks.named_generator(concept.program, seed)
    drawn = [others[i] for i in rng.permutation(len(others))]
    shots = [*concept.witnesses, *drawn[:num_additional]]
    queries = drawn[num_additional : num_additional + num_queries]
    shown = [(_quoted(bits), _quoted(output)) for bits, output in shots]
    asked += [
      text_tasks.ask(
        FORMAT,
        shown,
        _quoted(query),
        [_quoted(answer)],
        concept.program,
        OUTPUT_REGEX,
      )
      for query, answer in queries
    ]
  return asked


def _quoted(bits: str) -> str:
  return f"'{bits}'"
