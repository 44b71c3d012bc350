"""Queries in rows of few lengths."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from symbol_tuning.evaluation import layout
from symbol_tuning.evaluation.ranking import rows
from symbol_tuning.evaluation.ranking.branches import Branches


def query_of(number, num_prompt, option_lengths):
  """A query whose tokens are all different from those of others."""
  tokens = 1000 * number + np.arange(num_prompt + sum(option_lengths))
  ends = num_prompt + np.cumsum([0, *option_lengths])
  return Branches(
    prompt=tokens[:num_prompt],
    options=tuple(tokens[start:end] for start, end in itertools.pairwise(ends)),
    branch_of_option=tuple(range(len(option_lengths))),
  )


SIZES = st.lists(
  st.tuples(
    st.integers(1, 100), st.lists(st.integers(1, 5), min_size=1, max_size=4)
  ),
  min_size=1,
  max_size=30,
)


def sequences(batch):
  """For each (query, option) what a model reads and predicts of it."""
  arrays = {k.removeprefix('decoder_'): v for k, v in batch.features.items()}
  for place, numbers in enumerate(batch.rows):
    values = {name: array[place] for name, array in arrays.items()}
    assert values['segment_ids'].max() == len(numbers)
    weighted = np.zeros(len(values['positions']), bool)
    for segment, number in enumerate(numbers, start=1):
      here = values['segment_ids'] == segment
      for branch in range(1, values['branch_ids'][here].max() + 1):
        in_option = here & (values['branch_ids'] == branch)
        path = in_option | (here & (values['branch_ids'] == 0))
        num_path = np.count_nonzero(path)
        assert values['positions'][path].tolist() == list(range(num_path))
        weighted |= in_option
        targets = values['target_tokens'][in_option].tolist()
        read = values['input_tokens'][path].tolist()
        yield (number, branch - 1), read, targets
    assert (values['loss_weights'] == weighted).all()


@hypothesis.given(sizes=SIZES, attention_length=st.sampled_from([1, 10_000]))
def test_every_option_is_in_one_row_as_if_it_were_alone(
  sizes, attention_length
):
  queries = [query_of(number, *size) for number, size in enumerate(sizes)]
  budget = layout.Budget(
    batch_tokens=256,
    num_row_lengths=3,
    attention_length=attention_length,
    length_multiple=8,
  )
  chosen = rows.plan(queries, budget, batch_multiple=2)
  assert len(chosen.row_lengths) <= 3
  found = {}
  for batch in rows.batches(queries, chosen):
    num_rows, row_length = batch.features['decoder_positions'].shape
    assert row_length in chosen.row_lengths
    assert num_rows == chosen.num_rows(row_length) and num_rows % 2 == 0
    for option, read, predicted in sequences(batch):
      assert option not in found
      found[option] = read, predicted
  assert found == {
    (number, place): (
      [*query.prompt.tolist(), *option.tolist()[:-1]],
      option.tolist(),
    )
    for number, query in enumerate(queries)
    for place, option in enumerate(query.options)
  }


def test_rows_hold_several_queries_where_attention_is_cheap():
  queries = [query_of(number, 39, [1, 1]) for number in range(24)]
  few, many = (
    rows.plan(queries, layout.Budget(attention_length=length))
    for length in (64, 1_000_000)
  )
  assert [len(row) for row in rows.packed(queries, few)] == [1] * 24
  assert len(rows.packed(queries, many)) < 24
  assert few.row_lengths == (64,)


@pytest.mark.parametrize(
  ('query', 'message'),
  [
    (query_of(1, 30, [2, 2]), 'number 1 takes 33 tokens .* room for 32'),
    (query_of(1, 10, [9]), 'number 1 .* 9 of them targets, .* 32 and 4'),
  ],
)
def test_a_query_that_does_not_fit_is_named(query, message):
  chosen = layout.Layout(row_lengths=(16, 32), num_targets=4)
  with pytest.raises(ValueError, match=message):
    list(rows.batches([query_of(0, 3, [1]), query], chosen))


def test_nothing_to_lay_out_is_an_error():
  with pytest.raises(ValueError, match='no queries'):
    rows.plan([], layout.Budget())
