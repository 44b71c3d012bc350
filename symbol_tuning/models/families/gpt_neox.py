"""GPT-NeoX and Pythia (Black et al. 2022, arXiv 2204.06745; Biderman et al.
2023, arXiv 2304.01373).

Attention and MLP read the stream side by side, each through a LayerNorm of its
own; a quarter of the channels is rotated; everything has a bias.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.family import Family
from symbol_tuning.models.families.llama import ATTENTION_BIAS, NORMS


class GptNeoX(Family):
  """GPT-NeoX's names, and its config.json."""

  name = 'GPT-NeoX'
  members = 'GPT-NeoX 20B; Pythia 14M to 12B; Dolly 2'
  model_type = 'gpt_neox'
  architecture = 'GPTNeoXForCausalLM'
  base = 'gpt_neox.'
  fused_by_head = True  # in llama.cpp's files they are not
  gguf_architecture = 'gptneox'
  defaults: ClassVar[dict[str, Any]] = {
    'vocab_size': 50_432,
    'hidden_size': 6144,
    'num_hidden_layers': 44,
    'num_attention_heads': 64,
    'intermediate_size': 24_576,
    'hidden_act': 'gelu',
    'max_position_embeddings': 2048,
    'layer_norm_eps': 1e-5,
    'rotary_emb_base': 10_000.0,
    'rotary_pct': 0.25,
    'tie_word_embeddings': False,
    'use_parallel_residual': True,
    'attention_bias': True,
  }
  fields = ATTENTION_BIAS | {
    'vocab_size': 'vocab_size',
    'num_layers': 'num_hidden_layers',
    'embed_dim': 'hidden_size',
    'num_kv_heads': 'num_attention_heads',
    'num_heads': 'num_attention_heads',
    'mlp_dim': 'intermediate_size',
    'activation': 'hidden_act',
    'parallel_block': 'use_parallel_residual',
    'norm_epsilon': 'layer_norm_eps',
    'tied_embeddings': 'tie_word_embeddings',
    'context_length': 'max_position_embeddings',
  }
  constants: ClassVar[dict[str, Any]] = {
    'gated_mlp': False,
    'norm': 'layer',
    'norm_bias': True,
    'mlp_bias': True,
  }
  tensors = NORMS | {
    'token_embedding': 'embed_in',
    'final_norm': 'final_layer_norm',
    'unembedding': 'embed_out',
    'attention/query': 'attention.query_key_value',
    'attention/key': 'attention.query_key_value',
    'attention/value': 'attention.query_key_value',
    'attention/output': 'attention.dense',
    'mlp/up': 'mlp.dense_h_to_4h',
    'mlp/down': 'mlp.dense_4h_to_h',
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    fields = super().read_config(values) | rope.read(values, 'rotary_pct')
    return fields | {
      'head_dim': values.head_dim(),
      'shared_norm': not fields['parallel_block'],
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = super().write_config(config) | {
      'rotary_emb_base': config.rope_base,
      'rotary_pct': (config.rotary_dim or config.head_dim) / config.head_dim,
    }
    if config.rope_scaling:
      values['rope_scaling'] = rope.write_scaling(config.rope_scaling)
    return values
