"""The header of a GGUF file, as the config.json of the same model.

A key that is not read may change what the model computes, as llama.cpp does
what a header says: it is refused, unless it is known to change nothing.
"""

import math
from collections.abc import Mapping, Set
from typing import Any

import gguf
import numpy as np

from symbol_tuning.gguf_files import metadata
from symbol_tuning.models.rotary import RopeScaling

ARCHITECTURE = 'general.architecture'

# llama.cpp's name, after the architecture's → Hugging Face's.
NUMBERS = {
  'block_count': 'num_hidden_layers',
  'context_length': 'max_position_embeddings',
  'embedding_length': 'hidden_size',
  'feed_forward_length': 'intermediate_size',
  'attention.head_count': 'num_attention_heads',
  'attention.head_count_kv': 'num_key_value_heads',
  'attention.key_length': 'head_dim',
  'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
  'attention.layer_norm_epsilon': 'layer_norm_eps',
  'attention.sliding_window': 'sliding_window',
  'attention.scale': 'attention_multiplier',
  'rope.freq_base': 'rope_theta',
  'rope.freq_base_swa': 'rope_local_base_freq',
  'rope.scaling.original_context_length': 'original_max_position_embeddings',
  'rope.scaling.finetuned': 'rope_finetuned',
  'attn_logit_softcapping': 'attn_logit_softcapping',
  'final_logit_softcapping': 'final_logit_softcapping',
  'embedding_scale': 'embedding_multiplier',
  'residual_scale': 'residual_multiplier',
  'logit_scale': 'logits_scaling',
  'use_parallel_residual': 'use_parallel_residual',
}
PATTERN = 'attention.sliding_window_pattern'
ROTATED = 'rope.dimension_count'
# Of scaled RoPE: by how much, the second is an older name; what else is read of
# YaRN, and its name in rope_scaling; and by kind, where it says by what queries
# and keys are multiplied.
FACTORS = ('rope.scaling.factor', 'rope.scale_linear')
YARN = {
  'rope.scaling.yarn_beta_fast': 'beta_fast',
  'rope.scaling.yarn_beta_slow': 'beta_slow',
}
ATTENTION_FACTOR = {
  'yarn': 'rope.scaling.yarn_attn_factor',
  'longrope': 'rope.scaling.attn_factor',
}

# What changes nothing that a decoder of ours computes.
HARMLESS = frozenset(
  (
    'vocab_size',  # the embedding has as many rows as it has
    'tensor_data_layout',
    'pooling_type',
    'attention.layer_norm_epsilon',  # of norms that the architecture lacks
    'attention.layer_norm_rms_epsilon',
    'expert_feed_forward_length',  # of experts, which would have tensors
    'expert_shared_feed_forward_length',
    'rope.scaling.type',
    'rope.scaling.original_context_length',
    'rope.scaling.finetuned',
  )
)
# Values that mean as little as no value; of other keys, what is 0 or false.
NOTHING: dict[str, tuple[Any, ...]] = {
  'attention.causal': (True,),
  'rope.scaling.yarn_ext_factor': (1,),
  'rope.scaling.yarn_beta_fast': (32,),
  'rope.scaling.yarn_beta_slow': (1,),
} | dict.fromkeys(
  (
    'embedding_scale',
    'residual_scale',
    'logit_scale',
    'attention.output_scale',
    'rope.scaling.attn_factor',
    'rope.scaling.yarn_attn_factor',
    *FACTORS,
  ),
  (0, 1),
)


class Noted(dict[str, Any]):
  """Values that keep the names under which they were asked for.

  Attributes:
    asked: the names.
  """

  def __init__(self, values: Mapping[str, Any]):
    super().__init__(values)
    self.asked: set[str] = set()

  def __getitem__(self, name: str) -> Any:
    self.asked.add(name)
    return super().__getitem__(name)

  def get(self, name: str, default: Any = None) -> Any:
    self.asked.add(name)
    return super().get(name, default)


def config_values(
  header: gguf.GGUFReader, tensors: Mapping[str, gguf.ReaderTensor]
) -> dict[str, Any]:
  """What the config.json of the model says, under Llama's names.

  Args:
    header: the first part of the file.
    tensors: of all parts, by name.
  """
  values = {theirs: number(header, key) for key, theirs in NUMBERS.items()}
  pattern = number(header, PATTERN)
  if isinstance(pattern, list):
    kinds = {True: 'sliding_attention', False: 'full_attention'}
    values['layer_types'] = [kinds[bool(is_local)] for is_local in pattern]
  else:
    values['sliding_window_pattern'] = pattern
  values = {name: value for name, value in values.items() if value is not None}
  if 'head_dim' not in values:
    width, heads = values['hidden_size'], values['num_attention_heads']
    values['head_dim'] = width // heads
  rotated = number(header, ROTATED)
  rotated = values['head_dim'] if rotated is None else rotated
  has_biases = 'blk.0.attn_q.bias' in tensors
  return values | {
    'vocab_size': int(tensors['token_embd.weight'].shape[-1]),
    'tie_word_embeddings': 'output.weight' not in tensors,
    'attention_bias': has_biases or 'blk.0.attn_qkv.bias' in tensors,
    'mlp_bias': 'blk.0.ffn_down.bias' in tensors,
    'partial_rotary_factor': rotated / values['head_dim'],
    'sliding_window': values.get('sliding_window') or None,
    'rope_scaling': _scaling_values(header, tensors),
  }


