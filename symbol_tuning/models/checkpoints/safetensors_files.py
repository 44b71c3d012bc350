"""Tensors in safetensors files, read by slices and written one at a time."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from symbol_tuning import files, reading

WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
SHARD_BYTES = 5 * 10**9  # as transformers has it
DTYPES = ('BF16', 'F16', 'F32', 'F64')
TO_SAFETENSORS = (
  'python -c "from transformers import AutoModelForCausalLM as M; '
  "M.from_pretrained('{folder}').save_pretrained('{folder}-safetensors')\""
)


def find(folder: Path) -> list[Path]:
  """The safetensors files of a folder: one, or those that its index names.

  Where model.safetensors and an index are both there, as MLX writes them, it is
  the former, as in transformers.

  Raises:
    FileNotFoundError: there are none, or one is missing.
    ValueError: the index names a file outside of the folder, or is damaged.
  """
  if (folder / WEIGHTS).is_file():
    return [folder / WEIGHTS]
  if not (folder / INDEX).is_file():
    alone = sorted(folder.glob('*.safetensors'))
    if len(alone) == 1:
      return alone
    raise FileNotFoundError(_what_is_missing(folder))
  with reading.explained(folder / INDEX, 'an index of weights'):
    index = json.loads((folder / INDEX).read_text(encoding='utf-8'))
    names = sorted(set(index['weight_map'].values()))
  for name in names:
    if Path(name).name != name:
      raise ValueError(
        f'{folder / INDEX} names {name!r}, which is not a file of this folder.'
      )
  missing = [name for name in names if not (folder / name).is_file()]
  if missing:
    raise FileNotFoundError(
      f'{folder} lacks {", ".join(missing)}, which {INDEX} names; fetch the '
      'rest of the model.'
    )
  return [folder / name for name in names]


def _what_is_missing(folder: Path) -> str:
  pickles = sorted(path.name for path in folder.glob('*.bin'))
  if pickles:
    return (
      f'{folder} holds {pickles[0]}, a pickle, which can run any program and '
      'is not read. Make safetensors of it where you trust it: '
      f'{TO_SAFETENSORS.format(folder=folder)}'
    )
  there = ', '.join(sorted(path.name for path in folder.iterdir())[:8])
  return f'{folder} lacks {WEIGHTS}; there are: {there or "no files"}.'


@dataclasses.dataclass
class SafeTensor:
  """A tensor of a safetensors file, which is read when it is sliced.

  The file is mapped, and opened anew each time: what was read of a file stays
  in memory for as long as it is open.
  """

  path: Path
  name: str
  shape: tuple[int, ...]
  dtype: str

  def __getitem__(self, index: slice | tuple[slice, ...]) -> np.ndarray:
    if self.dtype not in DTYPES:
      raise ValueError(
        f'{self.name} in {self.path} is of dtype {self.dtype}; supported: '
        f'{", ".join(DTYPES)}.'
      )
    index = (index,) if isinstance(index, slice) else index
    index = tuple(
      # The library refuses to be asked for more than there is.
      slice(*part.indices(size))
      for part, size in zip(index, self.shape, strict=False)
    )
    with _open(self.path) as file:
      return file.get_slice(self.name)[index]


def tensors(paths: Iterable[Path]) -> dict[str, SafeTensor]:
  """The tensors of safetensors files, by name; only headers are read.

  Raises:
    ValueError: a file is damaged.
  """
  found: dict[str, SafeTensor] = {}
  for path in paths:
    with _open(path) as file:
      for name in file.keys():  # noqa: SIM118 - it is no mapping
        tensor = file.get_slice(name)
        shape = tuple(tensor.get_shape())
        found[name] = SafeTensor(path, name, shape, tensor.get_dtype())
  return found


def _open(path: Path) -> safetensors.safe_open:
  try:
    return safetensors.safe_open(path, framework='np')
  except safetensors.SafetensorError as error:
    raise ValueError(
      f'{path} is not a whole safetensors file ({error}); fetch it again.'
    ) from error


def write(
  tensors: Iterable[tuple[str, np.ndarray]],
  sizes: Mapping[str, int],
  folder: Path,
  shard_bytes: int = SHARD_BYTES,
) -> None:
  """Writes tensors into files of a limited size, with an index if several.

  Those of an earlier model are removed first, lest one be read for the other.

  Args:
    tensors: names and values, in the order of `sizes`; at most a file of them
      is held in memory.
    sizes: bytes of each.
    folder: where to.
    shard_bytes: at most so many are in a file, but for a single tensor.
  """
  shards = _plan(sizes, shard_bytes)
  for path in (folder / INDEX, *folder.glob('model*.safetensors')):
    path.unlink(missing_ok=True)
  weight_map: dict[str, str] = {}
  tensors = iter(tensors)
  for i, names in enumerate(shards, 1):
    file = WEIGHTS
    if len(shards) > 1:
      file = f'model-{i:05d}-of-{len(shards):05d}.safetensors'
    shard = dict(next(tensors) for _ in names)
    path = folder / file
    safetensors.numpy.save_file(shard, path, metadata={'format': 'pt'})
    path.chmod(0o644)  # safetensors leaves it to its owner.
    weight_map |= dict.fromkeys(names, file)
  if len(shards) > 1:
    total = {'total_size': sum(sizes.values())}
    index = {'metadata': total, 'weight_map': weight_map}
    text = json.dumps(index, indent=2, sort_keys=True)
    files.write_text(folder / INDEX, f'{text}\n')


def _plan(sizes: Mapping[str, int], shard_bytes: int) -> list[list[str]]:
  """The names that go into each file."""
  shards: list[list[str]] = [[]]
  room = shard_bytes
  for name, size in sizes.items():
    if size > room and shards[-1]:
      shards.append([])
      room = shard_bytes
    shards[-1].append(name)
    room -= size
  return shards
