"""Llama, and the many models that are published as Llamas.

Touvron et al. 2023 (arXiv 2302.13971); Grattafiori et al. 2024 (arXiv
2407.21783). Names and defaults are those of transformers' LlamaConfig.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.family import Family

# What Llama-like families say alike.
FIELDS = {
  'vocab_size': 'vocab_size',
  'num_layers': 'num_hidden_layers',
  'embed_dim': 'hidden_size',
  'num_heads': 'num_attention_heads',
  'num_kv_heads': 'num_key_value_heads',
  'head_dim': 'head_dim',
  'mlp_dim': 'intermediate_size',
  'activation': 'hidden_act',
  'norm_epsilon': 'rms_norm_eps',
  'tied_embeddings': 'tie_word_embeddings',
  'context_length': 'max_position_embeddings',
}
ATTENTION_BIAS = {
  'output_bias': 'attention_bias',
  'qkv_bias': 'attention_bias',
}
# All tensors but the norms of a block.
TENSORS = {
  'token_embedding': 'embed_tokens',
  'final_norm': 'norm',
  'unembedding': 'lm_head',
  'attention/query': 'self_attn.q_proj',
  'attention/key': 'self_attn.k_proj',
  'attention/value': 'self_attn.v_proj',
  'attention/output': 'self_attn.o_proj',
  'mlp/gate': 'mlp.gate_proj',
  'mlp/up': 'mlp.up_proj',
  'mlp/down': 'mlp.down_proj',
}
NORMS = {
  'attention_norm': 'input_layernorm',
  'mlp_norm': 'post_attention_layernorm',
}
QK_NORMS = {
  'attention/query_norm': 'self_attn.q_norm',
  'attention/key_norm': 'self_attn.k_norm',
}


class Llama(Family):
  """Llama's names, and its config.json."""

  name = 'Llama'
  members = (
    'Llama 1, 2, 3, 3.1, 3.2, 3.3; SmolLM 1 and 2; TinyLlama; Yi; '
    'DeepSeek LLM; Falcon 3'
  )
  model_type = 'llama'
  architecture = 'LlamaForCausalLM'
  gguf_architecture: ClassVar[str | None] = 'llama'
  gguf_pairs_channels = True
  defaults: ClassVar[dict[str, Any]] = {
    'vocab_size': 32_000,
    'hidden_size': 4096,
    'intermediate_size': 11_008,
    'num_hidden_layers': 32,
    'num_attention_heads': 32,
    'num_key_value_heads': None,
    'head_dim': None,
    'hidden_act': 'silu',
    'max_position_embeddings': 2048,
    'rms_norm_eps': 1e-6,
    'rope_theta': 10_000.0,
    'tie_word_embeddings': False,
    'attention_bias': False,
    'mlp_bias': False,
  }
  fields = FIELDS | ATTENTION_BIAS | {'mlp_bias': 'mlp_bias'}
  tensors = TENSORS | NORMS

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    return super().read_config(values) | self.read_rope(values)

  def read_rope(self, values: ConfigJson) -> dict[str, Any]:
    """The fields that say how positions are rotated; as `read_config`."""
    return rope.read(values)

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return super().write_config(config) | rope.write(config)
