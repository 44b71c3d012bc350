"""Published weights of Llama and Gemma 3, in and out of this decoder's layout.

Hugging Face names are the common tongue: GGUF files are renamed to them first.
A published matrix is [outputs, inputs] with heads and channels flattened; ours
is [*inputs, *outputs] and, with scanned layers, stacked. Gemma's norms multiply
by 1 + scale; ours are kept with the one added.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from symbol_tuning.models.checkpoints import slots as slots_lib
from symbol_tuning.models.checkpoints.slots import Slot
from symbol_tuning.models.config import DecoderConfig


@dataclasses.dataclass(frozen=True)
class Weight:
  """A parameter and its published name.

  Attributes:
    path: ours, without the layer.
    name: the published one, without the layer.
    num_input_axes: of our kernel; zero for an array that is left as it is.
    offset: ours minus the published array.
  """

  path: str
  name: str
  num_input_axes: int = 0
  offset: float = 0.0


@dataclasses.dataclass(frozen=True)
class Family:
  """Models whose weights are published under the same names.

  Attributes:
    name: of the family.
    model_type: Hugging Face's name for it.
    architecture: the class of `transformers` that is such a model.
    gguf_architecture: llama.cpp's name for it.
    final_norm: the last norm.
    block: the weights of a layer.
    fields: of DecoderConfig that its models need, beside `COMMON_FIELDS`.
  """

  name: str
  model_type: str
  architecture: str
  gguf_architecture: str
  final_norm: Weight
  block: tuple[Weight, ...]
  fields: Mapping[str, Any]


EMBEDDING = Weight('token_embedding/embedding', 'model.embed_tokens')
UNEMBEDDING = Weight('unembedding/embedding', 'lm_head')
MATRICES = (
  Weight('attention/query/kernel', 'self_attn.q_proj', 1),
  Weight('attention/key/kernel', 'self_attn.k_proj', 1),
  Weight('attention/value/kernel', 'self_attn.v_proj', 1),
  Weight('attention/output/kernel', 'self_attn.o_proj', 2),
  Weight('mlp/gate/kernel', 'mlp.gate_proj', 1),
  Weight('mlp/up/kernel', 'mlp.up_proj', 1),
  Weight('mlp/down/kernel', 'mlp.down_proj', 1),
)
LLAMA = Family(
  name='Llama',
  model_type='llama',
  architecture='LlamaForCausalLM',
  gguf_architecture='llama',
  final_norm=Weight('final_norm/scale', 'model.norm'),
  block=(
    *MATRICES,
    Weight('attention_norm/scale', 'input_layernorm'),
    Weight('mlp_norm/scale', 'post_attention_layernorm'),
  ),
  fields={
    'activation': 'silu',
    'qk_norm': False,
    'post_norms': False,
    'scaled_embeddings': False,
    'local_window': 0,
  },
)
GEMMA3 = Family(
  name='Gemma 3',
  model_type='gemma3_text',
  architecture='Gemma3ForCausalLM',
  gguf_architecture='gemma3',
  final_norm=Weight('final_norm/scale', 'model.norm', offset=1.0),
  block=(
    *MATRICES,
    *(
      Weight(f'{ours}/scale', theirs, offset=1.0)
      for ours, theirs in (
        ('attention_norm', 'input_layernorm'),
        ('attention_post_norm', 'post_attention_layernorm'),
        ('mlp_norm', 'pre_feedforward_layernorm'),
        ('mlp_post_norm', 'post_feedforward_layernorm'),
        ('attention/query_norm', 'self_attn.q_norm'),
        ('attention/key_norm', 'self_attn.k_norm'),
      )
    ),
  ),
  fields={
    'activation': 'gelu',
    'qk_norm': True,
    'post_norms': True,
    'scaled_embeddings': True,
    'tied_embeddings': True,
  },
)
FAMILIES = (LLAMA, GEMMA3)
COMMON_FIELDS = {
  'parallel_block': False,
  'norm': 'rms',
  'scaled_logits': False,
  'conv_width': 0,
}


def of_config(config: DecoderConfig) -> Family:
  """The family a decoder belongs to.

  Raises:
    ValueError: none has weights for it.
  """
  family = GEMMA3 if config.post_norms else LLAMA
  for name, needed in (COMMON_FIELDS | family.fields).items():
    value = getattr(config, name)
    if value != needed:
      raise ValueError(
        'Only models like Llama or Gemma 3 have a Hugging Face or GGUF form '
        f'here; DecoderConfig.{name} is {value!r}, {family.name} needs '
        f'{needed!r}.'
      )
  return family


def read(
  tensors: Mapping[str, np.ndarray],
  config: DecoderConfig,
  slots: Mapping[str, Slot],
  source: Any,
) -> dict[str, jax.Array]:
  """Fills the slots from published tensors.

  Args:
    tensors: by Hugging Face name; read one parameter at a time.
    config: of the model that the slots belong to.
    slots: by path.
    source: what the tensors were read from, for messages.

  Raises:
    ValueError: a tensor is missing, left over or of another shape.
  """
  weights = dict(_weights(config))
  names = {name for _, names in weights.values() for name in names}
  slots_lib.check_names(source, set(tensors), names)
  params = {}
  for path, (weight, names) in weights.items():
    slot = slots[path]
    stacked = slot.axes[0] == 'layers'
    shape, axes = slot.shape[stacked:], slot.axes[stacked:]
    arrays = (
      _import(tensors[name], weight, shape, axes, f'{name} in {source}')
      for name in names
    )
    params[path] = slot.place(_stack(arrays, slot) if stacked else next(arrays))
  return params


def write(
  params: Mapping[str, jax.Array], config: DecoderConfig
) -> dict[str, np.ndarray]:
  """Published tensors by Hugging Face name, from parameters by path."""
  tensors = {}
  for path, (weight, names) in _weights(config):
    array = np.asarray(params[path])
    arrays = array if path.startswith('layers/') else [array]
    for name, array in zip(names, arrays, strict=True):
      tensors[name] = _export(array, weight)
  return tensors


def _weights(
  config: DecoderConfig,
) -> Iterator[tuple[str, tuple[Weight, list[str]]]]:
  """Each parameter's path, and the published tensors it is made of."""
  family = of_config(config)
  for weight in (EMBEDDING, family.final_norm):
    yield weight.path, (weight, [f'{weight.name}.weight'])
  if not config.tied_embeddings:
    yield UNEMBEDDING.path, (UNEMBEDDING, [f'{UNEMBEDDING.name}.weight'])
  for weight in family.block:
    names = [
      f'model.layers.{i}.{weight.name}.weight' for i in range(config.num_layers)
    ]
    if config.scan_layers:
      yield f'layers/{weight.path}', (weight, names)
    else:
      for i, name in enumerate(names):
        yield f'layers_{i}/{weight.path}', (weight, [name])


