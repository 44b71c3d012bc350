"""Which tokens a token sees.

A row holds segments: packed examples that do not see each other. A segment may
be a tree: a prompt that ends in several branches, each of which continues it as
if the others were not there. Label options are scored that way in one pass.

Shape suffixes: B batch, L length (of queries), S length (of keys), T how many
tokens before (conv_width - 1).
"""

import jax
import jax.numpy as jnp


def causal_mask(
  length: int,
  segment_ids_BL: jax.Array | None = None,
  branch_ids_BL: jax.Array | None = None,
) -> jax.Array:
  """True where a token may see another: not later, on its own path.

  Args:
    length: L.
    segment_ids_BL: tokens see only their own segment; None: one a row.
    branch_ids_BL: tokens see only branch 0, the prompt, and their own; None: no
      segment has branches.

  Returns:
    bool [B, L, L], or [1, L, L] without ids. Padding, segment 0, sees the
    padding before it, so that no row of the softmax is empty.
  """
  mask_BLS = jnp.tril(jnp.ones((length, length), bool))[None]
  if segment_ids_BL is not None:
    mask_BLS &= segment_ids_BL[:, :, None] == segment_ids_BL[:, None, :]
  if branch_ids_BL is not None:
    key_B1S = branch_ids_BL[:, None, :]
    mask_BLS &= (key_B1S == 0) | (key_B1S == branch_ids_BL[:, :, None])
  return mask_BLS


def local_mask(
  mask_BLS: jax.Array,
  positions_BL: jax.Array,
  positions_BS: jax.Array,
  window: int,
) -> jax.Array:
  """A causal mask, less the keys that are `window` positions back or more."""
  near_BLS = positions_BL[:, :, None] - positions_BS[:, None, :] < window
  return mask_BLS & near_BLS


def predecessors(mask_BLS: jax.Array, count: int) -> jax.Array:
  """Where the tokens before each token on its path stand in the row.

  Args:
    mask_BLS: a causal mask [B, L, L].
    count: T, how many of them.

  Returns:
    int32 [B, L, T], nearest first; -1 where the path begins later.
  """
  length = mask_BLS.shape[-1]
  index_L = jnp.arange(length)
  earlier_BLS = mask_BLS & (index_L < index_L[:, None])
  parent_BL = jnp.where(earlier_BLS, index_L, -1).max(-1)
  # An index of -1 reads the appended -1.
  parent_BS = jnp.pad(parent_BL, ((0, 0), (0, 1)), constant_values=-1)
  chain = [parent_BL]
  for _ in range(count - 1):
    chain.append(jnp.take_along_axis(parent_BS, chain[-1] % (length + 1), 1))
  return jnp.stack(chain, axis=-1)
