"""Which tokens see which, written out by hand."""

import jax.numpy as jnp
import numpy as np

from symbol_tuning.models import masks


def test_a_mask_is_causal_within_segments():
  mask = masks.causal_mask(5, jnp.array([[1, 1, 2, 2, 0]]))
  expected = np.array(
    [
      [1, 0, 0, 0, 0],
      [1, 1, 0, 0, 0],
      [0, 0, 1, 0, 0],
      [0, 0, 1, 1, 0],
      [0, 0, 0, 0, 1],
    ]
  )
  np.testing.assert_array_equal(mask[0], expected)


# A prompt of two tokens with two branches, then a prompt of one with one.
SEGMENTS = jnp.array([[1, 1, 1, 1, 1, 2, 2]])
BRANCHES = jnp.array([[0, 0, 1, 1, 2, 0, 2]])


def test_a_branch_sees_its_prompt_and_itself():
  mask = masks.causal_mask(7, SEGMENTS, BRANCHES)
  expected = np.array(
    [
      [1, 0, 0, 0, 0, 0, 0],
      [1, 1, 0, 0, 0, 0, 0],
      [1, 1, 1, 0, 0, 0, 0],
      [1, 1, 1, 1, 0, 0, 0],
      [1, 1, 0, 0, 1, 0, 0],
      [0, 0, 0, 0, 0, 1, 0],
      [0, 0, 0, 0, 0, 1, 1],
    ]
  )
  np.testing.assert_array_equal(mask[0], expected)


def test_predecessors_lead_from_a_branch_into_its_prompt():
  mask = masks.causal_mask(7, SEGMENTS, BRANCHES)
  np.testing.assert_array_equal(
    masks.predecessors(mask, 3)[0],
    [
      [-1, -1, -1],
      [0, -1, -1],
      [1, 0, -1],
      [2, 1, 0],
      [1, 0, -1],
      [-1, -1, -1],
      [5, -1, -1],
    ],
  )
