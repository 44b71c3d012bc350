"""Hugging Face folders of models like Llama and Gemma 3, in and out.

Only config.json and safetensors are read: no pickle, no code from a folder.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from symbol_tuning import files
from symbol_tuning.models import families, huggingface_config
from symbol_tuning.models.checkpoints import slots as slots_lib
from symbol_tuning.models.checkpoints import tokenizer_files
from symbol_tuning.models.checkpoints.slots import Slot
from symbol_tuning.models.config import DecoderConfig

CONFIG = 'config.json'
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
# What is read of a folder.
FILES = ('*.json', '*.safetensors')


def decoder_config(folder: str | Path, **overrides: Any) -> DecoderConfig:
  """The architecture a folder's config.json describes.

  Args:
    folder: holds config.json.
    **overrides: DecoderConfig fields.

  Raises:
    FileNotFoundError: there is no config.json.
    ValueError: the model is of no family that is known.
  """
  path = Path(folder) / CONFIG
  if not path.is_file():
    raise FileNotFoundError(
      f'{folder} has no {CONFIG} to say what the model is.'
    )
  values = json.loads(path.read_text(encoding='utf-8'))
  return huggingface_config.read(values, path, **overrides)


def load_folder(
  folder: str | Path, config: DecoderConfig, slots: Mapping[str, Slot]
) -> dict[str, jax.Array]:
  """Fills the slots of a model from a folder; errors as `families.read`."""
  slots_lib.check_config(folder, decoder_config(folder), config)
  return load_files(_weight_files(Path(folder)), config, slots, folder)


def load_files(
  paths: list[Path],
  config: DecoderConfig,
  slots: Mapping[str, Slot],
  source: str | Path,
) -> dict[str, jax.Array]:
  """Fills the slots of a model from safetensors files."""
  tensors = _Tensors(paths)
  if config.tied_embeddings:
    tensors.leave_out_copy(
      f'{families.UNEMBEDDING.name}.weight', f'{families.EMBEDDING.name}.weight'
    )
  return families.read(tensors, config, slots, source)


def export(
  params: Mapping[str, Any],
  config: DecoderConfig,
  folder: str | Path,
  tokenizer: str | Path | None = None,
) -> None:
  """Writes a folder that transformers.AutoModelForCausalLM opens.

  Args:
    params: nested, as `parameters.load_params` gives them.
    config: of their model.
    folder: must not exist; appears when it is complete.
    tokenizer: the GGUF file or folder whose tokenizer is to be added.

  Raises:
    ValueError: the model is of no family that is known.
    FileExistsError: the folder exists.
  """
  with files.new_folder(folder, last=CONFIG) as temporary:
    flat = traverse_util.flatten_dict(params, sep='/')
    tensors = families.write(flat, config)
    safetensors.numpy.save_file(
      tensors, temporary / WEIGHTS, metadata={'format': 'pt'}
    )
    (temporary / WEIGHTS).chmod(0o644)  # safetensors leaves it to its owner.
    values = huggingface_config.write(config)
    if tokenizer is not None:
      tokenizer_files.write(tokenizer, temporary)
      values |= tokenizer_files.special_token_ids(tokenizer)
    text = json.dumps(values, indent=2, sort_keys=True)
    (temporary / CONFIG).write_text(f'{text}\n', encoding='utf-8')


def _weight_files(folder: Path) -> list[Path]:
  """The safetensors files of a folder, one or those its index names."""
  if (folder / INDEX).is_file():
    index = json.loads((folder / INDEX).read_text(encoding='utf-8'))
    paths = [
      folder / name for name in sorted(set(index['weight_map'].values()))
    ]
  else:
    paths = [folder / WEIGHTS]
  missing = [path.name for path in paths if not path.is_file()]
  if missing:
    raise FileNotFoundError(
      f'{folder} lacks {", ".join(missing)}; only safetensors are read.'
    )
  return paths


class _Tensors(Mapping[str, np.ndarray]):
  """The tensors of safetensors files, each read when asked for.

  The files are mapped, and opened anew each time: what was read of a file stays
  in memory for as long as it is open.
  """

  def __init__(self, paths: list[Path]):
    self._paths = {}
    for path in paths:
      with _open(path) as file:
        self._paths |= dict.fromkeys(file.keys(), path)

  def leave_out_copy(self, name: str, original: str) -> None:
    """Forgets a tensor that repeats another, as some tied exports do."""
    if name in self and np.array_equal(self[name], self[original]):
      del self._paths[name]

  def __getitem__(self, name: str) -> np.ndarray:
    with _open(self._paths[name]) as file:
      return file.get_tensor(name)

  def __iter__(self) -> Iterator[str]:
    return iter(self._paths)

  def __len__(self) -> int:
    return len(self._paths)


def _open(path: Path) -> safetensors.safe_open:
  try:
    return safetensors.safe_open(path, framework='np')
  except safetensors.SafetensorError as error:
    raise ValueError(
      f'{path} is not a whole safetensors file ({error}); fetch it again.'
    ) from error
