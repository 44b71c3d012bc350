"""Log-likelihoods of target tokens without a [tokens, vocabulary] array.

Logits exist for a chunk of positions at a time, in the backward pass too, which
recomputes them if there are several chunks. Symbol tuning goes further: only a
handful of a row's positions are targets, so those can be gathered before
unembedding.

Shape suffixes: B batch, L length, P gathered positions, C chunk, D embed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from symbol_tuning.models.decoder import Decoder

CHUNK_SIZE = 256


class WeightedLogLikelihoods(NamedTuple):
  """The log-likelihoods of the positions that carry loss weight.

  Attributes:
    values_BP: log p(target), float32, in the order of the row; with label
      smoothing, the expectation of log p under the smoothed target.
    log_normalizers_BP: log Z, the logarithm of the sum of the exponentiated
      logits, float32.
    weights_BP: the loss weights; zero where a row has fewer than P.
  """

  values_BP: jax.Array
  log_normalizers_BP: jax.Array
  weights_BP: jax.Array


def weighted_log_likelihoods(
  model: Decoder,
  params: Mapping[str, Any],
  batch: Mapping[str, jax.Array],
  num_positions: int,
  chunk_size: int = CHUNK_SIZE,
  rngs: Mapping[str, jax.Array] | None = None,
  label_smoothing: float = 0.0,
) -> WeightedLogLikelihoods:
  """log p(decoder_target_tokens) at the positions that carry loss weight.

  Args:
    model: the decoder.
    params: its parameters.
    batch: decoder_input_tokens, decoder_target_tokens and decoder_loss_weights
      [B, L]; also decoder_positions and decoder_segment_ids where rows are
      packed, and decoder_branch_ids where prompts go on in several ways (see
      `Decoder`).
    num_positions: how many positions a row may have; those beyond are left
      out, which `training.batches` makes sure that there are none of.
    chunk_size: positions of each row whose logits exist at once.
    rngs: {'dropout': key} to train with dropout.
    label_smoothing: the share of each target's probability that is spread over
      the whole vocabulary (Szegedy et al., 2016, section 7; as
      `optax.smooth_labels`).
  """
  x_BLD: Any = model.apply(
    {'params': params},
    batch['decoder_input_tokens'],
    batch.get('decoder_positions'),
    batch.get('decoder_segment_ids'),
    batch.get('decoder_branch_ids'),
    rngs=dict(rngs) if rngs else None,
    method='hidden_states',
  )
  x_BPD, targets_BP, weights_BP = gather_weighted_positions(
    x_BLD,
    batch['decoder_target_tokens'],
    batch['decoder_loss_weights'],
    num_positions,
  )
  values_BP, log_normalizers_BP = _log_likelihoods(
    model, params, x_BPD, targets_BP, chunk_size, label_smoothing
  )
  return WeightedLogLikelihoods(values_BP, log_normalizers_BP, weights_BP)


def gather_weighted_positions(
  x_BLD: jax.Array,
  targets_BL: jax.Array,
  weights_BL: jax.Array,
  num_positions: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """The first `num_positions` positions of each row whose weight is not zero.

  Rows with fewer are filled with positions of weight zero.
  """
  weighted_BL = weights_BL != 0
  index_BP = jnp.argsort(~weighted_BL, axis=-1, stable=True)[:, :num_positions]
  return (
    jnp.take_along_axis(x_BLD, index_BP[..., None], axis=1),
    jnp.take_along_axis(targets_BL, index_BP, axis=1),
    jnp.take_along_axis(weights_BL, index_BP, axis=1),
  )


def _log_likelihoods(
  model: Decoder,
  params: Mapping[str, Any],
  x_BLD: jax.Array,
  targets_BL: jax.Array,
  chunk_size: int,
  label_smoothing: float,
) -> tuple[jax.Array, jax.Array]:
  """log p(target) and log Z, chunk by chunk along the row: B stays sharded."""

  def of_chunk(x_BCD: jax.Array, targets_BC: jax.Array):
    logits_BCV: Any = model.apply({'params': params}, x_BCD, method='logits')
    target_BC1 = jnp.take_along_axis(logits_BCV, targets_BC[..., None], -1)
    logits_BC = target_BC1[..., 0]
    if label_smoothing:
      spread_BC = jnp.mean(logits_BCV, axis=-1)
      logits_BC += label_smoothing * (spread_BC - logits_BC)
    log_normalizers_BC = jax.nn.logsumexp(logits_BCV, axis=-1)
    return logits_BC - log_normalizers_BC, log_normalizers_BC

  length = targets_BL.shape[1]
  if length <= chunk_size:
    return of_chunk(x_BLD, targets_BL)
  chunks = jax.tree.map(lambda x: _split(x, chunk_size), (x_BLD, targets_BL))
  recomputed = jax.checkpoint(of_chunk)
  results_cBC = jax.lax.map(lambda chunk: recomputed(*chunk), chunks)
  return jax.tree.map(
    lambda x_cBC: jnp.concatenate(x_cBC, axis=1)[:, :length], results_cBC
  )


def _split(x: jax.Array, chunk_size: int) -> jax.Array:
  """[B, L, ...] → [chunks, B, chunk_size, ...], zeros filling the last."""
  padding = [(0, 0)] * x.ndim
  padding[1] = (0, -x.shape[1] % chunk_size)
  x = jnp.pad(x, padding)
  x = x.reshape(x.shape[0], -1, chunk_size, *x.shape[2:])
  return jnp.moveaxis(x, 1, 0)
