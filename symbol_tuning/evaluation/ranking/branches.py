"""A query and its label options as one sequence with branches.

All options of a query follow the same prompt, so a model reads it once:

  prompt without its last token   branch 0
  last token, option 1            branch 1, as if it stood after the prompt
  last token, option 2            branch 2, likewise
  …

Every branch begins with a copy of the prompt's last token, because what a model
says of an option's first token is read there. So every target token has a
position of its own. `models.masks` says who sees whom.
"""

import dataclasses

import numpy as np

from symbol_tuning.data.prompting.records import Query


@dataclasses.dataclass(frozen=True)
class Branches:
  """A query, laid out.

  Attributes:
    prompt: its tokens, int32 [n].
    options: the tokens of each different option, int32 [t].
    branch_of_option: for each option of the query its place in `options`;
      options of the same tokens share one, and so their score.
  """

  prompt: np.ndarray
  options: tuple[np.ndarray, ...]
  branch_of_option: tuple[int, ...]

  @classmethod
  def of(cls, query: Query) -> 'Branches':
    """Lays a query out.

    Raises:
      ValueError: if its prompt or an option has no tokens.
    """
    _check(query)
    places: dict[tuple[int, ...], int] = {}
    branch_of_option = tuple(
      places.setdefault(tuple(option.tokens.tolist()), len(places))
      for option in query.options
    )
    options = tuple(np.array(tokens, np.int32) for tokens in places)
    return cls(query.tokens, options, branch_of_option)

  @property
  def num_targets(self) -> int:
    """The tokens of all different options."""
    return sum(map(len, self.options))

  @property
  def num_tokens(self) -> int:
    """The tokens that a model reads."""
    return len(self.prompt) - 1 + self.num_targets


def _check(query: Query) -> None:
  if not len(query.tokens):
    raise ValueError(f'The prompt of query {query.index} has no tokens.')
  for number, option in enumerate(query.options):
    if not len(option.tokens):
      raise ValueError(
        f'Query {query.index}, option {number}, has no tokens to score. An'
        ' option that is empty text is scored by its end-of-sequence token.'
      )
