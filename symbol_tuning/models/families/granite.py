"""Granite 3, the dense models (Granite Team, IBM, 2024).

A Llama with four multipliers: of the embedding, of attention scores, of what
sublayers add, and (as a divisor) of the logits.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

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
  defaults: ClassVar[Mapping[str, Any]] = {
    **Llama.defaults,
    'embedding_multiplier': 1.0,
    'logits_scaling': 1.0,
    'residual_multiplier': 1.0,
    'attention_multiplier': 1.0,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    return super().read_config(values) | {
      'embedding_multiplier': values.number('embedding_multiplier'),
      'logit_multiplier': 1 / values.number('logits_scaling'),
      'residual_multiplier': values.number('residual_multiplier'),
      'attention_scale': values.number('attention_multiplier'),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    scale = config.attention_scale or config.head_dim**-0.5
    return super().write_config(config) | {
      'embedding_multiplier': config.embedding_multiplier,
      'logits_scaling': 1 / config.logit_multiplier,
      'residual_multiplier': config.residual_multiplier,
      'attention_multiplier': scale,
    }