def _import(
  array: np.ndarray,
  weight: Weight,
  shape: tuple[int, ...],
  axes: tuple[str, ...],
  name: str,
) -> np.ndarray:
  """One published tensor as our parameter of the given shape and axes."""
  n = weight.num_input_axes
  if not n:
    groups, published = [(axis,) for axis in axes], shape
  else:
    groups = [axes[n:], axes[:n]]
    published = math.prod(shape[n:]), math.prod(shape[:n])
  slots_lib.check_shape(name, array.shape, published, groups)
  if n:
    return array.T.reshape(shape)
  if weight.offset:
    return array.astype(np.float32) + weight.offset
  return array


def _stack(arrays: Iterable[np.ndarray], slot: Slot) -> np.ndarray:
  """What fills a slot, of one layer's array after the other."""
  stack = np.empty(slot.shape, slot.dtype)
  for layer, array in zip(stack, arrays, strict=True):
    layer[...] = array
  return stack


def _export(array: np.ndarray, weight: Weight) -> np.ndarray:
  n = weight.num_input_axes
  if weight.offset:
    return (array.astype(np.float32) - weight.offset).astype(array.dtype)
  if not n:
    return array
  matrix = array.reshape(math.prod(array.shape[:n]), -1)
  return np.ascontiguousarray(matrix.T)
