"""Phi-3, 3.5 and 4 (Abdin et al. 2024, arXiv 2404.14219).

A Llama with fused projections, whose RoPE may leave channels alone and be
stretched by LongRoPE.
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
  norm,
  output_weights,
)


class Phi3(Llama):
  """Phi-3's fused projections."""

  name = 'Phi-3'
  members = 'Phi-3 mini, medium; Phi-3.5 mini; Phi-4, Phi-4 mini'
  model_type = 'phi3'
  architecture = 'Phi3ForCausalLM'
  gguf_architecture = 'phi3'
  gguf_pairs_channels = False
  defaults: ClassVar[Mapping[str, Any]] = {
    'vocab_size': 32_064,
    'hidden_size': 3072,
    'intermediate_size': 8192,
    'num_hidden_layers': 32,
    'num_attention_heads': 32,
    'num_key_value_heads': None,
    'hidden_act': 'silu',
    'max_position_embeddings': 4096,
    'original_max_position_embeddings': 4096,
    'rms_norm_eps': 1e-5,
    'tie_word_embeddings': False,
    'sliding_window': None,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    fields = self.common_fields(values) | rope.read(values)
    values.require('attention_bias', False, None)
    return fields | self.window_fields(values)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = self.common_values(config) | {
      'sliding_window': config.local_window or None,
      **rope.write(config),
    }
    if config.rope_scaling:
      original = config.rope_scaling.original_context
      values['original_max_position_embeddings'] = original
    return values

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    return (
      *(
        Weight(
          f'attention/{ours}/kernel',
          'self_attn.qkv_proj.weight',
          (rows, ('embed',)),
          after=before,
        )
        for ours, rows, before in (
          ('query', QUERY_ROWS, ()),
          ('key', KEY_ROWS, (QUERY_ROWS,)),
          ('value', KEY_ROWS, (QUERY_ROWS, KEY_ROWS)),
        )
      ),
      *output_weights(config),
      *(
        Weight(
          f'mlp/{ours}/kernel',
          'mlp.gate_up_proj.weight',
          (('part', 'mlp'), ('embed',)),
          part=part,
          num_parts=2,
        )
        for part, ours in enumerate(('gate', 'up'))
      ),
      Weight('mlp/down/kernel', 'mlp.down_proj.weight', (('embed',), ('mlp',))),
      norm('attention_norm', 'input_layernorm'),
      norm('mlp_norm', 'post_attention_layernorm'),
    )
