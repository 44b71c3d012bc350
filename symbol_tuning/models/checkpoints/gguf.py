"""Models in GGUF, the file format of llama.cpp, in one file or several parts.

Weights are dequantized to float32. What the format changes is undone here: rows
of some families' query and key matrices are in another order (pairs of rotated
channels side by side), and Gemma's norms have the one added.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import jax
import numpy as np

from symbol_tuning.gguf_files import metadata, open_file, parts
from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import parameter_specs, published
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson
from symbol_tuning.models.families.family import Family
from symbol_tuning.models.rotary import RopeScaling

LLAMA3_CONTEXT = 8192  # the original one of every Llama that scales RoPE

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
  'rope.scaling.original_context_length': 'original_max_position_embeddings',
  'attn_logit_softcapping': 'attn_logit_softcapping',
  'final_logit_softcapping': 'final_logit_softcapping',
  'embedding_scale': 'embedding_multiplier',
  'residual_scale': 'residual_multiplier',
  'logit_scale': 'logits_scaling',
  'use_parallel_residual': 'use_parallel_residual',
}


def describe(
  path: str | Path, **overrides: Any
) -> tuple[Family, DecoderConfig]:
  """The family of a file's model, and its architecture.

  Args:
    path: of any part of the file.
    **overrides: DecoderConfig fields.

  Raises:
    FileNotFoundError: the file, or a part of it, is missing.
    ValueError: the file's model is of no family that is known.
  """
  return _describe([open_file(part) for part in parts(path)], path, **overrides)


def load(
  path: str | Path,
  config: DecoderConfig,
  specs: Mapping[str, ParameterSpec],
) -> dict[str, jax.Array]:
  """The parameters of a file, by path; errors as `published.read`."""
  readers = [open_file(part) for part in parts(path)]
  family, found = _describe(readers, path)
  parameter_specs.check_config(path, found, config)
  sources = published.sources(family, specs)
  tensors = _named_tensors(readers, family, sources, config)
  return published.read(tensors, sources, path)


def _describe(
  readers: list[gguf.GGUFReader], path: str | Path, **overrides: Any
) -> tuple[Family, DecoderConfig]:
  header = readers[0]
  architecture = metadata(header, 'general.architecture')
  family = families.of_gguf_architecture(architecture, path)
  tensors = {tensor.name: tensor for r in readers for tensor in r.tensors}
  values = family.gguf_values(_values(header, tensors))
  fields = family.read_config(ConfigJson(family.defaults | values, path))
  if 'rope_freqs.weight' in tensors:
    divisors = _array(tensors['rope_freqs.weight'])
    fields['rope_scaling'] = _llama3_scaling(divisors, fields, path)
  return family, DecoderConfig(**fields | overrides)


def _values(
  header: gguf.GGUFReader, tensors: Mapping[str, Any]
) -> dict[str, Any]:
  """The header as a config.json would say it."""
  architecture = metadata(header, 'general.architecture')

  def number(key: str) -> Any:
    value = metadata(header, f'{architecture}.{key}')
    return _shortest(value) if isinstance(value, float) else value

  values = {theirs: number(key) for key, theirs in NUMBERS.items()}
  values = {name: value for name, value in values.items() if value is not None}
  if 'head_dim' not in values:
    width, heads = values['hidden_size'], values['num_attention_heads']
    values['head_dim'] = width // heads
  rotated = number('rope.dimension_count') or values['head_dim']
  has_biases = 'blk.0.attn_q.bias' in tensors
  return values | {
    'vocab_size': int(tensors['token_embd.weight'].shape[-1]),
    'tie_word_embeddings': 'output.weight' not in tensors,
    'attention_bias': has_biases or 'blk.0.attn_qkv.bias' in tensors,
    'mlp_bias': 'blk.0.ffn_down.bias' in tensors,
    'partial_rotary_factor': rotated / values['head_dim'],
    'sliding_window': values.get('sliding_window') or None,
    'rope_scaling': _scaling_values(number, tensors),
  }


def _scaling_values(
  number: Any, tensors: Mapping[str, Any]
) -> dict[str, Any] | None:
  """The rope_scaling of a config.json; None if RoPE is not scaled."""
  values = {
    'rope_type': number('rope.scaling.type') or 'default',
    'factor': number('rope.scaling.factor'),
  }
  if 'rope_factors_long.weight' in tensors:
    values |= {
      'rope_type': 'longrope',
      'long_factor': _decimals(tensors['rope_factors_long.weight']),
      'short_factor': _decimals(tensors['rope_factors_short.weight']),
    }
  if values['rope_type'] in ('none', 'default'):
    return None
  return {name: value for name, value in values.items() if value is not None}


def _llama3_scaling(
  divisors_R: np.ndarray, fields: Mapping[str, Any], path: str | Path
) -> RopeScaling:
  """The scaling of Llama 3.1 that gives the divisors which the file has.

  Raises:
    ValueError: there is none.
  """
  scaling = RopeScaling('llama3', _shortest(divisors_R.max()), LLAMA3_CONTEXT)
  rotary_dim = fields['rotary_dim'] or fields['head_dim']
  expected_R = scaling.divisors(rotary_dim, fields['rope_base'], 0)
  if expected_R.shape != divisors_R.shape or not np.allclose(
    divisors_R, expected_R, rtol=1e-4
  ):
    raise ValueError(
      f'rope_freqs.weight in {path} scales RoPE in another way than Llama 3.1, '
      'which is not supported; use the safetensors of the model.'
    )
  return scaling


def _decimals(tensor: gguf.ReaderTensor) -> list[float]:
  return [_shortest(value) for value in _array(tensor)]


def _shortest(value: float) -> float:
  """The decimal that was meant by a float32: 1e-05, not 9.99999974e-06."""
  return float(str(np.float32(value)))


def _array(tensor: gguf.ReaderTensor) -> np.ndarray:
  return gguf.dequantize(tensor.data, tensor.tensor_type)


def _named_tensors(
  readers: list[gguf.GGUFReader],
  family: Family,
  sources: Mapping[str, published.Source],
  config: DecoderConfig,
) -> dict[str, '_Tensor']:
  """The tensors under Hugging Face's names; unknown ones keep their own."""
  [architecture] = (
    key
    for key, name in gguf.MODEL_ARCH_NAMES.items()
    if name == family.gguf_architecture
  )
  names = gguf.get_tensor_name_map(architecture, config.num_layers)
  published_names = {
    names.get_name(name, try_suffixes=('.weight', '.bias')): name
    for source in sources.values()
    for name in source.names
  }
  ignored = ('rope_freqs.', 'rope_factors_long.', 'rope_factors_short.')
  return {
    published_names.get(tensor.name, tensor.name): _Tensor(
      tensor, family, config
    )
    for reader in readers
    for tensor in reader.tensors
    if not tensor.name.startswith(ignored)
  }


class _Tensor:
  """A tensor of a GGUF file, dequantized and put in order when it is sliced."""

  def __init__(
    self, tensor: gguf.ReaderTensor, family: Family, config: DecoderConfig
  ):
    self._tensor = tensor
    self._family = family
    self._config = config
    self.shape = tuple(int(size) for size in reversed(tensor.shape))

  def __getitem__(self, index: Any) -> np.ndarray:
    array = _array(self._tensor).reshape(self.shape)
    name = self._tensor.name
    if self._family.gguf_adds_one and 'norm' in name:
      array = array - 1
    if self._family.gguf_pairs_channels:
      if '.attn_q.' in name:
        array = _unpaired(array, self._config.num_heads)
      elif '.attn_k.' in name:
        array = _unpaired(array, self._config.num_kv_heads)
    return array[index]


def _unpaired(array: np.ndarray, num_heads: int) -> np.ndarray:
  """Rows (head, pair, half) → (head, half, pair)."""
  shape = num_heads, -1, 2, *array.shape[1:]
  return array.reshape(shape).swapaxes(1, 2).reshape(array.shape)
