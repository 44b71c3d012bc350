"""Scores of options, against one plain forward pass for each."""

import functools

import hypothesis
import jax
import numpy as np
import pytest
import tiny_models
from hypothesis import strategies as st
from made_queries import make_queries, make_query
from tiny_models import LLAMA

from symbol_tuning.evaluation import layout, placement
from symbol_tuning.evaluation.ranking import rows, scoring
from symbol_tuning.evaluation.ranking.branches import Branches
from symbol_tuning.models.decoder import Decoder

LAYOUT = layout.Layout((48,), num_targets=32, batch_tokens=96)

TOKENS = st.integers(0, LLAMA.vocab_size - 1)
# Few different tokens, so that options share beginnings or are the same.
OPTION = st.lists(st.integers(0, 2), min_size=1, max_size=4)
QUERIES = st.lists(
  st.tuples(
    st.lists(TOKENS, min_size=1, max_size=12),
    st.lists(OPTION, min_size=1, max_size=4),
  ),
  min_size=1,
  max_size=6,
)


@functools.cache
def made(config=LLAMA):
  """A model, and parameters that make its scores differ widely."""
  return Decoder(config), tiny_models.random_params(config)


@functools.partial(jax.jit, static_argnums=0)
def log_probabilities_of_next_tokens(model, params, tokens):
  return jax.nn.log_softmax(model.apply({'params': params}, tokens[None])[0])


def naive_log_likelihood(model, params, prompt, option):
  """One pair in a row of its own, all logits."""
  tokens = np.concatenate([prompt, option])
  padded = np.zeros(64, np.int32)
  padded[: len(tokens)] = tokens
  log_probabilities = log_probabilities_of_next_tokens(model, params, padded)
  first = len(prompt) - 1
  return sum(
    float(log_probabilities[first + i, token]) for i, token in enumerate(option)
  )


def assert_scored_as_if_alone(model, params, queries, chosen):
  scores = scoring.log_likelihoods(model, params, queries, chosen)
  for query, scored in zip(queries, scores, strict=True):
    naive = [
      naive_log_likelihood(model, params, query.tokens, option.tokens)
      for option in query.options
    ]
    assert scored.dtype == np.float64
    np.testing.assert_allclose(scored, naive, atol=1e-4)


def plan(queries, *args, **kwargs):
  return rows.plan([Branches.of(query) for query in queries], *args, **kwargs)


@tiny_models.of_families()
@hypothesis.given(asked=QUERIES)
@hypothesis.settings(max_examples=25)
def test_options_in_one_row_are_scored_as_if_alone(config, asked):
  queries = [make_query(i, *one) for i, one in enumerate(asked)]
  assert_scored_as_if_alone(*made(config), queries, LAYOUT)


def test_any_number_of_classes_is_scored():
  """Together their labels have more tokens than the prompt."""
  numbers = np.random.default_rng(0).integers(0, 50, (200, 3)).tolist()
  query = make_query(0, [3, 4, 5], numbers)
  few = make_query(1, [6], [[1], [2]])
  chosen = plan([query, few], layout.Budget())
  assert_scored_as_if_alone(*made(), [query, few], chosen)


@pytest.mark.parametrize('leak', ['branch_ids', 'segment_ids', 'positions'])
def test_a_leak_between_options_or_queries_is_noticed(leak, monkeypatch):
  batches = rows.batches

  def leaking(*args):
    for batch in batches(*args):
      feature = batch.features[f'decoder_{leak}']
      feature[:] = np.arange(feature.shape[1]) if leak == 'positions' else 1
      yield batch

  monkeypatch.setattr(rows, 'batches', leaking)
  queries = [
    make_query(0, [3, 4, 5], [[1, 2], [2, 1]]),
    make_query(1, [6], [[1, 2, 0]]),
  ]
  with pytest.raises(AssertionError, match='Not equal to tolerance'):
    assert_scored_as_if_alone(*made(), queries, LAYOUT)


def test_options_of_the_same_tokens_have_the_very_same_score():
  query = make_query(0, [3, 4], [[1, 2], [2, 1], [1, 2]])
  [scores] = scoring.log_likelihoods(*made(), [query], LAYOUT)
  assert scores[0] == scores[2] != scores[1]


def test_any_layout_gives_the_same_scores(model, params):
  queries = make_queries(num_queries=5, num_options=3)
  for budget in (
    layout.Budget(batch_tokens=128, num_row_lengths=1, attention_length=1),
    layout.Budget(batch_tokens=128, num_row_lengths=2, attention_length=1),
    layout.Budget(batch_tokens=128, attention_length=1_000_000),
  ):
    chosen = plan(queries, budget)
    assert_scored_as_if_alone(model, params, queries, chosen)


def test_counts_the_tokens_that_are_not_padding(model, params):
  queries = make_queries(num_queries=4)
  counted = []
  chosen = plan(queries, layout.Budget())
  scoring.log_likelihoods(model, params, queries, chosen, counted.append)
  assert sum(counted) == sum(Branches.of(q).num_tokens for q in queries)


def test_equals_on_a_mesh(model, params):
  queries = make_queries(num_queries=3)
  devices = np.array(jax.devices()[:4]).reshape(1, 2, 2)
  mesh = jax.sharding.Mesh(devices, ('data', 'fsdp', 'tensor'))
  shardings = tiny_models.shardings(model, mesh, embed='fsdp', mlp='tensor')
  sharded = jax.device_put(params, shardings)
  assert placement.batch_multiple(params) == 1
  assert placement.batch_multiple(sharded) == 2
  chosen = plan(queries, layout.Budget(), batch_multiple=2)
  np.testing.assert_allclose(
    scoring.log_likelihoods(model, sharded, queries, chosen),
    scoring.log_likelihoods(model, params, queries, chosen),
    atol=1e-5,
  )


def test_a_token_beyond_the_vocabulary_is_named(model, params):
  query = make_query(0, [3], [[2, 1], [50, 1]])
  with pytest.raises(ValueError, match=r'targets .* id 50, .* 0 to 49'):
    scoring.log_likelihoods(model, params, [query], LAYOUT)
