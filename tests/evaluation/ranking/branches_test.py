"""Queries as sequences with branches."""

import pytest
from made_queries import make_query

from symbol_tuning.evaluation.ranking.branches import Branches


def test_options_share_their_prompt():
  branches = Branches.of(make_query(5, [7, 8, 9], [[2, 1], [3, 4, 1]]))
  assert branches.prompt.tolist() == [7, 8, 9]
  assert [o.tolist() for o in branches.options] == [[2, 1], [3, 4, 1]]
  assert branches.branch_of_option == (0, 1)
  assert (branches.num_targets, branches.num_tokens) == (5, 2 + 5)


def test_options_of_the_same_tokens_are_one_branch():
  branches = Branches.of(make_query(0, [5], [[2, 3], [2, 1], [2, 3]]))
  assert [o.tolist() for o in branches.options] == [[2, 3], [2, 1]]
  assert branches.branch_of_option == (0, 1, 0)


@pytest.mark.parametrize(
  ('prompt', 'options', 'message'),
  [
    ([], [[1]], 'The prompt of query 3 has no tokens'),
    ([4], [[1], []], 'Query 3, option 1, has no tokens .* empty text'),
  ],
)
def test_what_cannot_be_scored_is_named(prompt, options, message):
  with pytest.raises(ValueError, match=message):
    Branches.of(make_query(3, prompt, options))
