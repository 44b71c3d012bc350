"""List functions: which function turns these lists into those?

Rule (2020, "The child as hacker", MIT) had people learn 250 functions on
lists of numbers from examples; BIG-bench's task `list_functions` asks language
models for the same, numbering the functions c001 to c250 as he does. Wei et
al. (2023, figure 5) evaluate the twenty on which people are most accurate, in
five categories, with four examples in the prompt.

BIG-bench's README lists people's mean accuracy on each of the 250; they are
best (0.903) on the identity, c045 and c102. Which twenty the paper takes is not
published. Those here are our choice of functions that need one plain step, four
for each of five categories. "Remove elements", "modify the list" and
"input-independent" are categories of the paper; "add" and "keep" are how we
divide the rest. Inputs are our own draws in the range of Rule's: up to ten
numbers, of 0 to 9 for c001 to c080 and of 0 to 99 for the others. With
BIG-bench's files, `bigbench` asks for these functions with the official
examples instead.
"""

import dataclasses
from collections.abc import Callable

from symbol_tuning.data.seqio_tasks import text_tasks

Numbers = list[int]

LONGEST_LIST = 10


@dataclasses.dataclass(frozen=True)
class ListFunction:
  """A function from a list of numbers to a list of numbers.

  Attributes:
    name: unique among the functions.
    category: one of CATEGORIES.
    concept: its number in Rule's list and in BIG-bench.
    apply: the function. Where a list is too short for what is to be done, as
      much is done as can be: nothing is removed from an empty list.
    shortest: the shortest input among Rule's examples of the function.
  """

  name: str
  category: str
  concept: str
  apply: Callable[[Numbers], Numbers]
  shortest: int = 0

  @property
  def largest_number(self) -> int:
    """The largest number of an input, as in Rule's examples."""
    return 9 if self.concept <= 'c080' else 99


def _replaced(xs: Numbers, index: int, value: int) -> Numbers:
  return [value if i == index else x for i, x in enumerate(xs)]


def _swapped(xs: Numbers, i: int, j: int) -> Numbers:
  if max(i, j) >= len(xs):
    return xs
  return _replaced(_replaced(xs, i, xs[j]), j, xs[i])


# Name, category, BIG-bench's number of the concept, what it does, and how long
# the shortest input is, where it is not 0.
LIST_FUNCTIONS: tuple[ListFunction, ...] = (
  ListFunction('remove_first', 'remove', 'c049', lambda xs: xs[1:], 1),
  ListFunction('remove_last', 'remove', 'c062', lambda xs: xs[:-1], 1),
  ListFunction('remove_first_two', 'remove', 'c029', lambda xs: xs[2:], 2),
  # Remove the first and the last element.
  ListFunction('remove_ends', 'remove', 'c064', lambda xs: xs[1:-1], 2),
  # Answer with the list itself.
  ListFunction('keep_all', 'keep', 'c045', lambda xs: xs),
  ListFunction('keep_first', 'keep', 'c048', lambda xs: xs[:1], 2),
  ListFunction('keep_last', 'keep', 'c061', lambda xs: xs[-1:], 2),
  ListFunction('keep_first_two', 'keep', 'c006', lambda xs: xs[:2], 3),
  ListFunction('prepend_7', 'add', 'c046', lambda xs: [7, *xs]),
  ListFunction('append_3', 'add', 'c037', lambda xs: [*xs, 3]),
  ListFunction('prepend_98_append_37', 'add', 'c096', lambda xs: [98, *xs, 37]),
  ListFunction(
    'prepend_five_numbers', 'add', 'c092', lambda xs: [92, 63, 34, 18, 55, *xs]
  ),
  ListFunction('reverse', 'modify', 'c100', lambda xs: xs[::-1], 2),
  ListFunction(
    'move_first_to_end', 'modify', 'c066', lambda xs: xs[1:] + xs[:1], 2
  ),
  ListFunction(
    'swap_second_and_third', 'modify', 'c087', lambda xs: _swapped(xs, 1, 2), 3
  ),
  ListFunction(
    'replace_second_by_8', 'modify', 'c016', lambda xs: _replaced(xs, 1, 8), 2
  ),
  # Whatever the list, answer the same numbers.
  ListFunction('one_number', 'input_independent', 'c041', lambda xs: [9]),
  ListFunction('two_numbers', 'input_independent', 'c042', lambda xs: [5, 2]),
  ListFunction(
    'five_numbers', 'input_independent', 'c090',
    lambda xs: [18, 42, 77, 20, 36],
  ),
  ListFunction(
    'ten_numbers', 'input_independent', 'c091',
    lambda xs: [81, 99, 41, 23, 22, 75, 68, 30, 24, 69],
  ),
)  # fmt: skip

CATEGORIES = tuple(dict.fromkeys(f.category for f in LIST_FUNCTIONS))


def functions(category: str) -> list[ListFunction]:
  """Returns the functions of a category.

  Raises:
    ValueError: if there is no such category.
  """
  if category not in CATEGORIES:
    raise ValueError(
      f'No list function is in category {category!r}; there are'
      f' {", ".join(CATEGORIES)}.'
    )
  return [f for f in LIST_FUNCTIONS if f.category == category]


def examples(
  function: ListFunction, num_examples: int = 32, seed: int = 0
) -> list[tuple[Numbers, Numbers]]:
  """Draws different inputs and computes their outputs, the same for a seed.

  Args:
    function: the function.
    num_examples: BIG-bench has 32 a function.
    seed: of the draws.
  """
  rng = text_tasks.named_generator(function.name, seed)
  drawn: dict[tuple[int, ...], Numbers] = {}
  while len(drawn) < num_examples:
    length = rng.integers(function.shortest, LONGEST_LIST + 1)
    numbers = rng.integers(0, function.largest_number + 1, length).tolist()
    drawn[tuple(numbers)] = function.apply(numbers)
  return [(list(numbers), output) for numbers, output in drawn.items()]


def questions(
  category: str, num_shots: int = 4, num_examples: int = 32, seed: int = 0
) -> list[text_tasks.Question]:
  """Asks for every example of a category's functions (paper: four shots)."""
  return [
    question
    for function in functions(category)
    for question in text_tasks.few_shot_questions(
      [(str(x), str(y)) for x, y in examples(function, num_examples, seed)],
      num_shots,
      seed,
      function.name,
    )
  ]
