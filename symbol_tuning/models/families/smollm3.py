"""SmolLM3 (Bakouch et al. 2025): a Llama, every fourth layer without RoPE."""

from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import (
  ConfigJson,
  shortest_pattern,
)
from symbol_tuning.models.families.llama import Llama

ROTATED = {1: 'global', 0: 'unrotated'}


class SmolLM3(Llama):
  """SmolLM3's layers without RoPE."""

  name = 'SmolLM3'
  members = 'SmolLM3 3B'
  model_type = 'smollm3'
  architecture = 'SmolLM3ForCausalLM'
  gguf_architecture = 'smollm3'
  defaults = Llama.defaults | {
    'vocab_size': 128_256,
    'hidden_size': 2048,
    'num_hidden_layers': 36,
    'num_attention_heads': 16,
    'num_key_value_heads': 4,
    'max_position_embeddings': 32_768,
    'rope_theta': 2_000_000.0,
    'tie_word_embeddings': True,
    'no_rope_layers': None,
    'no_rope_layer_interval': 4,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('use_sliding_window', False, None)
    num_layers = values.size('num_hidden_layers')
    rotated = values.get('no_rope_layers')  # 1 where there is RoPE
    if rotated is None:
      period = values.size('no_rope_layer_interval')
      rotated = [int((i + 1) % period != 0) for i in range(num_layers)]
    if len(rotated) != num_layers or not set(rotated) <= {0, 1}:
      raise values.error(
        'no_rope_layers', rotated, f'0 or 1 for each of {num_layers} layers'
      )
    kinds = shortest_pattern([ROTATED[x] for x in rotated])
    return super().read_config(values) | {'layer_kinds': kinds}

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    rotated = [int(kind == 'global') for kind in config.kind_of_layer]
    return super().write_config(config) | {
      'no_rope_layers': rotated,
      'use_sliding_window': False,
    }
