"""Mistral 7B and its dense successors (Jiang et al. 2023, arXiv 2310.06825).

A Llama whose layers may all see a window of tokens only.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.llama import FIELDS, Llama


class Mistral(Llama):
  """Mistral's config.json and windows."""

  name = 'Mistral'
  members = 'Mistral 7B 0.1, 0.2, 0.3; Nemo 12B; Small 22B, 24B'
  model_type = 'mistral'
  architecture = 'MistralForCausalLM'
  gguf_architecture: ClassVar[str | None] = None
  gguf_reads_as = 'llama'
  defaults = Llama.defaults | {
    'intermediate_size': 14_336,
    'num_key_value_heads': 8,
    'max_position_embeddings': 4096 * 32,
    'sliding_window': 4096,
  }
  fields = FIELDS

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('attention_bias', False, None)
    fields = super().read_config(values)
    if values.get('sliding_window') is None:
      return fields
    window = values.size('sliding_window')
    return fields | {'layer_kinds': ('local',), 'local_window': window}

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    window = {'sliding_window': config.local_window or None}
    return super().write_config(config) | window
