"""OLMo 3 (Team OLMo 2025): OLMo 2 with three local layers of every four.

RoPE is stretched by YaRN in the others only.
"""

from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson, layer_types
from symbol_tuning.models.families.olmo2 import Olmo2

PERIOD = 4


class Olmo3(Olmo2):
  """OLMo 3's windows."""

  name = 'OLMo 3'
  members = 'OLMo 3 7B, 32B'
  model_type = 'olmo3'
  architecture = 'Olmo3ForCausalLM'
  gguf_architecture = None
  defaults = Olmo2.defaults | {'sliding_window': 4096, 'rope_theta': 500_000.0}

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    return super().read_config(values) | values.windows(
      lambda layer: (layer + 1) % PERIOD != 0
    )

  def read_rope(self, values: ConfigJson) -> dict[str, Any]:
    return rope.read_by_kind(values)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return super().write_config(config) | {
      'sliding_window': config.local_window or None,
      'layer_types': layer_types(config.kind_of_layer),
      **rope.write_by_kind(config),
    }
