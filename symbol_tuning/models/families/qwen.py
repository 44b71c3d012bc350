"""Qwen 2, 2.5 and 3, the dense models.

Yang et al. 2024 (arXiv 2407.10671): Llama with biases of queries, keys and
values. Yang et al. 2025 (arXiv 2505.09388): no biases, but normalized queries
and keys.
"""

from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import (
  GLOBAL,
  LOCAL,
  ConfigJson,
  layer_types,
)
from symbol_tuning.models.families.family import Weight
from symbol_tuning.models.families.llama import Llama, norm

DEFAULTS = {
  'vocab_size': 151_936,
  'hidden_size': 4096,
  'intermediate_size': 22_016,
  'num_hidden_layers': 32,
  'num_attention_heads': 32,
  'num_key_value_heads': 32,
  'hidden_act': 'silu',
  'max_position_embeddings': 32_768,
  'rms_norm_eps': 1e-6,
  'tie_word_embeddings': False,
  'use_sliding_window': False,
  'sliding_window': 4096,
  'max_window_layers': 28,
}


class Qwen2(Llama):
  """Qwen 2's biases and windows."""

  name = 'Qwen 2'
  members = 'Qwen 2, Qwen 2.5, QwQ; DeepSeek R1 distilled into Qwen'
  model_type = 'qwen2'
  architecture = 'Qwen2ForCausalLM'
  gguf_architecture = 'qwen2'
  gguf_pairs_channels = False
  defaults = DEFAULTS

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    return self.common_fields(values) | {
      'qkv_bias': True,
      **_windows(values),
      **rope.read(values),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return (
      self.common_values(config) | _write_windows(config) | rope.write(config)
    )


class Qwen3(Qwen2):
  """Qwen 3's normalized queries and keys."""

  name = 'Qwen 3'
  members = 'Qwen 3 0.6B to 32B'
  model_type = 'qwen3'
  architecture = 'Qwen3ForCausalLM'
  gguf_architecture = 'qwen3'
  defaults = DEFAULTS | {'head_dim': 128, 'attention_bias': False}

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    bias = values.flag('attention_bias')
    return self.common_fields(values) | {
      'qk_norm': 'head',
      'qkv_bias': bias,
      'output_bias': bias,
      **_windows(values),
      **rope.read(values),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = super().write_config(config)
    return values | {'attention_bias': config.qkv_bias}

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    return (
      *super().block_weights(config),
      norm('attention/query_norm', 'self_attn.q_norm', 'head_dim'),
      norm('attention/key_norm', 'self_attn.k_norm', 'head_dim'),
    )


def _windows(values: ConfigJson) -> dict[str, Any]:
  """Layers from the max_window_layers-th on see a window, where asked."""
  num_layers = values.size('num_hidden_layers')
  has_windows = values.flag('use_sliding_window') and values.get(
    'sliding_window'
  )
  if not has_windows:
    return {}
  kinds = values.layer_kinds(
    [
      LOCAL if i >= values.get('max_window_layers') else GLOBAL
      for i in range(num_layers)
    ]
  )
  if 'local' not in kinds:
    return {}
  return {'layer_kinds': kinds, 'local_window': values.size('sliding_window')}


def _write_windows(config: DecoderConfig) -> dict[str, Any]:
  if not config.local_window:
    return {'use_sliding_window': False, 'sliding_window': None}
  types = layer_types(config.kind_of_layer)
  return {
    'use_sliding_window': True,
    'sliding_window': config.local_window,
    'max_window_layers': types.index(LOCAL),
    'layer_types': types,
  }
