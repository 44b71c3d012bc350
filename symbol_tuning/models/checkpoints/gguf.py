"""Models in GGUF, the file format of llama.cpp, in one file or several parts.

Weights are dequantized to float32. What the format changes is undone here: rows
of some families' query and key matrices are in another order (pairs of rotated
channels side by side), and Gemma's norms have the one added.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import jax
import numpy as np

from symbol_tuning.gguf_files import metadata, open_file, parts
from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import (
  gguf_header,
  parameter_specs,
  published,
)
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson, explained
from symbol_tuning.models.families.family import Family
from symbol_tuning.models.rotary import RopeScaling

LLAMA3_CONTEXT = 8192  # the original one of every Llama that scales RoPE


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
  kind = metadata(header, 'general.type', 'model')
  if kind != 'model':
    raise ValueError(f"general.type in {path} is {kind!r}; supported: 'model'.")
  architecture = metadata(header, gguf_header.ARCHITECTURE)
  family = families.of_gguf_architecture(architecture, path)
  tensors = {tensor.name: tensor for r in readers for tensor in r.tensors}
  with explained(path):
    fields = _fields(header, tensors, family, path)
  return family, families.decoder_config(fields | overrides, path)


def _fields(
  header: gguf.GGUFReader,
  tensors: Mapping[str, gguf.ReaderTensor],
  family: Family,
  path: str | Path,
) -> dict[str, Any]:
  """The fields of DecoderConfig that a file stands for."""
  said = family.gguf_values(gguf_header.config_values(header, tensors))
  values = gguf_header.Noted(family.defaults | said)
  fields = family.read_config(ConfigJson(values, path))
  gguf_header.check_all_is_read(header, values.asked, fields, path)
  if scaling := fields.get('rope_scaling'):
    factor = gguf_header.attention_factor(header, scaling)
    scaling = dataclasses.replace(scaling, attention_factor=factor)
    fields['rope_scaling'] = scaling
  if 'rope_freqs.weight' in tensors:
    divisors = _array(tensors['rope_freqs.weight'])
    fields['rope_scaling'] = _llama3_scaling(divisors, fields, path)
  return fields


def _llama3_scaling(
  divisors_R: np.ndarray, fields: Mapping[str, Any], path: str | Path
) -> RopeScaling:
  """The scaling of Llama 3.1 that gives the divisors which the file has.

  Raises:
    ValueError: there is none.
  """
  scaling = RopeScaling(
    'llama3', gguf_header.shortest(divisors_R.max()), LLAMA3_CONTEXT
  )
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
