"""Hugging Face folders, in and out.

Only config.json and safetensors are read: no pickle, no code from a folder.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from symbol_tuning import files, reading
from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import (
  parameter_specs,
  published,
  safetensors_files,
)
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.family import Family

CONFIG = 'config.json'
# What is read of a folder.
FILES = ('*.json', '*.safetensors')

# Buffers that old files keep and that follow from the configuration.
LEFTOVERS = re.compile(
  r'\.rotary_emb\.inv_freq$|\.(attn|attention)\.(masked_)?bias$'
)
# What a model that sees images has beside its text part.
OTHER_PARTS = re.compile(
  r'^(model\.)?(vision_tower|multi_modal_projector|vision_model)\.'
)
TEXT_PART = re.compile(r'^(model\.)?language_model\.(model\.)?')


def read_values(path: Path) -> dict[str, Any]:
  """The values of a config.json.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is not JSON.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f'{path.parent} has no {path.name} to say what the model is.'
    )
  with reading.explained(path):
    values = json.loads(path.read_text(encoding='utf-8'))
  if not isinstance(values, dict):
    raise ValueError(f'{path} is not the configuration of a model.')
  return values


def family(path: str | Path) -> Family:
  """The family of a model; arguments and errors as `decoder_config`."""
  path = _config_path(path)
  return families.of_config_json(read_values(path), path)


def decoder_config(path: str | Path, **overrides: Any) -> DecoderConfig:
  """The architecture that a config.json describes.

  Args:
    path: of it, or of its folder.
    **overrides: DecoderConfig fields.

  Raises:
    FileNotFoundError: there is no config.json.
    ValueError: the model is of no family that is known.
  """
  path = _config_path(path)
  return families.read_config(read_values(path), path, **overrides)


def _config_path(path: str | Path) -> Path:
  path = Path(path)
  return path if path.suffix == '.json' else path / CONFIG


def load_folder(
  folder: str | Path,
  config: DecoderConfig,
  specs: Mapping[str, ParameterSpec],
) -> dict[str, jax.Array]:
  """The parameters of a folder, by path; errors as `published.read`."""
  parameter_specs.check_config(folder, decoder_config(folder), config)
  paths = safetensors_files.find(Path(folder))
  return load_files(paths, family(folder), specs, folder)


def load_files(
  paths: list[Path],
  family: Family,
  specs: Mapping[str, ParameterSpec],
  source: str | Path,
) -> dict[str, jax.Array]:
  """The parameters in safetensors files, by path."""
  tensors = _named(safetensors_files.SafeTensors(paths), family)
  sources = published.sources(family, specs, family.fused_by_head)
  if 'unembedding/embedding' not in sources:
    _leave_out_copies(tensors, sources['token_embedding/embedding'])
  return published.read(tensors, sources, source)


def export(
  params: Mapping[str, Any],
  config: DecoderConfig,
  specs: Mapping[str, ParameterSpec],
  folder: files.PathLike,
  family: Family | None = None,
  extra_values: Mapping[str, Any] | None = None,
  shard_bytes: int = safetensors_files.SHARD_BYTES,
) -> None:
  """Writes config.json and safetensors into a folder.

  Args:
    params: by path.
    config: of their model.
    specs: of each of them.
    folder: is made if it is not there; what is in it is replaced.
    family: as which to write them; the first that has such a decoder if None.
    extra_values: of config.json, such as the ids of special tokens.
    shard_bytes: at most so many are in a file.

  Raises:
    ValueError: no family has such a decoder, or the given one has not.
  """
  if family is None or families.differences(family, config):
    family = families.of_decoder(config)
  Path(folder).mkdir(parents=True, exist_ok=True)
  sources = published.sources(family, specs, family.fused_by_head)
  item = np.dtype(config.param_dtype).itemsize
  safetensors_files.write(
    published.write(params, sources),
    {x: item * math.prod(y) for x, y in published.shapes(sources).items()},
    Path(folder),
    shard_bytes,
  )
  values = families.write_config(config, family) | dict(extra_values or {})
  text = json.dumps(values, indent=2, sort_keys=True)
  files.write_text(Path(folder) / CONFIG, f'{text}\n')


def _named(
  tensors: Mapping[str, published.Tensor], family: Family
) -> dict[str, published.Tensor]:
  """The tensors of the text model under the family's names.

  Left out are what follows from the configuration and the parts of a model that
  see images. A model saved without its head lacks the beginning of its names.
  """
  named = {}
  for name, tensor in tensors.items():
    if LEFTOVERS.search(name) or OTHER_PARTS.search(name):
      continue
    if TEXT_PART.match(name):
      name = TEXT_PART.sub('', name)
      name = name if name.startswith('lm_head.') else f'{family.base}{name}'
    named[name] = tensor
  if not any(name.startswith(family.base) for name in named):
    heads = ('lm_head.', 'embed_out.')
    named = {
      name if name.startswith(heads) else f'{family.base}{name}': tensor
      for name, tensor in named.items()
    }
  return named


def _leave_out_copies(
  tensors: dict[str, published.Tensor], embedding: published.Source
) -> None:
  """Forgets an unembedding that repeats the embedding, as some files do."""
  [name] = embedding.names
  for head in ('lm_head.weight', 'embed_out.weight'):
    if head not in tensors or name not in tensors:
      continue
    blocks = [
      (slice(start, start + 4096),)
      for start in range(0, embedding.spec.shape[0], 4096)
    ]
    if tensors[head].shape == tensors[name].shape and all(
      np.array_equal(tensors[head][block], tensors[name][block])
      for block in blocks
    ):
      del tensors[head]
