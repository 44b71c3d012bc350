"""Branches of a prompt in one row, against each alone in a row of its own."""

import dataclasses
import functools

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from tiny_models import LLAMA, PRIMER, of_families, random_params

from symbol_tuning.models import likelihood
from symbol_tuning.models.decoder import Decoder

UNSCANNED_PRIMER = dataclasses.replace(PRIMER, scan_layers=False)
FAMILIES = of_families(primer=UNSCANNED_PRIMER)
ROW_LENGTH, ALONE_LENGTH = 36, 12  # of two segments, at most 18 tokens each

# Each segment: the length of its prompt, and of each branch.
SEGMENTS = st.lists(
  st.tuples(st.integers(1, 6), st.lists(st.integers(1, 4), max_size=3)),
  min_size=1,
  max_size=2,
)


@functools.cache
def _hidden_states(config):
  apply = functools.partial(Decoder(config).apply, method='hidden_states')
  return functools.partial(jax.jit(apply), {'params': random_params(config)})


def _parts(segments):
  """(segment, branch, length, first position) of each run of tokens."""
  for segment, (prompt, branches) in enumerate(segments, 1):
    yield segment, 0, prompt, 0
    for branch, length in enumerate(branches, 1):
      yield segment, branch, length, prompt


def _row(segments):
  """Random tokens, positions, segment ids and branch ids, [1, ROW_LENGTH]."""
  row = np.zeros((4, 1, ROW_LENGTH), np.int32)
  start = 0
  for segment, branch, length, position in _parts(segments):
    end = start + length
    row[1, 0, start:end] = position + np.arange(length)
    row[2, 0, start:end] = segment
    row[3, 0, start:end] = branch
    start = end
  row[0] = np.random.default_rng(start).integers(0, 50, row[0].shape)
  return row


def _assert_each_path_is_read_as_if_alone(config, segments, forget=False):
  """Compares all paths; told to `forget`, the model gets no branch ids."""
  hidden_states = _hidden_states(config)
  tokens, positions, segment_ids, branch_ids = _row(segments)
  given = np.zeros_like(branch_ids) if forget else branch_ids
  found = hidden_states(tokens, positions, segment_ids, given)[0]
  for segment, branch, length, _ in _parts(segments):
    here = segment_ids[0] == segment
    path = here & np.isin(branch_ids[0], (0, branch))
    alone = np.zeros((1, ALONE_LENGTH), np.int32)
    alone[0, : path.sum()] = tokens[0, path]
    expected = hidden_states(alone)[0, path.sum() - length : path.sum()]
    np.testing.assert_allclose(
      found[here & (branch_ids[0] == branch)], expected, atol=1e-5, rtol=1e-5
    )


@FAMILIES
@hypothesis.given(segments=SEGMENTS)
@hypothesis.settings(max_examples=25)
def test_each_branch_is_read_as_if_alone(config, segments):
  _assert_each_path_is_read_as_if_alone(config, segments)


@FAMILIES
def test_branches_that_see_each_other_are_noticed(config):
  with pytest.raises(AssertionError, match='Not equal to tolerance'):
    _assert_each_path_is_read_as_if_alone(config, [(4, [2, 3])], forget=True)


@FAMILIES
def test_changing_a_branch_changes_no_other(config):
  tokens, positions, segment_ids, branch_ids = _row([(4, [3, 2, 4]), (3, [2])])
  changed = np.where((segment_ids == 1) & (branch_ids == 2), tokens ^ 1, tokens)
  before, after = (
    np.asarray(_hidden_states(config)(x, positions, segment_ids, branch_ids))
    for x in (tokens, changed)
  )
  same = (tokens == changed) & (segment_ids > 0)
  np.testing.assert_array_equal(before[same], after[same])
  assert (np.abs(before - after)[tokens != changed].max(-1) > 1e-3).all()


def test_branches_need_positions():
  tokens, _, segment_ids, branch_ids = _row([(4, [2, 3])])
  with pytest.raises(ValueError, match='branch_ids_BL was given without posit'):
    _hidden_states(LLAMA)(tokens, None, segment_ids, branch_ids)


def test_likelihoods_heed_branches():
  model = Decoder(UNSCANNED_PRIMER)
  params = _hidden_states(UNSCANNED_PRIMER).args[0]['params']
  tokens, positions, segment_ids, branch_ids = _row([(4, [3, 2])])
  batch = {
    'decoder_input_tokens': tokens,
    'decoder_target_tokens': np.roll(tokens, -1),
    'decoder_positions': positions,
    'decoder_segment_ids': segment_ids,
    'decoder_branch_ids': branch_ids,
    'decoder_loss_weights': np.ones_like(tokens),
  }
  found = likelihood.weighted_log_likelihoods(model, params, batch, ROW_LENGTH)
  logits = model.apply(
    {'params': params}, tokens, positions, segment_ids, branch_ids
  )
  every = jax.nn.log_softmax(logits)
  expected = np.take_along_axis(
    np.asarray(every), batch['decoder_target_tokens'][..., None], -1
  )[..., 0]
  np.testing.assert_allclose(found.values_BP, expected, atol=1e-5)
