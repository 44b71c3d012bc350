"""GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases, no gate.

Its matrices are published the other way round: rows are inputs.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import (
  ACTIVATION_NAMES,
  ConfigJson,
)
from symbol_tuning.models.families.family import Family, Weight


class Gpt2(Family):
  """GPT-2's names, and its config.json."""

  name = 'GPT-2'
  members = 'GPT-2 124M to 1.5B; DistilGPT2'
  model_type = 'gpt2'
  architecture = 'GPT2LMHeadModel'
  base = 'transformer.'
  defaults: ClassVar[Mapping[str, Any]] = {
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

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    values.require('scale_attn_weights', True)
    values.require('scale_attn_by_inverse_layer_idx', False)
    values.require('add_cross_attention', False)
    width, heads = values.size('n_embd'), values.size('n_head')
    is_wide = values.get('n_inner') is None
    return {
      'vocab_size': values.size('vocab_size'),
      'num_layers': values.size('n_layer'),
      'embed_dim': width,
      'num_heads': heads,
      'num_kv_heads': heads,
      'head_dim': width // heads,
      'mlp_dim': 4 * width if is_wide else values.size('n_inner'),
      'activation': values.activation('activation_function'),
      'gated_mlp': False,
      'norm': 'layer',
      'norm_bias': True,
      'norm_epsilon': values.number('layer_norm_epsilon'),
      'qkv_bias': True,
      'output_bias': True,
      'mlp_bias': True,
      'layer_kinds': ('unrotated',),
      'learned_positions': values.size('n_positions'),
      'tied_embeddings': values.flag('tie_word_embeddings'),
      'context_length': values.size('n_positions'),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    return {
      'vocab_size': config.vocab_size,
      'n_layer': config.num_layers,
      'n_embd': config.embed_dim,
      'n_head': config.num_heads,
      'n_inner': config.mlp_dim,
      'n_positions': config.learned_positions,
      'activation_function': ACTIVATION_NAMES[config.activation],
      'layer_norm_epsilon': config.norm_epsilon,
      'tie_word_embeddings': config.tied_embeddings,
    }

  def layer_name(self, layer: int, name: str) -> str:
    return f'{self.base}h.{layer}.{name}'

  def outer_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    rows = (('vocab',), ('embed',))
    weights = (
      Weight('token_embedding/embedding', f'{self.base}wte.weight', rows),
      Weight(
        'position_embedding/embedding',
        f'{self.base}wpe.weight',
        (('positions',), ('embed',)),
      ),
      *_with_bias('final_norm', f'{self.base}ln_f', ('embed',), kind='scale'),
    )
    if config.tied_embeddings:
      return weights
    return *weights, Weight('unembedding/embedding', 'lm_head.weight', rows)

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    weights = []
    for part, (ours, heads) in enumerate(
      (('query', 'heads'), ('key', 'kv_heads'), ('value', 'kv_heads'))
    ):
      weights += _with_bias(
        f'attention/{ours}',
        'attn.c_attn',
        ('embed',),
        ('part', heads, 'head_dim'),
        part=part,
      )
    for ours, theirs, inputs, outputs in (
      ('attention/output', 'attn.c_proj', ('heads', 'head_dim'), ('embed',)),
      ('mlp/up', 'mlp.c_fc', ('embed',), ('mlp',)),
      ('mlp/down', 'mlp.c_proj', ('mlp',), ('embed',)),
    ):
      weights += _with_bias(ours, theirs, inputs, outputs)
    return (
      *weights,
      *_with_bias('attention_norm', 'ln_1', ('embed',), kind='scale'),
      *_with_bias('mlp_norm', 'ln_2', ('embed',), kind='scale'),
    )


def _with_bias(
  path: str,
  name: str,
  *axes: tuple[str, ...],
  part: int = 0,
  kind: str = 'kernel',
) -> list[Weight]:
  """A kernel or scale, and the bias of its last axis."""
  num_parts = 3 if 'part' in axes[-1] else 1
  return [
    Weight(f'{path}/{kind}', f'{name}.weight', axes, part, num_parts),
    Weight(f'{path}/bias', f'{name}.bias', axes[-1:], part, num_parts),
  ]
