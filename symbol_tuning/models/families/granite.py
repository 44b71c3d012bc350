"""Granite 3, the dense models (Granite Team, IBM, 2024).

A Llama with four multipliers: of the embedding, of attention scores, of what
sublayers add, and (as a divisor) of the logits.
"""

from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.llama import Llama


class Granite(Llama):
  """Granite's multipliers."""

  name = 'Granite'
  members = 'Granite 3.0 to 3.3, 2B and 8B'
  model_type = 'granite'
  architecture = 'GraniteForCausalLM'
  gguf_architecture = 'granite'
  defaults = Llama.defaults | {
    'embedding_multiplier': 1.0,
    'logits_scaling': 1.0,
    'residual_multiplier': 1.0,
    'attention_multiplier': 1.0,
  }
  fields = Llama.fields | {
    'embedding_multiplier': 'embedding_multiplier',
    'residual_multiplier': 'residual_multiplier',
    'attention_scale': 'attention_multiplier',
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('rope_finetuned', True)  # GGUF's way to say: there is RoPE
    values.above_0('attention_multiplier')  # 0 has another meaning here
    multiplier = 1 / values.above_0('logits_scaling')
    return super().read_config(values) | {'logit_multiplier': multiplier}

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return super().write_config(config) | {
      'logits_scaling': 1 / config.logit_multiplier,
      'attention_multiplier': config.attention_scale or config.head_dim**-0.5,
    }
