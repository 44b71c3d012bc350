"""What a family of published models is: names of weights, and a config.json.

A family says three things: which fields of `DecoderConfig` a config.json
stands for and back (`read_config`, `write_config`), what the defaults of that
file are, and which published tensors the parameters are made of (`tensors`).
Hugging Face's names are the common tongue: GGUF files are translated to them
first.
"""

from typing import Any, ClassVar

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import (
  ACTIVATION_NAMES,
  ConfigJson,
)


class Family:
  """Models of one publisher that differ in their config.json only.

  Attributes:
    name: of the family.
    members: well-known models, for documentation.
    model_type: Hugging Face's name for it.
    architecture: the class of `transformers` that is such a model.
    defaults: what `transformers` assumes where config.json says nothing.
    fields: fields of `DecoderConfig` and their names in a config.json. Of
      fields that share a name, the last is written.
    constants: fields of `DecoderConfig` that are alike in all members.
    tensors: our modules, those of a block without their layer, and the
      published names of their weights. Modules that share a name are fused, in
      this order, along the axis of their outputs.
    base: what the names of its tensors begin with, but for the unembedding.
    layers: what follows where they are of a block.
    fused_by_head: fused tensors have the parts of each head side by side.
    inputs_first: rows of matrices are inputs.
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
  defaults: ClassVar[dict[str, Any]]
  fields: ClassVar[dict[str, str]]
  constants: ClassVar[dict[str, Any]] = {}
  tensors: ClassVar[dict[str, str]]
  base: ClassVar[str] = 'model.'
  layers: ClassVar[str] = 'layers'
  fused_by_head: ClassVar[bool] = False
  inputs_first: ClassVar[bool] = False
  gguf_architecture: ClassVar[str | None] = None
  gguf_reads_as: ClassVar[str | None] = None
  gguf_pairs_channels: ClassVar[bool] = False
  gguf_adds_one: ClassVar[bool] = False

  def read_config(self, values: ConfigJson) -> dict[str, Any]:
    """The fields of DecoderConfig that a config.json stands for.

    Raises:
      ValueError: it asks for something that the decoder does not have.
    """
    read = {field: values.field(field, x) for field, x in self.fields.items()}
    return read | self.constants

  def write_config(self, config: DecoderConfig) -> dict[str, Any]:
    """The values of a config.json; `read_config` of them gives the fields."""
    values = {x: getattr(config, field) for field, x in self.fields.items()}
    activation = ACTIVATION_NAMES[config.activation]
    return values | {self.fields['activation']: activation}

  def tensor_name(self, module: str, layer: int | str | None = None) -> str:
    """The published name of a module, of a layer if it is of a block."""
    name = self.tensors[module]
    if layer is not None:
      return f'{self.base}{self.layers}.{layer}.{name}'
    return name if module == 'unembedding' else f'{self.base}{name}'

  def gguf_values(self, values: dict[str, Any]) -> dict[str, Any]:
    """The config.json of a GGUF file's header.

    Args:
      values: what the header says, under the names of Llama's config.json.
    """
    return values
