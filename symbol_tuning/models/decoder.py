"""One decoder-only transformer, in Flax Linen, for every model family.

Its configuration makes it PaLM (Chowdhery et al. 2022, arXiv 2204.02311), a
tiny model, or one of the published families that `families` reads; see
`config`.

Logical axes of parameters: 'vocab', 'embed', 'heads', 'kv_heads', 'head_dim',
'mlp', 'conv' and, when layers are scanned, a leading 'layers'. Of activations:
'batch', 'length', 'activation_embed', 'activation_heads',
'activation_kv_heads', 'activation_head_dim', 'activation_mlp' and
'activation_vocab'; of embedded tokens 'embedding_batch', 'length' and 'embed'.
Of the cache: see `cache`.

Shape suffixes: B batch, L length, D embed, V vocab; a trailing Y: stacked over
layers.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from symbol_tuning.models import attention, attention_inputs, layers
from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models.config import DecoderConfig


class Decoder(nn.Module):
  """Tokens in, next-token logits out.

  Dropout is applied exactly when `apply` is given a 'dropout' random key.

  Attributes:
    config: sizes and choices.
  """

  config: DecoderConfig

  def setup(self):
    config = self.config
    self.token_embedding = layers.Embedding(config)
    self.embedding_dropout = Dropout(config)
    block = rematerialized_block(config)
    if config.scan_layers:
      self.layers = nn.scan(
        block,
        length=config.num_layers,
        variable_axes={'params': 0},
        split_rngs={'params': True, 'dropout': True},
        in_axes=(nn.broadcast, 0, 0),
        metadata_params={nn.PARTITION_NAME: 'layers'},
      )(config)
    else:
      self.layers = [block(config) for _ in range(config.num_layers)]
    self.final_norm = layers.Norm(config, bias=config.norm_bias)
    if config.learned_positions:
      self.position_embedding = layers.PositionTable(config)
    if not config.tied_embeddings:
      self.unembedding = layers.Embedding(config)

  def __call__(
    self,
    tokens_BL: jax.Array,
    positions_BL: jax.Array | None = None,
    segment_ids_BL: jax.Array | None = None,
    branch_ids_BL: jax.Array | None = None,
  ) -> jax.Array:
    """The logits of the token after each position, float32 [B, L, V].

    Args:
      tokens_BL: integer token ids.
      positions_BL: position of each token within its example; counts from zero
        along the row if None.
      segment_ids_BL: tokens see only tokens of the same id; None: one segment.
      branch_ids_BL: for segments that are a prompt (0), then several ways to go
        on from it (1, 2, ...), each of which sees the prompt and itself only.
        Positions must be given, and go on from the prompt's in each of them.
        None: no branches.

    Raises:
      ValueError: branches without positions.
    """
    return self.logits(
      self.hidden_states(tokens_BL, positions_BL, segment_ids_BL, branch_ids_BL)
    )

  def hidden_states(
    self,
    tokens_BL: jax.Array,
    positions_BL: jax.Array | None = None,
    segment_ids_BL: jax.Array | None = None,
    branch_ids_BL: jax.Array | None = None,
  ) -> jax.Array:
    """What the logits are read from, after the final norm, [B, L, D]."""
    if positions_BL is None:
      if branch_ids_BL is not None:
        raise ValueError(
          'branch_ids_BL was given without positions_BL: give positions that '
          "go on from the prompt's in each branch."
        )
      positions_BL = jnp.arange(tokens_BL.shape[-1])[None]
    inputs = attention_inputs.of_rows(
      self.config, positions_BL, segment_ids_BL, branch_ids_BL
    )
    return self._read(tokens_BL, positions_BL, inputs)[0]

  def extend(
    self,
    cache: cache_lib.Cache,
    tokens_BL: jax.Array,
    num_tokens_B: jax.Array,
    num_readable: int | None = None,
  ) -> tuple[jax.Array, cache_lib.Cache]:
    """Reads on: as `hidden_states` of tokens that follow those of a cache.

    Args:
      cache: of the tokens before; needs room for L more (see `cache.empty`).
      tokens_BL: integer token ids; rows may have padding on their right.
      num_tokens_B: how many tokens of each row are not padding.
      num_readable: slots of the cache that may hold something, where it is
        known: the others need not be looked at. 0 for the first chunk.

    Returns:
      The hidden states [B, L, D], of no meaning where there is padding, and the
      cache with these tokens.
    """
    readable = cache_lib.readable(cache, num_readable)
    length, num_slots = tokens_BL.shape[-1], cache.seen_BS.shape[-1]
    inputs = attention_inputs.of_chunk(
      self.config, readable, num_tokens_B, length, num_slots
    )
    positions_BL = attention_inputs.chunk_positions(readable, length)
    x_BLD, chunk_Y = self._read(
      tokens_BL, positions_BL, inputs, readable.layers_Y
    )
    assert chunk_Y is not None  # As there is a cache.
    return x_BLD, cache_lib.append(cache, chunk_Y, num_tokens_B)

  def _read(
    self,
    tokens_BL: jax.Array,
    positions_BL: jax.Array,
    inputs: attention_inputs.AttentionInputs,
    cache_Y: cache_lib.LayerCache | None = None,
  ) -> tuple[jax.Array, cache_lib.LayerCache | None]:
    """The hidden states, and what is to be remembered if there is a cache."""
    x_BLD = self.token_embedding(tokens_BL)
    if self.config.learned_positions:
      x_BLD += self.position_embedding(positions_BL)
    x_BLD = constrain_residual(self.embedding_dropout(x_BLD))
    kind_Y = self._kind_of_layers()
    if self.config.scan_layers:
      x_BLD, chunk_Y = self.layers(x_BLD, inputs, cache_Y, kind_Y)
    else:
      chunks = []
      for i, layer in enumerate(self.layers):
        of_layer = jax.tree.map(lambda x_Y, i=i: x_Y[i], (cache_Y, kind_Y))
        x_BLD, chunk = layer(x_BLD, inputs, *of_layer)
        chunks.append(chunk)
      chunk_Y = jax.tree.map(lambda *chunks: jnp.stack(chunks), *chunks)
    return self.final_norm(x_BLD), chunk_Y

  def _kind_of_layers(self) -> jax.Array | None:
    """Indices into `DecoderConfig.distinct_kinds`; None if there is but one."""
    kinds = self.config.distinct_kinds
    if len(kinds) == 1:
      return None
    return jnp.array([kinds.index(kind) for kind in self.config.kind_of_layer])

  def logits(self, x: jax.Array) -> jax.Array:
    """Hidden states [..., D] → float32 logits [..., V]."""
    config = self.config
    tied = config.tied_embeddings
    unembedding = self.token_embedding if tied else self.unembedding
    logits = unembedding.attend(x)
    if config.scaled_logits:
      logits *= config.embed_dim**-0.5
    if config.logit_multiplier != 1.0:
      logits *= config.logit_multiplier
    logits = layers.soft_cap(logits, config.logit_soft_cap)
    leading = ('batch', 'length')[: logits.ndim - 1]
    return nn.with_logical_constraint(logits, (*leading, 'activation_vocab'))


class Block(nn.Module):
  """Attention and an MLP, one after the other or side by side.

  A serial block is x + Attention(Norm(x)), then the same with the MLP; what a
  sublayer returns may be normalized too, or instead. A parallel block is
  x + Attention(Norm(x)) + MLP(Norm(x)), with one norm or two.
  """

  config: DecoderConfig

  @nn.compact
  def __call__(
    self,
    x_BLD: jax.Array,
    inputs: attention_inputs.AttentionInputs,
    cache: cache_lib.LayerCache | None,
    kind: jax.Array | None,
  ) -> tuple[jax.Array, cache_lib.LayerCache | None]:
    config = self.config
    norm = functools.partial(layers.Norm, config, bias=config.norm_bias)
    attend = attention.Attention(config, name='attention')
    mlp = layers.Mlp(config, name='mlp')
    if config.parallel_block:
      if config.shared_norm:
        y_BLD = mlp_input_BLD = norm(name='norm')(x_BLD)
      else:
        y_BLD = norm(name='attention_norm')(x_BLD)
        mlp_input_BLD = norm(name='mlp_norm')(x_BLD)
      y_BLD, chunk = attend(y_BLD, inputs, cache, kind)
      return self._add(x_BLD, y_BLD + mlp(mlp_input_BLD)), chunk
    y_BLD = norm(name='attention_norm')(x_BLD) if config.pre_norms else x_BLD
    y_BLD, chunk = attend(y_BLD, inputs, cache, kind)
    if config.post_norms:
      y_BLD = norm(name='attention_post_norm')(y_BLD)
    x_BLD = self._add(x_BLD, y_BLD)
    y_BLD = norm(name='mlp_norm')(x_BLD) if config.pre_norms else x_BLD
    y_BLD = mlp(y_BLD)
    if config.post_norms:
      y_BLD = norm(name='mlp_post_norm')(y_BLD)
    return self._add(x_BLD, y_BLD), chunk

  def _add(self, x_BLD: jax.Array, y_BLD: jax.Array) -> jax.Array:
    """The residual stream and what a sublayer adds to it."""
    y_BLD = Dropout(self.config)(y_BLD)
    if self.config.residual_multiplier != 1.0:
      y_BLD *= self.config.residual_multiplier
    return constrain_residual(x_BLD + y_BLD)


class Dropout(nn.Module):
  """Drops activations when a 'dropout' key is there to draw from."""

  config: DecoderConfig

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    return nn.Dropout(self.config.dropout_rate)(
      x, deterministic=not self.has_rng('dropout')
    )


def rematerialized_block(config: DecoderConfig) -> type[nn.Module]:
  """The block's class, recomputing in the backward pass as configured."""
  if config.remat == 'none':
    return Block
  policies = jax.checkpoint_policies
  policy = {
    'minimal': policies.checkpoint_dots_with_no_batch_dims,
    'full': policies.nothing_saveable,
  }[config.remat]
  return nn.remat(Block, policy=policy, prevent_cse=not config.scan_layers)


def constrain_residual(x_BLD: jax.Array) -> jax.Array:
  return nn.with_logical_constraint(
    x_BLD, ('batch', 'length', 'activation_embed')
  )
