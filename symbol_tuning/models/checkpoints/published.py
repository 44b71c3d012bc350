"""Parameters from published tensors, and back, whatever file holds them.

Nothing is read whole: each process asks a tensor for the ranges that its
devices hold, and what is written is made one tensor at a time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from symbol_tuning.models.checkpoints import parameter_specs
from symbol_tuning.models.checkpoints.parameter_specs import (
  Index,
  ParameterSpec,
)
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.family import Family, Weight, fuse


class Tensor(Protocol):
  """A published tensor that is read by slices."""

  shape: tuple[int, ...]

  def __getitem__(self, index: Index) -> np.ndarray: ...


class Source(NamedTuple):
  """Where a parameter comes from.

  Attributes:
    weight: the published form of the parameter.
    names: of the published tensors; several, one a layer, if it is stacked.
  """

  weight: Weight
  names: list[str]


def sources(
  family: Family, config: DecoderConfig, block: Sequence[Weight]
) -> dict[str, Source]:
  """The source of each parameter, by path.

  Args:
    family: of the model.
    config: of the model.
    block: its weights in a block, as the file's format has them.
  """
  found = {w.path: Source(w, [w.name]) for w in family.outer_weights(config)}
  for weight in block:
    names = [
      family.layer_name(i, weight.name) for i in range(config.num_layers)
    ]
    if config.scan_layers:
      found[f'layers/{weight.path}'] = Source(weight, names)
    else:
      for i, name in enumerate(names):
        found[f'layers_{i}/{weight.path}'] = Source(weight, [name])
  return found


def read(
  tensors: Mapping[str, Tensor],
  sources: Mapping[str, Source],
  specs: Mapping[str, ParameterSpec],
  config: DecoderConfig,
  file: Any,
) -> dict[str, jax.Array]:
  """The parameters, by path.

  Args:
    tensors: by published name.
    sources: of each parameter.
    specs: what each must be.
    config: of their model.
    file: what the tensors are read from, for errors.

  Raises:
    ValueError: a tensor is missing, left over or of another shape.
  """
  sizes = axis_sizes(config)
  _check(tensors, sources, specs, config, file)
  params = {}
  # What is read of an array is held beside the array; the largest go first,
  # while there are few.
  for path in sorted(sources, key=lambda path: -math.prod(specs[path].shape)):
    source, spec = sources[path], specs[path]

    def part(
      index: Index, source: Source = source, spec: ParameterSpec = spec
    ) -> np.ndarray:
      axes = spec.axes[1:] if spec.is_stacked else spec.axes
      ranges = dict(zip(spec.axes, index, strict=True))
      names = source.names[ranges.get('layers', slice(None))]
      arrays = (
        source.weight.read(tensors[name], axes, sizes, ranges) for name in names
      )
      return (
        _stack(arrays, len(names), spec) if spec.is_stacked else next(arrays)
      )

    params[path] = spec.make(part)
  return params


def write(
  params: Mapping[str, jax.Array],
  sources: Mapping[str, Source],
  specs: Mapping[str, ParameterSpec],
) -> Iterator[tuple[str, np.ndarray]]:
  """Name and value of each published tensor, made when it is asked for.

  Args:
    params: by path.
    sources: of each of them.
    specs: of each of them.
  """
  for name, parts in _parts(sources).items():
    arrays = []
    for path, layer in parts:
      spec, weight = specs[path], sources[path].weight
      array = params[path] if layer is None else params[path][layer]
      axes = spec.axes if layer is None else spec.axes[1:]
      arrays.append((weight, weight.rows(np.asarray(array), axes)))
    yield name, np.ascontiguousarray(fuse(arrays))


def shapes(
  sources: Mapping[str, Source], config: DecoderConfig
) -> dict[str, tuple[int, ...]]:
  """The shape of each published tensor."""
  sizes = axis_sizes(config)
  return {
    name: sources[parts[-1][0]].weight.published_shape(sizes)
    for name, parts in _parts(sources).items()
  }


def axis_sizes(config: DecoderConfig) -> dict[str, int]:
  """The size of each logical axis of the parameters."""
  fields = parameter_specs.FIELDS_OF_AXES
  return {axis: getattr(config, field) for axis, field in fields.items()}


def _parts(
  sources: Mapping[str, Source],
) -> dict[str, list[tuple[str, int | None]]]:
  """For each published tensor, the parameters and layers that it is made of."""
  parts: dict[str, list[tuple[str, int | None]]] = {}
  for path, source in sources.items():
    is_stacked = path.startswith('layers/')
    for layer, name in enumerate(source.names):
      parts.setdefault(name, []).append((path, layer if is_stacked else None))
  return parts


def _check(
  tensors: Mapping[str, Tensor],
  sources: Mapping[str, Source],
  specs: Mapping[str, ParameterSpec],
  config: DecoderConfig,
  file: Any,
) -> None:
  """Raises ValueError unless the tensors are those that the model needs."""
  parts = _parts(sources)
  parameter_specs.check_names(file, set(tensors), set(parts))
  parameter_specs.check_names('This family', set(sources), set(specs))
  for name, shape in shapes(sources, config).items():
    weight = sources[parts[name][-1][0]].weight
    parameter_specs.check_shape(
      f'{name} in {file}', tensors[name].shape, shape, weight.axes
    )


def _stack(
  arrays: Iterator[np.ndarray], count: int, spec: ParameterSpec
) -> np.ndarray:
  """The arrays, stacked and in the parameter's dtype, one at a time."""
  first = next(arrays)
  stack = np.empty((count, *first.shape), spec.dtype)
  stack[0] = first
  for i, array in enumerate(arrays, 1):
    stack[i] = array
  return stack
