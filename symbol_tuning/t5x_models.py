"""Our decoder as a model of T5X, whose programs then train and evaluate it.

T5X (Roberts et al., 2022, arXiv 2203.17189) is on no package registry: it comes
as a checkout of github.com/google-research/t5x, and only gin/t5x/ needs this
module. T5X brings its own trainer, optimizers, checkpoints and evaluator; the
decoder is the same, and so are its loss on a batch and its scores.

T5X has every example begin with the token 0, which stands for no token. Our
decoders are trained without, so nothing is let read it: their first token is
that of the example, under T5X too.

Shape suffixes: B batch, L length, D embed, V vocab; a trailing Y: stacked over
layers.
"""

from collections.abc import Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
from flax import traverse_util
from flax.linen import partitioning as flax_partitioning
from t5x import decoding, models, train_state, utils

from symbol_tuning.data.seqio_tasks import feature_converter
from symbol_tuning.models import kv_cache as cache_lib
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder

PyTree = Any


class DecoderModel(models.DecoderOnlyModel):
  """`symbol_tuning.models.decoder.Decoder` where T5X wants a decoder.

  Its batches are those of `feature_converter.DecoderFeatureConverter`. See
  T5X's class for the arguments; `module` is the decoder.
  """

  FEATURE_CONVERTER_CLS = feature_converter.DecoderFeatureConverter
  module: Decoder

  def get_initial_variables(
    self,
    rng: jax.Array,
    input_shapes: Mapping[str, Any],
    input_types: Mapping[str, Any] | None = None,
  ) -> dict[str, PyTree]:
    """Random parameters, and the logical names of their axes."""
    del input_shapes, input_types  # Parameters depend on neither.
    return {
      'params': parameters.init_params(self.module, rng),
      'params_axes': _params_axes(self.module),
    }

  def _compute_logits(
    self,
    params: PyTree,
    batch: Mapping[str, jax.Array],
    dropout_rng: jax.Array | None = None,
    mutable: Any = False,
    other_variables: PyTree | None = None,
  ) -> Any:
    """The logits of decoder_target_tokens, [B, L, V]."""
    positions_BL, segment_ids_BL = _without_start(batch)
    return self.module.apply(
      {'params': params, **(other_variables or {})},
      batch['decoder_input_tokens'],
      positions_BL,
      segment_ids_BL,
      rngs=None if dropout_rng is None else {'dropout': dropout_rng},
      mutable=mutable,
    )

  def _compute_kv_cache(
    self, params: PyTree, inputs: jax.Array, causal_attention_mask: jax.Array
  ) -> tuple[dict[str, Any], jax.Array]:
    """What there is to remember of prompts but for their last token.

    Args:
      params: the decoder's.
      inputs: token 0, the prompt's tokens and padding, [B, L].
      causal_attention_mask: 1 at the first two of these, [B, L].

    Returns:
      The cache, with room for L more tokens, and the place of the prompts' last
      tokens in `inputs`, [B].
    """
    batch_size, length = inputs.shape
    last_B = jnp.sum(causal_attention_mask, axis=-1) - 1
    cache = cache_lib.empty(self.module.config, batch_size, 2 * length)
    num_tokens_B = jnp.maximum(last_B - 1, 0)
    _, cache = self._apply(params, 'extend', cache, inputs[:, 1:], num_tokens_B)
    return _to_t5x(cache), last_B

  def _compute_logits_from_slice(
    self,
    decoding_state: decoding.DecodingState,
    params: PyTree,
    max_decode_length: int,
  ) -> tuple[jax.Array, dict[str, Any]]:
    """The logits after one more token of each row, [B, V], and the cache."""
    del max_decode_length
    tokens_B1 = decoding_state.cur_token
    num_tokens_B = jnp.ones(tokens_B1.shape[0], jnp.int32)
    cache = _from_t5x(decoding_state.cache)
    x_B1D, cache = self._apply(params, 'extend', cache, tokens_B1, num_tokens_B)
    logits_BV = self._apply(params, 'logits', x_B1D[:, 0])
    return logits_BV, _to_t5x(cache)

  def _apply(self, params: PyTree, method: str, *args: Any) -> Any:
    return self.module.apply({'params': params}, *args, method=method)


class FromCheckpoint(utils.TrainStateInitializer):
  """Begins with the parameters of a checkpoint that T5X does not know.

  In place of random ones; T5X goes on from a checkpoint of its own if there is
  one.

  Attributes:
    model: the decoder.
    path: whatever `parameters.load_params` reads: a MODEL_DIR of ours, a folder
      in Hugging Face's layout or a GGUF file.
  """

  def __init__(self, *args: Any, model: Decoder, path: str, **kwargs: Any):
    super().__init__(*args, **kwargs)
    self.model = model
    self.path = path

  def from_scratch(self, init_rng: jax.Array) -> train_state.TrainState:
    state = super().from_scratch(init_rng)
    shardings = jax.tree.map(lambda array: array.sharding, state.params)
    params = parameters.load_params(self.path, self.model, shardings)
    return state.replace_params(flax.core.freeze(params))


def _params_axes(model: Decoder) -> PyTree:
  """The logical names of parameters in the form that T5X keeps them in."""
  names = traverse_util.flatten_dict(parameters.logical_axes(model))
  return traverse_util.unflatten_dict(
    {
      (*path, f'{leaf}_axes'): flax_partitioning.AxisMetadata(tuple(axes))
      for (*path, leaf), axes in names.items()
    }
  )


def _without_start(
  batch: Mapping[str, jax.Array],
) -> tuple[jax.Array, jax.Array]:
  """Positions and segments, [B, L], that leave the token 0 by itself."""
  shape = batch['decoder_input_tokens'].shape
  positions_BL = batch.get('decoder_positions')
  if positions_BL is None:
    positions_BL = jnp.broadcast_to(jnp.arange(shape[1]), shape)
  segment_ids_BL = batch.get('decoder_segment_ids', jnp.ones(shape, jnp.int32))
  starts_BL = positions_BL == 0
  return (
    jnp.where(starts_BL, 0, positions_BL - 1),
    jnp.where(starts_BL, 0, segment_ids_BL),
  )


def _to_t5x(cache: cache_lib.Cache) -> dict[str, Any]:
  """A dict of arrays whose first axis is the batch, as T5X decodes with."""
  return {
    'memory': jax.tree.map(lambda x: x.swapaxes(0, 1), cache.layers_Y),
    'seen': cache.seen_BS,
    'num_tokens': cache.num_tokens_B,
    'cache_index': jnp.broadcast_to(cache.num_slots, cache.num_tokens_B.shape),
  }


def _from_t5x(cache: Mapping[str, Any]) -> cache_lib.Cache:
  return cache_lib.Cache(
    layers_Y=jax.tree.map(lambda x: x.swapaxes(0, 1), cache['memory']),
    seen_BS=cache['seen'],
    num_tokens_B=cache['num_tokens'],
    num_slots=cache['cache_index'][0],
  )
