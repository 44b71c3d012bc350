"""Gemma 1, 2 and 3, the text models.

Gemma Team 2024 (arXiv 2403.08295, 2408.00118) and 2025 (arXiv 2503.19786):
GeGLU, a scaled embedding and norms that multiply by 1 + scale; from Gemma 2 on
norms around each sublayer and layers that see a window.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson, layer_types
from symbol_tuning.models.families.llama import (
  FIELDS,
  QK_NORMS,
  TENSORS,
  Llama,
)

GELU = 'gelu_pytorch_tanh'
DEFAULTS = Llama.defaults | {
  'vocab_size': 256_000,
  'hidden_size': 2304,
  'intermediate_size': 9216,
  'num_hidden_layers': 26,
  'num_attention_heads': 8,
  'num_key_value_heads': 4,
  'head_dim': 256,
  'hidden_act': GELU,  # read by Gemma 1 only
  'hidden_activation': GELU,
  'max_position_embeddings': 8192,
  'tie_word_embeddings': True,
  'query_pre_attn_scalar': 256,
  'sliding_window': 4096,
}


class Gemma(Llama):
  """Gemma 1."""

  name = 'Gemma'
  members = 'Gemma 2B, 7B'
  model_type = 'gemma'
  architecture = 'GemmaForCausalLM'
  gguf_architecture = 'gemma'
  gguf_pairs_channels = False
  gguf_adds_one = True
  defaults = DEFAULTS | {
    'hidden_size': 3072,
    'intermediate_size': 24_576,
    'num_hidden_layers': 28,
    'num_attention_heads': 16,
    'num_key_value_heads': 16,
  }
  fields = FIELDS
  constants: ClassVar[dict[str, Any]] = {
    'activation': 'gelu',
    'centered_norms': True,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    # 'gelu' of early files means the approximation too, says transformers.
    values.require('hidden_act', GELU, 'gelu')
    values.require('hidden_activation', GELU, None)
    return self.gemma_fields(values)

  def gemma_fields(self, values: ConfigJson) -> dict[str, Any]:
    """What all Gemmas have in common."""
    values.require('attention_bias', False)
    values.require('use_bidirectional_attention', False, None)
    fields = super().read_config(values)
    return fields | {'embedding_multiplier': fields['embed_dim'] ** 0.5}

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return super().write_config(config) | {
      'hidden_activation': GELU,
      'attention_bias': False,
    }


class Gemma2(Gemma):
  """Gemma 2: soft caps, and every other layer local."""

  name = 'Gemma 2'
  members = 'Gemma 2 2B, 9B, 27B'
  model_type = 'gemma2'
  architecture = 'Gemma2ForCausalLM'
  gguf_architecture = 'gemma2'
  defaults = DEFAULTS | {
    'attn_logit_softcapping': 50.0,
    'final_logit_softcapping': 30.0,
  }
  constants = Gemma.constants | {'post_norms': True}
  tensors = TENSORS | {
    'attention_norm': 'input_layernorm',
    'attention_post_norm': 'post_attention_layernorm',
    'mlp_norm': 'pre_feedforward_layernorm',
    'mlp_post_norm': 'post_feedforward_layernorm',
  }
  pattern = 2

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('hidden_activation', GELU)
    scalar = values.above_0('query_pre_attn_scalar')
    period = self.pattern
    for name in ('_sliding_window_pattern', 'sliding_window_pattern'):
      if values.values.get(name) is not None:
        period = values.size(name)
    fields = self.gemma_fields(values)
    return fields | {
      # A scale of head_dim ** -0.5 is what 0 stands for.
      'attention_scale': (
        0.0 if scalar == fields['head_dim'] else scalar**-0.5
      ),
      'attention_soft_cap': self._cap(values, 'attn_logit_softcapping'),
      'logit_soft_cap': self._cap(values, 'final_logit_softcapping'),
      **values.windows(lambda layer: (layer + 1) % period != 0),
    }

  def _cap(self, values: ConfigJson, name: str) -> float:
    return 0.0 if values.get(name) is None else values.number(name)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    scalar = config.head_dim
    if config.attention_scale:
      scalar = round(config.attention_scale**-2)
    return super().write_config(config) | {
      'query_pre_attn_scalar': scalar,
      'attn_logit_softcapping': config.attention_soft_cap or None,
      'final_logit_softcapping': config.logit_soft_cap or None,
      'sliding_window': config.local_window or None,
      # Read by transformers before 4.53 only:
      'sliding_window_pattern': len(config.layer_kinds),
      'layer_types': layer_types(config.kind_of_layer),
    }

  def gguf_values(self, values: dict[str, Any]) -> dict[str, Any]:
    # The header leaves it out; llama.cpp knows the 27B models by their depth.
    if values['num_hidden_layers'] in (46, 62):
      width = values['hidden_size'] // values['num_attention_heads']
      values['query_pre_attn_scalar'] = width
    else:
      values['query_pre_attn_scalar'] = values['head_dim']
    return values


class Gemma3(Gemma2):
  """Gemma 3: normalized queries and keys, five of six layers local."""

  name = 'Gemma 3'
  members = 'Gemma 3 270M to 27B (text), MedGemma (text)'
  model_type = 'gemma3_text'
  architecture = 'Gemma3ForCausalLM'
  gguf_architecture = 'gemma3'
  defaults = DEFAULTS | {
    'vocab_size': 262_208,
    'max_position_embeddings': 131_072,
    'attn_logit_softcapping': None,
    'final_logit_softcapping': None,
    'rope_theta': 1e6,
    'rope_local_base_freq': 1e4,
  }
  constants = Gemma2.constants | {'qk_norm': 'head'}
  tensors = Gemma2.tensors | QK_NORMS
  pattern = 6

  def read_rope(self, values: ConfigJson) -> dict[str, Any]:
    return rope.read_by_kind(values)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    local = {'rope_local_base_freq': config.local_rope_base}
    return super().write_config(config) | local
