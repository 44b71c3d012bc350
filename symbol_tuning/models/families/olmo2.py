"""OLMo 2 (Team OLMo 2024, arXiv 2501.00656).

A Llama whose sublayers read the stream as it is and are normalized afterwards;
queries and keys are normalized over all heads together.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.family import Weight
from symbol_tuning.models.families.llama import (
  KEY_ROWS,
  QUERY_ROWS,
  Llama,
  attention_weights,
  mlp_weights,
  norm,
)


class Olmo2(Llama):
  """OLMo 2's norms."""

  name = 'OLMo 2'
  members = 'OLMo 2 1B, 7B, 13B, 32B'
  model_type = 'olmo2'
  architecture = 'Olmo2ForCausalLM'
  gguf_architecture: ClassVar[str | None] = 'olmo2'
  gguf_pairs_channels = False
  defaults: ClassVar[Mapping[str, Any]] = {
    'vocab_size': 50_304,
    'hidden_size': 4096,
    'intermediate_size': 11_008,
    'num_hidden_layers': 32,
    'num_attention_heads': 32,
    'num_key_value_heads': None,
    'hidden_act': 'silu',
    'max_position_embeddings': 2048,
    'rms_norm_eps': 1e-5,
    'tie_word_embeddings': False,
    'attention_bias': False,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    bias = values.flag('attention_bias')
    return self.common_fields(values) | {
      'pre_norms': False,
      'post_norms': True,
      'qk_norm': 'projection',
      'qkv_bias': bias,
      'output_bias': bias,
      **rope.read(values),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return self.common_values(config) | {
      'attention_bias': config.qkv_bias,
      **rope.write(config),
    }

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    return (
      *attention_weights(config),
      *mlp_weights(config),
      norm('attention_post_norm', 'post_attention_layernorm'),
      norm('mlp_post_norm', 'post_feedforward_layernorm'),
      *(
        Weight(f'attention/{ours}/scale', f'self_attn.{theirs}.weight', (rows,))
        for ours, theirs, rows in (
          ('query_norm', 'q_norm', QUERY_ROWS),
          ('key_norm', 'k_norm', KEY_ROWS),
        )
      ),
    )
