"""Llama, and the many models that are published as Llamas.

Touvron et al. 2023 (arXiv 2302.13971); Grattafiori et al. 2024 (arXiv
2407.21783). Names and defaults are those of transformers' LlamaConfig.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import (
  ACTIVATION_NAMES,
  ConfigJson,
)
from symbol_tuning.models.families.family import Family, Weight

QUERY_ROWS = ('heads', 'head_dim')
KEY_ROWS = ('kv_heads', 'head_dim')


def attention_weights(config: DecoderConfig) -> tuple[Weight, ...]:
  """Query, key, value and output projections, and the biases there are."""
  weights = []
  for ours, theirs, rows in (
    ('query', 'q_proj', QUERY_ROWS),
    ('key', 'k_proj', KEY_ROWS),
    ('value', 'v_proj', KEY_ROWS),
  ):
    path, name = f'attention/{ours}', f'self_attn.{theirs}'
    weights.append(
      Weight(f'{path}/kernel', f'{name}.weight', (rows, ('embed',)))
    )
    if config.qkv_bias:
      weights.append(Weight(f'{path}/bias', f'{name}.bias', (rows,)))
  return (*weights, *output_weights(config))


def output_weights(config: DecoderConfig) -> tuple[Weight, ...]:
  """The projection of what attention saw."""
  path, name = 'attention/output', 'self_attn.o_proj'
  kernel = Weight(f'{path}/kernel', f'{name}.weight', (('embed',), QUERY_ROWS))
  if not config.output_bias:
    return (kernel,)
  return kernel, Weight(f'{path}/bias', f'{name}.bias', (('embed',),))


def mlp_weights(config: DecoderConfig) -> tuple[Weight, ...]:
  """The projections of a gated MLP, and the biases there are."""
  weights = []
  for ours, rows, columns in (
    ('gate', 'mlp', 'embed'),
    ('up', 'mlp', 'embed'),
    ('down', 'embed', 'mlp'),
  ):
    path, name = f'mlp/{ours}', f'mlp.{ours}_proj'
    weights.append(
      Weight(f'{path}/kernel', f'{name}.weight', ((rows,), (columns,)))
    )
    if config.mlp_bias:
      weights.append(Weight(f'{path}/bias', f'{name}.bias', ((rows,),)))
  return tuple(weights)


def norm(path: str, name: str, axis: str = 'embed') -> Weight:
  """The scale of a norm."""
  return Weight(f'{path}/scale', f'{name}.weight', ((axis,),))


class Llama(Family):
  """Llama's names, and its config.json."""

  name = 'Llama'
  members = (
    'Llama 1, 2, 3, 3.1, 3.2, 3.3; SmolLM 1 and 2; TinyLlama; Yi; '
    'DeepSeek LLM; Falcon 3'
  )
  model_type = 'llama'
  architecture = 'LlamaForCausalLM'
  gguf_architecture: ClassVar[str | None] = 'llama'
  gguf_pairs_channels = True
  defaults: ClassVar[Mapping[str, Any]] = {
    'vocab_size': 32_000,
    'hidden_size': 4096,
    'intermediate_size': 11_008,
    'num_hidden_layers': 32,
    'num_attention_heads': 32,
    'num_key_value_heads': None,
    'hidden_act': 'silu',
    'max_position_embeddings': 2048,
    'rms_norm_eps': 1e-6,
    'tie_word_embeddings': False,
    'attention_bias': False,
    'mlp_bias': False,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    attention_bias = values.flag('attention_bias')
    return self.common_fields(values) | {
      'qkv_bias': attention_bias,
      'output_bias': attention_bias,
      'mlp_bias': values.flag('mlp_bias'),
      **rope.read(values),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return self.common_values(config) | {
      'attention_bias': config.qkv_bias,
      'mlp_bias': config.mlp_bias,
      **rope.write(config),
    }

  def common_fields(self, values: ConfigJson) -> dict[str, Any]:
    """Sizes and choices that Llama-like families say alike."""
    return {
      'vocab_size': values.size('vocab_size'),
      'num_layers': values.size('num_hidden_layers'),
      'embed_dim': values.size('hidden_size'),
      'num_heads': values.size('num_attention_heads'),
      'num_kv_heads': values.num_kv_heads(),
      'head_dim': values.head_dim(),
      'mlp_dim': values.size('intermediate_size'),
      'activation': values.activation('hidden_act'),
      'norm_epsilon': values.number('rms_norm_eps'),
      'tied_embeddings': values.flag('tie_word_embeddings'),
      'context_length': values.size('max_position_embeddings'),
    }

  def common_values(self, config: DecoderConfig) -> dict[str, Any]:
    """The same, the other way."""
    return {
      'vocab_size': config.vocab_size,
      'num_hidden_layers': config.num_layers,
      'hidden_size': config.embed_dim,
      'num_attention_heads': config.num_heads,
      'num_key_value_heads': config.num_kv_heads,
      'head_dim': config.head_dim,
      'intermediate_size': config.mlp_dim,
      'hidden_act': ACTIVATION_NAMES[config.activation],
      'rms_norm_eps': config.norm_epsilon,
      'tie_word_embeddings': config.tied_embeddings,
      'max_position_embeddings': config.context_length,
    }

  def window_fields(self, values: ConfigJson) -> dict[str, Any]:
    """What families say alike whose layers all see a window, or none does."""
    if values.get('sliding_window') is None:
      return {}
    return {
      'layer_kinds': ('local',),
      'local_window': values.size('sliding_window'),
    }

  def outer_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    rows = (('vocab',), ('embed',))
    embedding = Weight(
      'token_embedding/embedding', f'{self.base}embed_tokens.weight', rows
    )
    final_norm = norm('final_norm', f'{self.base}norm')
    if config.tied_embeddings:
      return embedding, final_norm
    head = Weight('unembedding/embedding', 'lm_head.weight', rows)
    return embedding, final_norm, head

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    return (
      *attention_weights(config),
      *mlp_weights(config),
      norm('attention_norm', 'input_layernorm'),
      norm('mlp_norm', 'post_attention_layernorm'),
    )
