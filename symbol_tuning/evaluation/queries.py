"""A prompt and its label options as one sequence with branches.

SeqIO's evaluation tasks have one example for each (query, option), and all
options of a query follow the same prompt. Here they share it, so that a model
reads it once:

  prompt without its last token   branch 0
  last token, option 1            branch 1, as if it stood after the prompt
  last token, option 2            branch 2, likewise
  …

Every branch begins with a copy of the prompt's last token, for what a model
says of an option's first token is read there; so every target token has a
position of its own. See `models.masks` for who sees whom.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from symbol_tuning.evaluation.layout import Example


@dataclasses.dataclass(frozen=True)
class Query:
  """A prompt and its options.

  Attributes:
    prompt: its tokens, int [n].
    options: the tokens of each option, int [t]; no two are equal.
    owners: for each option the numbers of its examples; several where options
      are made of the same tokens, which then have the same score.
  """

  prompt: np.ndarray
  options: tuple[np.ndarray, ...]
  owners: tuple[tuple[int, ...], ...]

  @property
  def num_targets(self) -> int:
    return sum(len(option) for option in self.options)

  @property
  def num_tokens(self) -> int:
    """The tokens that a model reads."""
    return len(self.prompt) - 1 + self.num_targets


def grouped(examples: Sequence[Example]) -> list[Query]:
  """Groups the examples of a task by query.

  Args:
    examples: with `inputs` and `targets`, one-dimensional int arrays, and
      `idx`, the query and the option.

  Returns:
    The queries, in the order of their first examples.

  Raises:
    ValueError: if an example has no input tokens or no target tokens, or the
      options of a query follow different prompts.
  """
  numbers_by_query = {}
  for number, example in enumerate(examples):
    query, _ = example['idx']
    numbers_by_query.setdefault(int(query), []).append(number)
  return [
    _query(query, numbers, examples)
    for query, numbers in numbers_by_query.items()
  ]


def _query(
  query: int, numbers: Sequence[int], examples: Sequence[Example]
) -> Query:
  prompt = examples[numbers[0]]['inputs']
  owners = {}
  for number in numbers:
    example = examples[number]
    _check(query, example, prompt)
    owners.setdefault(tuple(example['targets'].tolist()), []).append(number)
  return Query(
    prompt=prompt,
    options=tuple(np.array(option, np.int32) for option in owners),
    owners=tuple(tuple(numbers) for numbers in owners.values()),
  )


def _check(query: int, example: Example, prompt: np.ndarray) -> None:
  where = f'Query {query}, option {example["idx"][1]},'
  for feature in ('inputs', 'targets'):
    if not len(example[feature]):
      raise ValueError(
        f'{where} has no {feature}: there is nothing to score. An option that'
        ' is empty text is scored by its end-of-sequence token.'
      )
  if not np.array_equal(example['inputs'], prompt):
    raise ValueError(
      f'{where} stands after another prompt than the first option: their'
      ' scores cannot be compared.'
    )
