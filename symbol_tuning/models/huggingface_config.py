"""What a Hugging Face config.json says of a model, read and written.

The names are those of `transformers`, in the form that its versions 4 and 5
both read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symbol_tuning.models import families
from symbol_tuning.models.config import DecoderConfig

GELU = 'gelu_pytorch_tanh'
LOCAL, GLOBAL = 'sliding_attention', 'full_attention'


def read(
  values: Mapping[str, Any], path: str | Path, **overrides: Any
) -> DecoderConfig:
  """The architecture that a file's values describe.

  Args:
    values: of config.json.
    path: of it, for messages.
    **overrides: DecoderConfig fields.

  Raises:
    ValueError: they ask for something that the decoder does not have.
  """
  readers = {
    families.LLAMA.model_type: _read_llama,
    families.GEMMA3.model_type: _read_gemma3,
  }
  model_type = values.get('model_type')
  if model_type not in readers:
    raise ValueError(
      f'model_type in {path} is {model_type!r}; only '
      f'{" and ".join(map(repr, readers))} are supported.'
    )
  fields = _read_common(values, path) | readers[model_type](values, path)
  return DecoderConfig(**fields | overrides)


def write(config: DecoderConfig) -> dict[str, Any]:
  """The values of a config.json for a decoder.

  Raises:
    ValueError: it is of no family that is known.
  """
  family = families.of_config(config)
  values = {
    'architectures': [family.architecture],
    'model_type': family.model_type,
    'vocab_size': config.vocab_size,
    'num_hidden_layers': config.num_layers,
    'hidden_size': config.embed_dim,
    'num_attention_heads': config.num_heads,
    'num_key_value_heads': config.num_kv_heads,
    'head_dim': config.head_dim,
    'intermediate_size': config.mlp_dim,
    'rms_norm_eps': config.norm_epsilon,
    'rope_theta': config.rope_base,
    'tie_word_embeddings': config.tied_embeddings,
    'max_position_embeddings': config.context_length,
    'attention_bias': False,
    'torch_dtype': config.param_dtype,
  }
  if family is families.GEMMA3:
    return values | _gemma3_values(config)
  return values | {'hidden_act': config.activation, 'mlp_bias': False}


def _gemma3_values(config: DecoderConfig) -> dict[str, Any]:
  return {
    'hidden_activation': GELU,
    'query_pre_attn_scalar': config.head_dim,
    'rope_local_base_freq': config.local_rope_base,
    'sliding_window': config.local_window,
    'sliding_window_pattern': config.global_every,
    'layer_types': _layer_types(config),
  }


def _read_common(values: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
  _check(values, path, 'attention_bias', False)
  num_heads = values['num_attention_heads']
  return {
    'vocab_size': values['vocab_size'],
    'num_layers': values['num_hidden_layers'],
    'embed_dim': values['hidden_size'],
    'num_heads': num_heads,
    'num_kv_heads': values.get('num_key_value_heads') or num_heads,
    'head_dim': values.get('head_dim') or values['hidden_size'] // num_heads,
    'mlp_dim': values['intermediate_size'],
    'norm_epsilon': values['rms_norm_eps'],
    'context_length': values.get('max_position_embeddings', 2048),
  }


def _read_llama(values: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
  _check(values, path, 'hidden_act', 'silu')
  _check(values, path, 'mlp_bias', False)
  rope = values.get('rope_parameters') or values.get('rope_scaling') or {}
  _check_rope(rope, path)
  return {
    'rope_base': rope.get('rope_theta', values.get('rope_theta', 10_000.0)),
    'tied_embeddings': values.get('tie_word_embeddings', False),
  }


def _read_gemma3(values: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
  _check(values, path, 'hidden_activation', GELU)
  _check(values, path, 'query_pre_attn_scalar', values['head_dim'])
  _check(values, path, 'tie_word_embeddings', True)
  _check(values, path, 'attn_logit_softcapping', None)
  _check(values, path, 'final_logit_softcapping', None)
  _check(values, path, 'use_bidirectional_attention', False)
  ropes = values.get('rope_parameters') or {}
  _check_rope(values.get('rope_scaling') or ropes.get(GLOBAL) or {}, path)
  _check_rope(ropes.get(LOCAL) or {}, path)
  fields = families.GEMMA3.fields | {
    'rope_base': ropes.get(GLOBAL, {}).get(
      'rope_theta', values.get('rope_theta', 1e6)
    ),
    'local_rope_base': ropes.get(LOCAL, {}).get(
      'rope_theta', values.get('rope_local_base_freq', 1e4)
    ),
    'local_window': values['sliding_window'],
    'global_every': _global_every(values),
  }
  config = DecoderConfig(**_read_common(values, path) | fields)
  _check(values, path, 'layer_types', _layer_types(config))
  return fields


def _global_every(values: Mapping[str, Any]) -> int:
  """The period of global layers, by any of the names it has had."""
  layer_types = values.get('layer_types') or ()
  if GLOBAL in layer_types:
    return layer_types.index(GLOBAL) + 1
  return (
    values.get('sliding_window_pattern')
    or values.get('_sliding_window_pattern')
    or 6
  )


def _layer_types(config: DecoderConfig) -> list[str]:
  local_layers = config.local_layers or (False,) * config.num_layers
  return [LOCAL if is_local else GLOBAL for is_local in local_layers]


def _check(
  values: Mapping[str, Any], path: str | Path, name: str, needed: Any
) -> None:
  """Raises ValueError if there is such a value, and another than needed."""
  value = values.get(name, needed)
  if value != needed:
    raise ValueError(
      f'{name} in {path} is {value!r}; only {needed!r} is supported.'
    )


def _check_rope(rope: Mapping[str, Any], path: str | Path) -> None:
  kind = rope.get('rope_type', rope.get('type', 'default'))
  _check({'rope_type': kind}, path, 'rope_type', 'default')
