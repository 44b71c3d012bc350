"""Qwen 2, 2.5 and 3, the dense models.

Yang et al. 2024 (arXiv 2407.10671): Llama with biases of queries, keys and
values. Yang et al. 2025 (arXiv 2505.09388): no biases, but normalized queries
and keys.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import (
  LOCAL,
  ConfigJson,
  layer_types,
)
from symbol_tuning.models.families.llama import (
  ATTENTION_BIAS,
  FIELDS,
  QK_NORMS,
  Llama,
)


class Qwen2(Llama):
  """Qwen 2's biases and windows."""

  name = 'Qwen 2'
  members = 'Qwen 2, Qwen 2.5, QwQ; DeepSeek R1 distilled into Qwen'
  model_type = 'qwen2'
  architecture = 'Qwen2ForCausalLM'
  gguf_architecture = 'qwen2'
  gguf_pairs_channels = False
  defaults = Llama.defaults | {
    'vocab_size': 151_936,
    'intermediate_size': 22_016,
    'num_key_value_heads': 32,
    'max_position_embeddings': 32_768,
    'use_sliding_window': False,
    'sliding_window': 4096,
    'max_window_layers': 28,
  }
  fields = FIELDS
  constants: ClassVar[dict[str, Any]] = {'qkv_bias': True}

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    """Layers from the max_window_layers-th on see a window, where asked."""
    fields = super().read_config(values)
    has_windows = values.flag('use_sliding_window')
    if not (has_windows and values.get('sliding_window')):
      return fields
    first = values.size('max_window_layers', least=0)
    return fields | values.windows(lambda layer: layer >= first)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = super().write_config(config) | {
      'use_sliding_window': config.local_window > 0,
      'sliding_window': config.local_window or None,
    }
    if config.local_window:
      types = layer_types(config.kind_of_layer)
      values |= {'max_window_layers': types.index(LOCAL), 'layer_types': types}
    return values


class Qwen3(Qwen2):
  """Qwen 3's normalized queries and keys."""

  name = 'Qwen 3'
  members = 'Qwen 3 0.6B to 32B'
  model_type = 'qwen3'
  architecture = 'Qwen3ForCausalLM'
  gguf_architecture = 'qwen3'
  defaults = Qwen2.defaults | {'head_dim': 128}
  fields = FIELDS | ATTENTION_BIAS
  constants: ClassVar[dict[str, Any]] = {'qk_norm': 'head'}
  tensors = Qwen2.tensors | QK_NORMS
