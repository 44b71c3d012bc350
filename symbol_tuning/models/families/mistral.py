"""Mistral 7B and its dense successors (Jiang et al. 2023, arXiv 2310.06825).

A Llama whose layers may all see a window of tokens only.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.llama import Llama


class Mistral(Llama):
  """Mistral's config.json and windows."""

  name = 'Mistral'
  members = 'Mistral 7B 0.1, 0.2, 0.3; Nemo 12B; Small 22B, 24B'
  model_type = 'mistral'
  architecture = 'MistralForCausalLM'
  gguf_architecture = None
  gguf_reads_as = 'llama'
  defaults: ClassVar[Mapping[str, Any]] = {
    'vocab_size': 32_000,
    'hidden_size': 4096,
    'intermediate_size': 14_336,
    'num_hidden_layers': 32,
    'num_attention_heads': 32,
    'num_key_value_heads': 8,
    'hidden_act': 'silu',
    'max_position_embeddings': 4096 * 32,
    'rms_norm_eps': 1e-6,
    'tie_word_embeddings': False,
    'sliding_window': 4096,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    fields = self.common_fields(values) | rope.read(values)
    values.require('attention_bias', False, None)
    return fields | self.window_fields(values)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return self.common_values(config) | {
      'sliding_window': config.local_window or None,
      **rope.write(config),
    }
