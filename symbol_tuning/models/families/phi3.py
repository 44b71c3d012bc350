"""Phi-3, 3.5 and 4 (Abdin et al. 2024, arXiv 2404.14219).

A Mistral with fused projections, whose RoPE may leave channels alone and be
stretched by LongRoPE.
"""

from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.llama import Llama
from symbol_tuning.models.families.mistral import Mistral


class Phi3(Mistral):
  """Phi-3's fused projections."""

  name = 'Phi-3'
  members = 'Phi-3 mini, medium; Phi-3.5 mini; Phi-4, Phi-4 mini'
  model_type = 'phi3'
  architecture = 'Phi3ForCausalLM'
  gguf_architecture = 'phi3'
  gguf_pairs_channels = False
  defaults = Llama.defaults | {
    'vocab_size': 32_064,
    'hidden_size': 3072,
    'intermediate_size': 8192,
    'max_position_embeddings': 4096,
    'original_max_position_embeddings': 4096,
    'rms_norm_eps': 1e-5,
    'sliding_window': None,
  }
  tensors = Mistral.tensors | {
    'attention/query': 'self_attn.qkv_proj',
    'attention/key': 'self_attn.qkv_proj',
    'attention/value': 'self_attn.qkv_proj',
    'mlp/gate': 'mlp.gate_up_proj',
    'mlp/up': 'mlp.gate_up_proj',
  }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = super().write_config(config)
    if config.rope_scaling:
      original = config.rope_scaling.original_context
      values['original_max_position_embeddings'] = original
    return values
