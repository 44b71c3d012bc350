"""GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases, no gate.

Its matrices are published the other way round: rows are inputs.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.family import Family


class Gpt2(Family):
  """GPT-2's names, and its config.json."""

  name = 'GPT-2'
  members = 'GPT-2 124M to 1.5B; DistilGPT2'
  model_type = 'gpt2'
  architecture = 'GPT2LMHeadModel'
  base = 'transformer.'
  layers = 'h'
  inputs_first = True
  defaults: ClassVar[dict[str, Any]] = {
    'vocab_size': 50_257,
    'n_positions': 1024,
    'n_embd': 768,
    'n_layer': 12,
    'n_head': 12,
    'n_inner': None,
    'activation_function': 'gelu_new',
    'layer_norm_epsilon': 1e-5,
    'tie_word_embeddings': True,
  }
  fields: ClassVar[dict[str, str]] = {
    'vocab_size': 'vocab_size',
    'num_layers': 'n_layer',
    'embed_dim': 'n_embd',
    'num_kv_heads': 'n_head',
    'num_heads': 'n_head',
    'activation': 'activation_function',
    'norm_epsilon': 'layer_norm_epsilon',
    'tied_embeddings': 'tie_word_embeddings',
    'context_length': 'n_positions',
    'learned_positions': 'n_positions',
  }
  constants: ClassVar[dict[str, Any]] = {
    'gated_mlp': False,
    'norm': 'layer',
    'norm_bias': True,
    'qkv_bias': True,
    'output_bias': True,
    'mlp_bias': True,
    'layer_kinds': ('unrotated',),
  }
  tensors: ClassVar[dict[str, str]] = {
    'token_embedding': 'wte',
    'position_embedding': 'wpe',
    'final_norm': 'ln_f',
    'unembedding': 'lm_head',
    'attention/query': 'attn.c_attn',
    'attention/key': 'attn.c_attn',
    'attention/value': 'attn.c_attn',
    'attention/output': 'attn.c_proj',
    'mlp/up': 'mlp.c_fc',
    'mlp/down': 'mlp.c_proj',
    'attention_norm': 'ln_1',
    'mlp_norm': 'ln_2',
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('scale_attn_weights', True)
    values.require('scale_attn_by_inverse_layer_idx', False)
    values.require('add_cross_attention', False)
    fields = super().read_config(values)
    width = fields['embed_dim']
    is_wide = values.get('n_inner') is None
    return fields | {
      'head_dim': width // fields['num_heads'],
      'mlp_dim': 4 * width if is_wide else values.size('n_inner'),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return super().write_config(config) | {'n_inner': config.mlp_dim}
