"""Models like Llama and Gemma 3 in GGUF, the single-file format of llama.cpp.

Weights are dequantized to float32. What the format changes is undone here: rows
of Llama's query and key matrices are in another order (pairs of rotated
channels side by side), and Gemma's norms have the one added.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import jax
import numpy as np

from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import slots as slots_lib
from symbol_tuning.models.checkpoints.slots import Slot
from symbol_tuning.models.config import DecoderConfig

FAMILIES = {family.gguf_architecture: family for family in families.FAMILIES}

NAMES = {
  'token_embd': 'model.embed_tokens',
  'output_norm': 'model.norm',
  'output': 'lm_head',
  'attn_norm': 'input_layernorm',
  'attn_q': 'self_attn.q_proj',
  'attn_k': 'self_attn.k_proj',
  'attn_v': 'self_attn.v_proj',
  'attn_output': 'self_attn.o_proj',
  'ffn_gate': 'mlp.gate_proj',
  'ffn_up': 'mlp.up_proj',
  'ffn_down': 'mlp.down_proj',
}
NAMES_OF_NORMS = {
  families.LLAMA.gguf_architecture: {'ffn_norm': 'post_attention_layernorm'},
  families.GEMMA3.gguf_architecture: {
    'ffn_norm': 'pre_feedforward_layernorm',
    'post_attention_norm': 'post_attention_layernorm',
    'post_ffw_norm': 'post_feedforward_layernorm',
    'attn_q_norm': 'self_attn.q_norm',
    'attn_k_norm': 'self_attn.k_norm',
  },
}


def open_file(path: str | Path) -> gguf.GGUFReader:
  """Opens a GGUF file; its tensors are mapped, not read.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is not GGUF, or cut short.
  """
  if not Path(path).is_file():
    raise FileNotFoundError(f'No GGUF file at {path}.')
  try:
    return gguf.GGUFReader(path)
  except (ValueError, IndexError, KeyError) as error:
    raise ValueError(
      f'{path} is not a whole GGUF file ({error}); fetch it again.'
    ) from error


def metadata(reader: gguf.GGUFReader, key: str, default: Any = None) -> Any:
  """The value under a key of the file's header."""
  field = reader.get_field(key)
  return default if field is None else field.contents()


def decoder_config(path: str | Path, **overrides: Any) -> DecoderConfig:
  """The architecture a file describes; `overrides` are DecoderConfig fields.

  Raises:
    ValueError: the file's model is of no family that is known.
  """
  return _decoder_config(open_file(path), path, **overrides)


def load(
  path: str | Path, config: DecoderConfig, slots: Mapping[str, Slot]
) -> dict[str, jax.Array]:
  """Fills the slots of a model from a file; errors as `families.read`."""
  reader = open_file(path)
  slots_lib.check_config(path, _decoder_config(reader, path), config)
  return families.read(_Tensors(reader, config), config, slots, path)


def _decoder_config(
  reader: gguf.GGUFReader, path: str | Path, **overrides: Any
) -> DecoderConfig:
  architecture = metadata(reader, 'general.architecture')
  if architecture not in FAMILIES:
    raise ValueError(
      f'{path} holds a model of architecture {architecture!r}; only '
      f'{" and ".join(map(repr, FAMILIES))} can be read.'
    )
  shapes = {tensor.name: tensor.shape for tensor in reader.tensors}
  if (
    'rope_freqs.weight' in shapes
    or metadata(reader, f'{architecture}.rope.scaling.type', 'none') != 'none'
  ):
    raise ValueError(f'{path} scales its RoPE, which is not supported.')

  def number(key: str) -> Any:
    return metadata(reader, f'{architecture}.{key}')

  num_heads = number('attention.head_count')
  embed_dim = number('embedding_length')
  values = {
    'vocab_size': int(shapes['token_embd.weight'][-1]),
    'num_layers': number('block_count'),
    'embed_dim': embed_dim,
    'num_heads': num_heads,
    'num_kv_heads': number('attention.head_count_kv') or num_heads,
    'head_dim': number('attention.key_length') or embed_dim // num_heads,
    'mlp_dim': number('feed_forward_length'),
    'norm_epsilon': _shortest(number('attention.layer_norm_rms_epsilon')),
    'rope_base': number('rope.freq_base') or 10_000.0,
    'tied_embeddings': 'output.weight' not in shapes,
    'context_length': number('context_length'),
    'local_window': number('attention.sliding_window') or 0,
  }
  return DecoderConfig(**values | FAMILIES[architecture].fields | overrides)


def _shortest(value: float) -> float:
  """The decimal that was meant by a float32: 1e-05, not 9.99999974e-06."""
  return float(str(np.float32(value)))


class _Tensors(Mapping[str, np.ndarray]):
  """The file's tensors under Hugging Face names, dequantized when asked for."""

  def __init__(self, reader: gguf.GGUFReader, config: DecoderConfig):
    self._config = config
    self._family = families.of_config(config)
    names = NAMES | NAMES_OF_NORMS[self._family.gguf_architecture]
    self._tensors = {_published(t.name, names): t for t in reader.tensors}

  def __getitem__(self, name: str) -> np.ndarray:
    tensor = self._tensors[name]
    array = gguf.dequantize(tensor.data, tensor.tensor_type)
    if self._family is families.GEMMA3:
      return array - 1 if 'norm.' in name else array
    if '.q_proj.' in name:
      return _unpermuted(array, self._config.num_heads)
    if '.k_proj.' in name:
      return _unpermuted(array, self._config.num_kv_heads)
    return array

  def __iter__(self) -> Iterator[str]:
    return iter(self._tensors)

  def __len__(self) -> int:
    return len(self._tensors)


def _published(name: str, names: Mapping[str, str]) -> str:
  """'blk.3.attn_q.weight' → 'model.layers.3.self_attn.q_proj.weight'."""
  stem, _, suffix = name.rpartition('.')
  block = re.fullmatch(r'blk\.(\d+)\.(\w+)', stem)
  if block is None:
    return f'{names.get(stem, stem)}.{suffix}'
  index, stem = block.groups()
  return f'model.layers.{index}.{names.get(stem, stem)}.{suffix}'


def _unpermuted(array: np.ndarray, num_heads: int) -> np.ndarray:
  """Rows (head, pair, half) → (head, half, pair)."""
  shape = num_heads, -1, 2, array.shape[-1]
  return array.reshape(shape).swapaxes(1, 2).reshape(array.shape)
