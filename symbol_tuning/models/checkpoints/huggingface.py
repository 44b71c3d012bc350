"""Hugging Face folders, in and out.

Only config.json and safetensors are read: no pickle, no code from a folder.
"""

import json
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
ADAPTER = 'adapter_config.json'
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


def is_model(folder: files.Path) -> bool:
  """Whether a folder, which need not be there, holds a model of this kind."""
  return (folder / CONFIG).exists() and any(folder.glob('*.safetensors'))


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


def describe(
  path: str | Path, **overrides: Any
) -> tuple[Family, DecoderConfig]:
  """The family and the architecture that a config.json describes.

  Args:
    path: of it, or of its folder.
    **overrides: DecoderConfig fields.

  Raises:
    FileNotFoundError: there is no config.json.
    ValueError: the model is of no family that is known.
  """
  path = Path(path)
  path = path if path.suffix == '.json' else path / CONFIG
  values = read_values(path)
  family = families.of_config_json(values, path)
  return family, families.read_config(values, path, **overrides)


def load_folder(
  folder: str | Path,
  config: DecoderConfig,
  specs: Mapping[str, ParameterSpec],
) -> dict[str, jax.Array]:
  """The parameters of a folder, by path; errors as `published.read`."""
  if (Path(folder) / ADAPTER).is_file():
    raise ValueError(
      f'{folder} holds an adapter ({ADAPTER}) beside the model, which would be'
      ' left out: merge it into the model (peft: merge_and_unload), or move it'
      ' elsewhere.'
    )
  family, found = describe(folder)
  parameter_specs.check_config(folder, found, config)
  paths = safetensors_files.find(Path(folder))
  return load_files(paths, family, specs, folder)


def load_files(
  paths: list[Path],
  family: Family,
  specs: Mapping[str, ParameterSpec],
  source: str | Path,
) -> dict[str, jax.Array]:
  """The parameters in safetensors files, by path."""
  tensors = _named(safetensors_files.tensors(paths), family)
  sources = published.sources(family, specs, family.fused_by_head)
  if 'unembedding/embedding' not in sources:
    names = map(family.tensor_name, ('unembedding', 'token_embedding'))
    _leave_out_copy(tensors, *(f'{name}.weight' for name in names))
  return published.read(tensors, sources, source)


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
    head = f'{family.tensor_name("unembedding")}.'
    named = {
      name if name.startswith(head) else f'{family.base}{name}': tensor
      for name, tensor in named.items()
    }
  return named


def _leave_out_copy(
  tensors: dict[str, published.Tensor], head: str, embedding: str
) -> None:
  """Forgets an unembedding that repeats the embedding, as some files have."""
  if head not in tensors or embedding not in tensors:
    return
  ours, theirs = tensors[embedding], tensors[head]
  blocks = [(slice(i, i + 4096),) for i in range(0, ours.shape[0], 4096)]
  if ours.shape == theirs.shape and all(
    np.array_equal(ours[block], theirs[block]) for block in blocks
  ):
    del tensors[head]
