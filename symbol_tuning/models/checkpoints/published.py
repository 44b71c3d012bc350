"""Parameters from published tensors, and back, whatever file holds them.

Nothing is read whole: each process asks a tensor for the ranges that its
devices hold, and what is written is made one tensor at a time.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from symbol_tuning.models.checkpoints import parameter_specs
from symbol_tuning.models.checkpoints.parameter_specs import (
  Index,
  ParameterSpec,
)
from symbol_tuning.models.families.family import Family

Axes = tuple[str, ...]
PART = 'part'  # the axis of a fused tensor that tells its parts apart
# Of a parameter: the number of its layer, its module and its own name.
_PATH = re.compile(r'(?:layers(?:_(\d+))?/)?(.+)/(\w+)')


class Tensor(Protocol):
  """A published tensor that is read by slices."""

  shape: tuple[int, ...]

  def __getitem__(self, index: Index) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Source:
  """Where a parameter comes from.

  Attributes:
    spec: what it must be.
    names: of the published tensors; several, one a layer, if it is stacked.
    axes: of a published tensor, each as the logical axes of ours that it is
      made of, the slowest first: (('heads', 'head_dim'), ('embed',)) is a
      matrix whose rows are heads, then channels.
    start: along each of them, what comes before this parameter.
    part: where the axes name 'part': the index of this parameter along it.
    num_parts: and the size of that axis.
  """

  spec: ParameterSpec
  names: list[str]
  axes: tuple[Axes, ...]
  start: tuple[int, ...]
  part: int = 0
  num_parts: int = 1

  @property
  def end(self) -> tuple[int, ...]:
    """The shape of the published tensor, if this is the last part of it."""
    sizes = self._sizes
    return tuple(
      start + math.prod(sizes[axis] for axis in group)
      for start, group in zip(self.start, self.axes, strict=True)
    )

  @property
  def _sizes(self) -> dict[str, int]:
    ours = zip(self.spec.axes, self.spec.shape, strict=True)
    return {**dict(ours), PART: self.num_parts}

  def read(self, tensor: Tensor, index: Mapping[str, slice]) -> np.ndarray:
    """A part of the parameter, reading no more of the tensor than needed.

    Args:
      tensor: the published one; is sliced once.
      index: the range that is wanted of each of our axes.
    """
    sizes = self._sizes
    index = {**index, PART: slice(self.part, self.part + 1)}
    read, shape, within = [], [], []
    for before, (first, *rest) in zip(self.start, self.axes, strict=True):
      start, stop, _ = index[first].indices(sizes[first])
      stride = math.prod(sizes[axis] for axis in rest)
      read.append(slice(before + start * stride, before + stop * stride))
      shape += [stop - start, *(sizes[axis] for axis in rest)]
      within += [slice(None), *(index[axis] for axis in rest)]
    array = np.asarray(tensor[tuple(read)]).reshape(shape)[tuple(within)]
    order = [axis for group in self.axes for axis in group]
    if PART in order:
      array = array.take(0, order.index(PART))
      order.remove(PART)
    return array.transpose(list(map(order.index, self.spec.axes_in_layer)))

  def write(self, tensor: np.ndarray, array: np.ndarray) -> None:
    """Puts the parameter, that of one layer, into the published tensor."""
    sizes, ours = self._sizes, self.spec.axes_in_layer
    order = [axis for group in self.axes for axis in group]
    place = tensor[tuple(map(slice, self.start, self.end))]
    # A view, since axes are only split.
    split = place.reshape([sizes[axis] for axis in order])
    own = tuple(self.part if axis == PART else slice(None) for axis in order)
    split[own] = array.transpose([ours.index(x) for x in order if x != PART])


def sources(
  family: Family, specs: Mapping[str, ParameterSpec], by_head: bool = False
) -> dict[str, Source]:
  """The source of each parameter, by path.

  Args:
    family: of the model.
    specs: what each parameter must be.
    by_head: whether fused tensors have the parts of each head side by side.
  """
  return {path: _source(family, specs, path, by_head) for path in specs}


def _source(
  family: Family, specs: Mapping[str, ParameterSpec], path: str, by_head: bool
) -> Source:
  spec = specs[path]
  match = _PATH.fullmatch(path)
  assert match is not None  # As all parameters have a module.
  number, module, leaf = match.groups()
  layers = range(spec.shape[0]) if spec.is_stacked else [number]
  ending = 'bias' if leaf == 'bias' else 'weight'
  axes = _published_axes(leaf, spec.axes_in_layer)
  start = [0] * len(axes)
  name = family.tensors[module]
  fused = [other for other, x in family.tensors.items() if x == name]
  part = fused.index(module)
  if by_head and len(fused) > 1:
    heads, head_dim = axes[0]
    axes[0] = heads, PART, head_dim
  else:
    others = [specs[path.replace(module, other)] for other in fused[:part]]
    start[0] = sum(_num_outputs(leaf, other) for other in others)
  if leaf == 'kernel' and family.inputs_first:
    axes, start = axes[::-1], start[::-1]
  return Source(
    spec,
    [f'{family.tensor_name(module, layer)}.{ending}' for layer in layers],
    tuple(axes),
    tuple(start),
    part,
    len(fused),
  )


def _published_axes(leaf: str, axes: Axes) -> list[Axes]:
  """Our axes as those of a published tensor, outputs ahead of inputs."""
  if leaf == 'embedding':
    return [(axis,) for axis in axes]
  if leaf != 'kernel':
    return [axes]
  num_inputs = 1 if axes[0] == 'embed' else len(axes) - 1
  return [axes[num_inputs:], axes[:num_inputs]]


def _num_outputs(leaf: str, spec: ParameterSpec) -> int:
  sizes = dict(zip(spec.axes, spec.shape, strict=True))
  outputs = _published_axes(leaf, spec.axes_in_layer)[0]
  return math.prod(sizes[axis] for axis in outputs)


def read(
  tensors: Mapping[str, Tensor], sources: Mapping[str, Source], file: Any
) -> dict[str, jax.Array]:
  """The parameters, by path.

  Args:
    tensors: by published name.
    sources: of each parameter.
    file: what the tensors are read from, for errors.

  Raises:
    ValueError: a tensor is missing, left over or of another shape.
  """
  _check(tensors, sources, file)
  # What is read of an array is held beside the array; the largest go first,
  # while there are few.
  largest_first = sorted(
    sources.items(), key=lambda item: -math.prod(item[1].spec.shape)
  )
  return {
    path: source.spec.make(functools.partial(_part, tensors, source))
    for path, source in largest_first
  }


def _part(
  tensors: Mapping[str, Tensor], source: Source, index: Index
) -> np.ndarray:
  """A part of a parameter, stacked if it is, one layer at a time."""
  spec = source.spec
  ranges = dict(zip(spec.axes, index, strict=True))
  if not spec.is_stacked:
    return source.read(tensors[source.names[0]], ranges)
  names = source.names[ranges['layers']]
  first = source.read(tensors[names[0]], ranges)
  stack = np.empty((len(names), *first.shape), spec.dtype)
  stack[0] = first
  for i, name in enumerate(names[1:], 1):
    stack[i] = source.read(tensors[name], ranges)
  return stack


def write(
  params: Mapping[str, jax.Array], sources: Mapping[str, Source]
) -> Iterator[tuple[str, np.ndarray]]:
  """Name and value of each published tensor, made when it is asked for.

  Args:
    params: by path.
    sources: of each of them.
  """
  parts: dict[str, list[tuple[str, Any]]] = {}
  for path, source in sources.items():
    for layer, name in enumerate(source.names):
      index = layer if source.spec.is_stacked else ...
      parts.setdefault(name, []).append((path, index))
  for name, shape in shapes(sources).items():
    tensor = np.empty(shape, params[parts[name][0][0]].dtype)
    for path, index in parts[name]:
      sources[path].write(tensor, np.asarray(params[path][index]))
    yield name, tensor


def shapes(sources: Mapping[str, Source]) -> dict[str, tuple[int, ...]]:
  """The shape of each published tensor."""
  found: dict[str, tuple[int, ...]] = {}
  for source in sources.values():
    for name in source.names:
      # The last part of a tensor ends where the tensor does.
      found[name] = max(found.get(name, ()), source.end)
  return found


def _check(
  tensors: Mapping[str, Tensor], sources: Mapping[str, Source], file: Any
) -> None:
  """Raises ValueError unless the tensors are those that the model needs."""
  expected = shapes(sources)
  parameter_specs.check_names(file, set(tensors), set(expected))
  for source in sources.values():
    for name in source.names:
      parameter_specs.check_shape(
        f'{name} in {file}', tensors[name].shape, expected[name], source.axes
      )
