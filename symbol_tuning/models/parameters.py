"""A decoder's parameters: fresh or from a checkpoint, their shapes and layout.

Parameters are plain nested dicts of arrays. With scanned layers every block
parameter is stacked on a leading axis under 'layers'; without, block i has its
own 'layers_i'.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from symbol_tuning import files
from symbol_tuning.models.checkpoints import (
  gguf,
  huggingface,
  native,
  tokenizer_files,
)
from symbol_tuning.models.checkpoints.slots import Slot
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

Params = Mapping[str, Any]


def init_params(
  model: Decoder, rng: jax.Array, shardings: Any = None
) -> dict[str, Any]:
  """Random parameters, made where `shardings` (a pytree like them) says."""
  init = jax.jit(
    lambda rng: nn.unbox(_init(model, rng)), out_shardings=shardings
  )
  return init(rng)


def load_params(
  path: str | os.PathLike, model: Decoder, shardings: Any = None
) -> dict[str, Any]:
  """Parameters from a checkpoint of any kind, told apart by what is there.

  Args:
    path: a MODEL_DIR (its newest checkpoint), one of its checkpoints/<step>, a
      Hugging Face folder with safetensors, a .safetensors or a .gguf file.
    model: what the parameters are for.
    shardings: a pytree like them; the first local device if None.

  Raises:
    FileNotFoundError: nothing is there, or nothing that is a checkpoint.
    ValueError: it is damaged, or of a model of another type or size.
  """
  path = files.path(path)
  slots = _slots(model, shardings)
  if not path.exists():
    raise FileNotFoundError(f'No checkpoint at {path}.')
  if path.suffix == '.gguf':
    flat = gguf.load(files.local_copy(path), model.config, slots)
  elif path.suffix == '.safetensors':
    copies = [files.local_copy(path)]
    flat = huggingface.load_files(copies, model.config, slots, path)
  elif path.is_dir() and (path / huggingface.CONFIG).exists():
    copies = files.local_folder(path, huggingface.FILES)
    flat = huggingface.load_folder(copies, model.config, slots)
  elif path.is_dir() and (state := native.find_state(path)):
    flat = native.load(state, slots)
  else:
    raise FileNotFoundError(
      f'{path} is no checkpoint: expected a MODEL_DIR with checkpoints/, one '
      'of its steps, a Hugging Face folder with config.json and safetensors, '
      'or a .safetensors or .gguf file.'
    )
  return traverse_util.unflatten_dict(flat, sep='/')


def read_config(path: str | os.PathLike, **overrides: Any) -> DecoderConfig:
  """The architecture that a .gguf file or a Hugging Face folder describes.

  Args:
    path: to the file or folder.
    **overrides: DecoderConfig fields, such as dtype.

  Raises:
    FileNotFoundError: nothing there says what the model is.
    ValueError: it is of a type that is not supported.
  """
  path = local_description(path)
  source = gguf if path.suffix == '.gguf' else huggingface
  return source.decoder_config(path, **overrides)


def local_description(path: str | os.PathLike) -> pathlib.Path:
  """What says which model and tokenizer it is, copied here from a bucket.

  Args:
    path: a .gguf file, or a Hugging Face folder, whose weights are not copied.
  """
  path = files.path(path)
  if path.suffix == '.gguf':
    return files.local_copy(path)
  return files.local_folder(path, tokenizer_files.DESCRIPTION)


def abstract_params(model: Decoder) -> dict[str, Any]:
  """The parameters as jax.ShapeDtypeStructs; allocates nothing."""
  # Under a mesh nn.unbox would constrain shardings, which shapes cannot have.
  return jax.tree.map(
    lambda box: box.value,
    _boxed_abstract_params(model),
    is_leaf=lambda x: isinstance(x, nn.meta.AxisMetadata),
  )


def logical_axes(model: Decoder) -> dict[str, Any]:
  """A PartitionSpec of logical axis names for each parameter."""
  return nn.get_partition_spec(_boxed_abstract_params(model))


def num_params(model: Decoder) -> int:
  """The number of scalars in the parameters; a tied embedding counts once."""
  return sum(x.size for x in jax.tree.leaves(abstract_params(model)))


def stack_layers(params: Params) -> dict[str, Any]:
  """From the layout of unscanned layers to that of scanned layers."""
  num_layers = sum(name.startswith('layers_') for name in params)
  blocks = [params[f'layers_{i}'] for i in range(num_layers)]
  rest = {k: v for k, v in params.items() if not k.startswith('layers_')}
  return {**rest, 'layers': jax.tree.map(lambda *x: jnp.stack(x), *blocks)}


def unstack_layers(params: Params) -> dict[str, Any]:
  """From the layout of scanned layers to that of unscanned layers."""
  rest = {k: v for k, v in params.items() if k != 'layers'}
  num_layers = jax.tree.leaves(params['layers'])[0].shape[0]
  blocks = {
    f'layers_{i}': jax.tree.map(lambda x, i=i: x[i], params['layers'])
    for i in range(num_layers)
  }
  return {**rest, **blocks}


def _slots(model: Decoder, shardings: Any) -> dict[str, Slot]:
  """What a checkpoint must fill, by path."""
  shapes = abstract_params(model)
  if shardings is None:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shardings = jax.tree.map(lambda _: device, shapes)
  shapes, axes, shardings = (
    traverse_util.flatten_dict(tree, sep='/')
    for tree in (shapes, logical_axes(model), shardings)
  )
  return {
    path: Slot(path, x.shape, x.dtype, tuple(axes[path]), shardings[path])
    for path, x in shapes.items()
  }


def _boxed_abstract_params(model: Decoder) -> dict[str, Any]:
  return jax.eval_shape(lambda: _init(model, jax.random.key(0)))


def _init(model: Decoder, rng: jax.Array) -> dict[str, Any]:
  """One token is read to make them, by attention that asks for no more."""
  config = dataclasses.replace(model.config, attention_implementation='xla')
  return Decoder(config).init(rng, jnp.zeros((1, 1), jnp.int32))['params']
