"""A decoder's parameters: fresh or from a checkpoint, their shapes and layout.

Parameters are plain nested dicts of arrays. With scanned layers every block
parameter is stacked on a leading axis under 'layers'; without, block i has its
own 'layers_i'.
"""

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from symbol_tuning import files, gguf_files, hub
from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import (
  gguf,
  huggingface,
  native,
  published,
  safetensors_files,
  steps,
)
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec
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
    path: a MODEL_DIR (its newest whole checkpoint), one of its
      checkpoints/<step>, a Hugging Face folder with safetensors, a .safetensors
      file, a .gguf file (any part of it), or a name on the Hugging Face hub, as
      owner/model.
    model: what the parameters are for.
    shardings: a pytree like them; the first local device if None.

  Raises:
    FileNotFoundError: nothing is there, or nothing that is a checkpoint.
    ValueError: it is damaged, of another model, or one of two in a folder.
  """
  path = hub.resolve(path)
  specs = parameter_specs(model, shardings)
  config = model.config
  if not path.exists():
    raise FileNotFoundError(f'No checkpoint at {path}.')
  if path.suffix == '.gguf':
    flat = gguf.load(gguf_files.local_copy(path), config, specs)
  elif path.suffix == '.safetensors':
    copy = files.local_copy(path)
    family = families.of_decoder(config)
    flat = huggingface.load_files([copy], family, specs, path)
  else:
    flat = _load_folder(path, config, specs)
  return traverse_util.unflatten_dict(flat, sep='/')


def _load_folder(
  path: files.Path, config: DecoderConfig, specs: Mapping[str, ParameterSpec]
) -> dict[str, jax.Array]:
  """The parameters in a folder of either kind, by path."""
  is_described = (path / huggingface.CONFIG).exists()
  if is_described and not steps.held_in(path):
    copy = files.local_folder(path, huggingface.FILES)
    return huggingface.load_folder(copy, config, specs)
  if path.is_dir() and (chosen := steps.choose(path)):
    chosen.say()
    return native.load(chosen.state, config, specs)
  raise FileNotFoundError(
    f'{path} is no checkpoint: expected a MODEL_DIR with checkpoints/, one '
    'of its steps, a Hugging Face folder with config.json and safetensors, '
    'or a .safetensors or .gguf file.'
  )


def read_config(path: str | os.PathLike, **overrides: Any) -> DecoderConfig:
  """The architecture that a model's own files describe.

  Args:
    path: a Hugging Face folder or its config.json, a .gguf file, or a name on
      the hub.
    **overrides: DecoderConfig fields, such as dtype.

  Raises:
    FileNotFoundError: nothing there says what the model is.
    ValueError: it is of a family that is not supported, or asks for something
      that the decoder does not have.
  """
  return _describe(path, **overrides)[1]


def read_family(path: str | os.PathLike) -> families.Family:
  """The family of the model there; arguments and errors as `read_config`."""
  return _describe(path)[0]


def _describe(
  path: str | os.PathLike, **overrides: Any
) -> tuple[families.Family, DecoderConfig]:
  path = hub.local_description(path)
  source = gguf if path.suffix == '.gguf' else huggingface
  return source.describe(path, **overrides)


def export(
  params: Params,
  config: DecoderConfig,
  folder: str | os.PathLike,
  family: families.Family | None = None,
  extra_values: Mapping[str, Any] | None = None,
  shard_bytes: int = safetensors_files.SHARD_BYTES,
) -> None:
  """Writes the config.json and weights that transformers opens.

  Args:
    params: nested, as `load_params` gives them.
    config: of their model.
    folder: is made if it is not there; what is in it is replaced.
    family: as which to write them; the first that has such a decoder if None.
    extra_values: of config.json, such as the ids of special tokens.
    shard_bytes: at most so many are in a file.

  Raises:
    ValueError: no family has such a decoder.
  """
  if family is None or families.differences(family, config):
    family = families.of_decoder(config)
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  # Written last: without it, half of an export is no model.
  (folder / huggingface.CONFIG).unlink(missing_ok=True)
  specs = parameter_specs(Decoder(config))
  sources = published.sources(family, specs, family.fused_by_head)
  item = np.dtype(config.param_dtype).itemsize
  safetensors_files.write(
    published.write(traverse_util.flatten_dict(params, sep='/'), sources),
    {x: item * math.prod(y) for x, y in published.shapes(sources).items()},
    folder,
    shard_bytes,
  )
  values = families.write_config(config, family) | dict(extra_values or {})
  text = json.dumps(values, indent=2, sort_keys=True)
  files.write_text(folder / huggingface.CONFIG, f'{text}\n')


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


def parameter_specs(
  model: Decoder, shardings: Any = None
) -> dict[str, ParameterSpec]:
  """What a checkpoint must provide, by path.

  Args:
    model: what the parameters are for.
    shardings: a pytree like them; the first local device if None.
  """
  shapes = abstract_params(model)
  if shardings is None:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shardings = jax.tree.map(lambda _: device, shapes)
  shapes, axes, shardings = (
    traverse_util.flatten_dict(tree, sep='/')
    for tree in (shapes, logical_axes(model), shardings)
  )
  return {
    path: ParameterSpec(
      path, x.shape, x.dtype, tuple(axes[path]), shardings[path]
    )
    for path, x in shapes.items()
  }


def _boxed_abstract_params(model: Decoder) -> dict[str, Any]:
  return jax.eval_shape(lambda: _init(model, jax.random.key(0)))


def _init(model: Decoder, rng: jax.Array) -> dict[str, Any]:
  """One token is read to make them, by attention that asks for no more."""
  config = dataclasses.replace(model.config, attention_implementation='xla')
  return Decoder(config).init(rng, jnp.zeros((1, 1), jnp.int32))['params']
