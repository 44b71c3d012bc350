"""What a family of published models is: names of weights, and a config.json.

A family says three things: which fields of `DecoderConfig` a config.json
stands for and back (`read_config`, `write_config`), and which published tensors
the parameters are made of (`outer_weights`, `block_weights`). Hugging Face's
names are the common tongue: GGUF files are translated to them first.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson

Axes = tuple[str, ...]
PART = 'part'  # the axis of a fused tensor that tells its parts apart


@dataclasses.dataclass(frozen=True)
class Weight:
  """A parameter, and the published tensor that holds it.

  Attributes:
    path: of the parameter; without its layer if it is of a block.
    name: of the published tensor; without its layer.
    axes: of the published tensor, each as the logical axes of ours that it is
      made of, the slowest first: (('heads', 'head_dim'), ('embed',)) is a
      matrix whose rows are heads, then channels.
    part: where the axes name 'part': the index of this parameter along it.
    num_parts: and the size of that axis.
    after: rows of the published tensor that come before this parameter's, as
      groups of axes whose sizes are added.
  """

  path: str
  name: str
  axes: tuple[Axes, ...]
  part: int = 0
  num_parts: int = 1
  after: tuple[Axes, ...] = ()

  def read(
    self,
    tensor: Any,
    our_axes: Axes,
    sizes: Mapping[str, int],
    index: Mapping[str, slice],
  ) -> np.ndarray:
    """A part of the parameter, reading no more of the tensor than needed.

    Args:
      tensor: the published one; is sliced once.
      our_axes: of the parameter.
      sizes: of all logical axes.
      index: the range that is wanted of each of our axes.
    """
    sizes = {**sizes, PART: self.num_parts}
    index = {**index, PART: slice(self.part, self.part + 1)}
    read, shape, within = [], [], []
    for i, (first, *rest) in enumerate(self.axes):
      start, stop, _ = index[first].indices(sizes[first])
      stride = math.prod(sizes[axis] for axis in rest)
      offset = 0 if i else self._num_rows_before(sizes)
      read.append(slice(offset + start * stride, offset + stop * stride))
      shape += [stop - start, *(sizes[axis] for axis in rest)]
      within += [slice(None), *(index[axis] for axis in rest)]
    array = np.asarray(tensor[tuple(read)]).reshape(shape)[tuple(within)]
    order = [axis for group in self.axes for axis in group]
    if PART in order:
      array = array.take(0, order.index(PART))
      order.remove(PART)
    return array.transpose([order.index(axis) for axis in our_axes])

  def rows(self, array: np.ndarray, our_axes: Axes) -> np.ndarray:
    """The whole parameter as the published tensor, or this part of it, has it.

    Fused parts that alternate keep an axis of their own, of size one.
    """
    shape, order = [], []
    sizes = dict(zip(our_axes, array.shape, strict=True))
    for group in self.axes:
      order += [our_axes.index(axis) for axis in group if axis != PART]
      if PART in group:
        before, after = group[: group.index(PART)], group[group.index(PART) :]
        shape += [math.prod(sizes[a] for a in before), 1]
        shape += [math.prod(sizes[a] for a in after[1:])]
      else:
        shape += [math.prod(sizes[axis] for axis in group)]
    return array.transpose(order).reshape(shape)

  def published_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of the published tensor, if this is the last part of it."""
    sizes = {**sizes, PART: self.num_parts}
    shape = [math.prod(sizes[axis] for axis in group) for group in self.axes]
    shape[0] += self._num_rows_before(sizes)
    return tuple(shape)

  def _num_rows_before(self, sizes: Mapping[str, int]) -> int:
    return sum(math.prod(sizes[x] for x in group) for group in self.after)


def fuse(parts: list[tuple[Weight, np.ndarray]]) -> np.ndarray:
  """The published tensor of the parameters that it holds, in order."""
  first = parts[0][0]
  arrays = [array for _, array in parts]
  if first.num_parts > 1:
    axis = next(i for i, g in enumerate(first.axes) if PART in g)
    fused = np.concatenate(arrays, axis=axis + 1)
    shape = fused.shape
    return fused.reshape(*shape[:axis], -1, *shape[axis + 3 :])
  return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


class Family:
  """Models of one publisher that differ in their config.json only.

  Attributes:
    name: of the family.
    members: well-known models, for documentation.
    model_type: Hugging Face's name for it.
    architecture: the class of `transformers` that is such a model.
    defaults: what `transformers` assumes where config.json says nothing.
    base: what the names of its tensors begin with, but for the unembedding.
    gguf_architecture: llama.cpp's name for it; None if its files are not read.
    gguf_reads_as: what its files say that they are, if it has no such name.
    gguf_pairs_channels: llama.cpp's files have the rows of queries and keys in
      another order: rotated pairs side by side.
    gguf_adds_one: llama.cpp's files have the one of centered norms added.
  """

  name: ClassVar[str]
  members: ClassVar[str]
  model_type: ClassVar[str]
  architecture: ClassVar[str]
  defaults: ClassVar[Mapping[str, Any]]
  base: ClassVar[str] = 'model.'
  gguf_architecture: ClassVar[str | None] = None
  gguf_reads_as: ClassVar[str | None] = None
  gguf_pairs_channels: ClassVar[bool] = False
  gguf_adds_one: ClassVar[bool] = False

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    """The fields of DecoderConfig that a config.json stands for.

    Raises:
      ValueError: it asks for something that the decoder does not have.
    """
    raise NotImplementedError

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    """The values of a config.json; `read_config` of them gives the fields."""
    raise NotImplementedError

  def outer_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    """The parameters outside of the blocks."""
    raise NotImplementedError

  def block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    """The parameters of a block."""
    raise NotImplementedError

  def layer_name(self, layer: int, name: str) -> str:
    """The published name of a tensor of a layer."""
    return f'{self.base}layers.{layer}.{name}'

  def gguf_values(self, values: dict[str, Any]) -> dict[str, Any]:
    """The config.json of a GGUF file's header.

    Args:
      values: what the header says, under the names of Llama's config.json.
    """
    return values

  def gguf_block_weights(self, config: DecoderConfig) -> tuple[Weight, ...]:
    """The parameters of a block as a GGUF file has them."""
    return self.block_weights(config)
