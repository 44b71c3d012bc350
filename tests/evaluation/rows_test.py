"""Queries in rows of few lengths."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from symbol_tuning.evaluation import layout, rows
from symbol_tuning.evaluation.queries import Query


def query_of(number, num_prompt, option_lengths):
  """A query whose tokens are all different from those of others."""
  tokens = 1000 * number + np.arange(num_prompt + sum(option_lengths))
  ends = num_prompt + np.cumsum([0, *option_lengths])
  return Query(
    prompt=tokens[:num_prompt],
    options=tuple(tokens[start:end] for start, end in itertools.pairwise(ends)),
    owners=tuple((10 * number + i,) for i in range(len(option_lengths))),
  )


SIZES = st.lists(
  st.tuples(
    st.integers(1, 100), st.lists(st.integers(1, 5), min_size=1, max_size=4)
  ),
  min_size=1,
  max_size=30,
)


def sequences(batch):
  """For each option its number, and what a model reads and predicts of it."""
  arrays = {k.removeprefix('decoder_'): v for k, v in batch.features.items()}
  for row, owners in enumerate(batch.owners_BP):
    values = {name: array[row] for name, array in arrays.items()}
    expected = owners[owners >= 0]
    found = []
    for segment in range(1, values['segment_ids'].max() + 1):
      here = values['segment_ids'] == segment
      for branch in range(1, values['branch_ids'][here].max() + 1):
        in_option = here & (values['branch_ids'] == branch)
        path = in_option | (here & (values['branch_ids'] == 0))
        num_path = np.count_nonzero(path)
        assert values['positions'][path].tolist() == list(range(num_path))
        assert values['loss_weights'][in_option].all()
        owner = expected[len(found)]
        targets = values['target_tokens'][in_option].tolist()
        found += [owner] * len(targets)
        yield owner, values['input_tokens'][path].tolist(), targets
    assert found == expected.tolist()
    assert values['loss_weights'].sum() == len(expected)


@hypothesis.given(sizes=SIZES, attention_length=st.sampled_from([1, 10_000]))
def test_every_option_is_in_one_row_as_if_it_were_alone(
  sizes, attention_length
):
  queries = [query_of(number, *size) for number, size in enumerate(sizes)]
  budget = layout.Budget(
    batch_tokens=256, num_row_lengths=3, attention_length=attention_length
  )
  chosen = rows.plan(queries, budget, multiple=8, batch_multiple=2)
  assert len(chosen.row_lengths) <= 3
  found = {}
  for batch in rows.batches(queries, chosen):
    num_rows, row_length = batch.features['decoder_positions'].shape
    assert row_length in chosen.row_lengths
    assert num_rows == chosen.num_rows(row_length) and num_rows % 2 == 0
    for owner, read, predicted in sequences(batch):
      assert owner not in found
      found[owner] = read, predicted
  expected = {}
  for query in queries:
    for option, (owner,) in zip(query.options, query.owners, strict=True):
      read = [*query.prompt.tolist(), *option.tolist()[:-1]]
      expected[owner] = read, option.tolist()
  assert found == expected


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
    (query_of(1, 30, [2, 2]), 'Example 10 .* 33 tokens, .* room for 32'),
    (query_of(1, 10, [9]), 'Example 10 .* 9 target tokens, .* room for 4'),
  ],
)
def test_a_query_that_does_not_fit_is_named(query, message):
  chosen = layout.Layout(row_lengths=(16, 32), num_targets=4)
  with pytest.raises(ValueError, match=message):
    list(rows.batches([query_of(0, 3, [1]), query], chosen))


def test_nothing_to_lay_out_is_an_error():
  with pytest.raises(ValueError, match='no examples'):
    rows.plan([], layout.Budget())
