"""GPT-NeoX and Pythia (Black et al. 2022, arXiv 2204.06745; Biderman et al.
2023, arXiv 2304.01373).

Attention and MLP read the stream side by side, each through a LayerNorm of its
own; a quarter of the channels is rotated; everything has a bias.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families import rope
from symbol_tuning.models.families.config_json import (
  ACTIVATION_NAMES,
  ConfigJson,
)
from symbol_tuning.models.families.family import Family, Weight

ROTARY_FRACTION = 0.25


class GptNeoX(Family):
  """GPT-NeoX's names, and its config.json."""

  name = 'GPT-NeoX'
  members = 'GPT-NeoX 20B; Pythia 14M to 12B; Dolly 2'
  model_type = 'gpt_neox'
  architecture = 'GPTNeoXForCausalLM'
  base = 'gpt_neox.'
  gguf_architecture = 'gptneox'
  defaults: ClassVar[Mapping[str, Any]] = {
    'vocab_size': 50_432,
    'hidden_size': 6144,
    'num_hidden_layers': 44,
    'num_attention_heads': 64,
    'intermediate_size': 24_576,
    'hidden_act': 'gelu',
    'max_position_embeddings': 2048,
    'layer_norm_eps': 1e-5,
    'tie_word_embeddings': False,
    'use_parallel_residual': True,
    'attention_bias': True,
  }

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    fraction = values.values.get('rotary_pct', ROTARY_FRACTION)
    bias = values.flag('attention_bias')
    return {
      'vocab_size': values.size('vocab_size'),
      'num_layers': values.size('num_hidden_layers'),
      'embed_dim': values.size('hidden_size'),
      'num_heads': values.size('num_attention_heads'),
      'num_kv_heads': values.size('num_attention_heads'),
      'head_dim': values.head_dim(),
      'mlp_dim': values.size('intermediate_size'),
      'activation': values.activation('hidden_act'),
      'gated_mlp': False,
      'parallel_block': values.flag('use_parallel_residual'),
      'shared_norm': not values.flag('use_parallel_residual'),
      'norm': 'layer',
      'norm_bias': True,
      'norm_epsilon': values.number('layer_norm_eps'),
      'qkv_bias': bias,
      'output_bias': bias,
      'mlp_bias': True,
      'tied_embeddings': values.flag('tie_word_embeddings'),
      'context_length': values.size('max_position_embeddings'),
      **rope.read(values, 'rotary_emb_base', rotary_fraction=fraction),
    }

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    values = {
      'vocab_size': config.vocab_size,
      'num_hidden_layers': config.num_layers,
      'hidden_size': config.embed_dim,
      'num_attention_heads': config.num_heads,
      'intermediate_size': config.mlp_dim,
      'hidden_act': ACTIVATION_NAMES[config.activation],
      'layer_norm_eps': config.norm_epsilon,
      'use_parallel_residual': config.parallel_block,
      'attention_bias': config.qkv_bias,
      'rotary_emb_base': config.rope_base,
      'rotary_pct': (config.rotary_dim or config.head_dim) / config.head_dim,
      'tie_word_embeddings': config.tied_embeddings,
      'max_position_embeddings': config.context_length,
    }
    if config.rope_scaling:
      values['rope_scaling'] = rope.write_scaling(config.rope_scaling)
    return values

  def outer_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    rows = (('vocab',), ('embed',))
    weights = (
      Weight('token_embedding/embedding', f'{self.base}embed_in.weight', rows),
      *_norm('final_norm', f'{self.base}final_layer_norm'),
    )
    if config.tied_embeddings:
      return weights
    return *weights, Weight('unembedding/embedding', 'embed_out.weight', rows)

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    return self._block_weights(config, 'heads', 'part', 'head_dim')

  def gguf_block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    # llama.cpp puts all queries first, then all keys, then all values.
    return self._block_weights(config, 'part', 'heads', 'head_dim')

  def _block_weights(
    self, config: DecoderConfig, *fused: str
  ) -> tuple[Weight, ...]:
    """All weights of a block, given the axes of fused queries, keys, values."""
    weights = []
    for part, ours in enumerate(('query', 'key', 'value')):
      axes = tuple(
        'kv_heads' if axis == 'heads' and part else axis for axis in fused
      )
      weights += _linear(
        f'attention/{ours}',
        'attention.query_key_value',
        axes,
        ('embed',),
        config.qkv_bias,
        part,
      )
    for ours, theirs, rows, columns, bias in (
      (
        'attention/output',
        'attention.dense',
        ('embed',),
        ('heads', 'head_dim'),
        config.output_bias,
      ),
      ('mlp/up', 'mlp.dense_h_to_4h', ('mlp',), ('embed',), True),
      ('mlp/down', 'mlp.dense_4h_to_h', ('embed',), ('mlp',), True),
    ):
      weights += _linear(ours, theirs, rows, columns, bias)
    return (
      *weights,
      *_norm('attention_norm', 'input_layernorm'),
      *_norm('mlp_norm', 'post_attention_layernorm'),
    )


def _linear(
  path: str,
  name: str,
  rows: tuple[str, ...],
  columns: tuple[str, ...],
  bias: bool,
  part: int = 0,
) -> list[Weight]:
  num_parts = 3 if 'part' in rows else 1
  weights = [
    Weight(f'{path}/kernel', f'{name}.weight', (rows, columns), part, num_parts)
  ]
  if bias:
    weights.append(
      Weight(f'{path}/bias', f'{name}.bias', (rows,), part, num_parts)
    )
  return weights


def _norm(path: str, name: str) -> tuple[Weight, ...]:
  return (
    Weight(f'{path}/scale', f'{name}.weight', (('embed',),)),
    Weight(f'{path}/bias', f'{name}.bias', (('embed',),)),
  )
