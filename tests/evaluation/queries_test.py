"""Examples grouped by query."""

import numpy as np
import pytest

from symbol_tuning.evaluation import queries


def example(query, option, inputs, targets):
  return {
    'idx': np.array([query, option]),
    'inputs': np.array(inputs, np.int32),
    'targets': np.array(targets, np.int32),
  }


def test_options_share_their_prompt():
  first, second = queries.grouped(
    [
      example(5, 0, [7, 8, 9], [2, 1]),
      example(3, 0, [6], [2, 1]),
      example(5, 1, [7, 8, 9], [3, 4, 1]),
    ]
  )
  assert first.prompt.tolist() == [7, 8, 9]
  assert [option.tolist() for option in first.options] == [[2, 1], [3, 4, 1]]
  assert first.owners == ((0,), (2,))
  assert (first.num_targets, first.num_tokens) == (5, 2 + 5)
  assert second.owners == ((1,),)


def test_options_of_the_same_tokens_are_one():
  (query,) = queries.grouped(
    [example(0, i, [5], [2, option]) for i, option in enumerate((3, 1, 3))]
  )
  assert [option.tolist() for option in query.options] == [[2, 3], [2, 1]]
  assert query.owners == ((0, 2), (1,))


@pytest.mark.parametrize(
  ('second', 'message'),
  [
    (example(3, 1, [], [1]), r'Query 3, option 1, has no inputs'),
    (example(3, 1, [4], []), r'Query 3, option 1, has no targets.*empty text'),
    (example(3, 1, [5], [1]), r'Query 3, option 1, stands after another'),
  ],
)
def test_what_cannot_be_scored_is_named(second, message):
  with pytest.raises(ValueError, match=message):
    queries.grouped([example(3, 0, [4], [2, 1]), second])