def check_all_is_read(
  header: gguf.GGUFReader,
  asked: Set[str],
  fields: Mapping[str, Any],
  path: Any,
) -> None:
  """Checks that nothing of a header was left out that changes the model.

  Args:
    header: the first part of the file.
    asked: what was asked for of `config_values`.
    fields: of DecoderConfig, which were made of it.
    path: of the file, for the error.

  Raises:
    ValueError: something was.
  """
  scaling = fields.get('rope_scaling')
  read = _keys_read(header, asked, scaling.kind if scaling else 'none')
  nothing = NOTHING | {
    'attention.value_length': (fields['head_dim'],),
    'attention.head_count_kv': (fields['num_kv_heads'],),
  }
  architecture = metadata(header, ARCHITECTURE)
  unread = {}
  for name, field in header.fields.items():
    key = name.removeprefix(f'{architecture}.')
    if key == name or key in read or key in HARMLESS:
      continue
    value = field.contents()
    items = value if isinstance(value, list) else [value]
    if not (value in nothing[key] if key in nothing else not any(items)):
      unread[name] = value
  if unread:
    said = ', '.join(f'{name} = {x!r:.30}' for name, x in unread.items())
    raise ValueError(
      f'{path} says {said}, which is not read of GGUF files of this kind: use '
      'the safetensors of the model.'
    )


def attention_factor(header: gguf.GGUFReader, scaling: RopeScaling) -> float:
  """By what rotated queries and keys are multiplied, as the header says.

  Args:
    header: the first part of the file.
    scaling: as `config_values` has it, which leaves that out.
  """
  key = ATTENTION_FACTOR.get(scaling.kind)
  said = number(header, key) if key else None
  if said is None or math.isclose(said, scaling.attention_factor, rel_tol=1e-6):
    return scaling.attention_factor  # not rounded to float32
  return said


def number(header: gguf.GGUFReader, key: str) -> Any:
  """The value of a key of the architecture; None if there is none."""
  architecture = metadata(header, ARCHITECTURE)
  value = metadata(header, f'{architecture}.{key}')
  return shortest(value) if isinstance(value, float) else value


def shortest(value: float) -> float:
  """The decimal that was meant by a float32: 1e-05, not 9.99999974e-06."""
  return float(str(np.float32(value)))


def _scaling_values(
  header: gguf.GGUFReader, tensors: Mapping[str, gguf.ReaderTensor]
) -> dict[str, Any] | None:
  """The rope_scaling of a config.json; None if RoPE is not scaled."""
  if 'rope_factors_long.weight' in tensors:
    return {
      'rope_type': 'longrope',
      'long_factor': _decimals(tensors['rope_factors_long.weight']),
      'short_factor': _decimals(tensors['rope_factors_short.weight']),
    }
  kind = number(header, 'rope.scaling.type')
  said = (number(header, key) for key in FACTORS)
  factor = next((x for x in said if x is not None), None)
  if kind in (None, 'linear'):  # which is what llama.cpp assumes
    kind = 'none' if factor in (None, 0, 1) else 'linear'
  if kind == 'none':
    return None
  values = {theirs: number(header, key) for key, theirs in YARN.items()}
  values |= {'rope_type': kind, 'factor': factor}
  return {name: value for name, value in values.items() if value is not None}


def _keys_read(
  header: gguf.GGUFReader, asked: Set[str], scaling: str
) -> set[str]:
  """The keys, without the architecture, of which something was asked for."""
  of_each = isinstance(number(header, PATTERN), list)
  names = NUMBERS | {
    ROTATED: 'partial_rotary_factor',
    PATTERN: 'layer_types' if of_each else 'sliding_window_pattern',
  }
  read = {key for key, name in names.items() if name in asked}
  if scaling in ('none', 'linear', 'yarn'):
    read |= {*FACTORS}
  if scaling == 'yarn':
    read |= {*YARN}
  return read | {ATTENTION_FACTOR.get(scaling, '')}


def _decimals(tensor: gguf.ReaderTensor) -> list[float]:
  array = gguf.dequantize(tensor.data, tensor.tensor_type)
  return [shortest(value) for value in array]
