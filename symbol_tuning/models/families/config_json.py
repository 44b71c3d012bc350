"""The values of a config.json, with errors that name file, field and value."""

import dataclasses
from collections.abc import Mapping
from typing import Any

# Hugging Face's names of activations → ours.
ACTIVATIONS = {
  'silu': 'silu',
  'swish': 'silu',
  'gelu_pytorch_tanh': 'gelu',
  'gelu_new': 'gelu',
  'gelu_fast': 'gelu',
  'gelu': 'gelu_exact',
  'relu': 'relu',
}
ACTIVATION_NAMES = {
  'silu': 'silu',
  'gelu': 'gelu_pytorch_tanh',
  'gelu_exact': 'gelu',
  'relu': 'relu',
}
LOCAL, GLOBAL = 'sliding_attention', 'full_attention'
KINDS = {LOCAL: 'local', GLOBAL: 'global'}


@dataclasses.dataclass(frozen=True)
class ConfigJson:
  """What a config.json says of a model.

  Attributes:
    values: of the file, of its text part if the model sees images too.
    path: of the file, for errors.
    defaults: of what the file may leave out; names that are in neither have no
      default and are required.
  """

  values: Mapping[str, Any]
  path: Any
  defaults: Mapping[str, Any]

  def get(self, name: str) -> Any:
    """The value, or its default.

    Raises:
      ValueError: there is neither.
    """
    if name in self.values:
      return self.values[name]
    if name in self.defaults:
      return self.defaults[name]
    raise ValueError(f'{self.path} does not say {name}, which is required.')

  def size(self, name: str) -> int:
    """A whole number of at least one.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
      raise self.error(name, value, 'a whole number of at least 1')
    return value

  def number(self, name: str) -> float:
    """A number; integers are made floats.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
      raise self.error(name, value, 'a number')
    return float(value)

  def flag(self, name: str) -> bool:
    """True or False; null is False.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name)
    if value is not None and not isinstance(value, bool):
      raise self.error(name, value, 'true or false')
    return bool(value)

  def activation(self, name: str) -> str:
    """The name of an activation, as DecoderConfig has it.

    Raises:
      ValueError: the decoder has no such activation.
    """
    value = self.get(name)
    if value not in ACTIVATIONS:
      raise self.error(name, value, ', '.join(map(repr, ACTIVATIONS)))
    return ACTIVATIONS[value]

  def require(self, name: str, *supported: Any) -> None:
    """Checks a value that must be the decoder's; absent is as good.

    Raises:
      ValueError: it is none of those that are supported.
    """
    value = self.values.get(name, self.defaults.get(name, supported[0]))
    if value not in supported:
      raise self.error(name, value, ' or '.join(map(repr, supported)))

  def head_dim(self) -> int:
    """The width of a head; by default the model's width shared out."""
    if self.values.get('head_dim', self.defaults.get('head_dim')) is not None:
      return self.size('head_dim')
    return self.size('hidden_size') // self.size('num_attention_heads')

  def num_kv_heads(self) -> int:
    """Key-value heads; by default as many as query heads."""
    if self.get('num_key_value_heads') is None:
      return self.size('num_attention_heads')
    return self.size('num_key_value_heads')

  def layer_kinds(self, kinds: list[str]) -> tuple[str, ...]:
    """The kinds of the layers, as the shortest pattern that gives them.

    Args:
      kinds: Hugging Face's names for them where layer_types does not say.

    Raises:
      ValueError: there is a kind of layer that the decoder does not have, or
        another number of layers.
    """
    num_layers = self.size('num_hidden_layers')
    types = self.values.get('layer_types') or kinds
    if len(types) != num_layers:
      raise self.error('layer_types', types, f'{num_layers} layers')
    for kind in types:
      if kind not in KINDS:
        raise self.error('layer_types', types, ' and '.join(map(repr, KINDS)))
    return shortest_pattern([KINDS[kind] for kind in types])

  def error(self, name: str, value: Any, supported: str) -> ValueError:
    """The error of a value that is not supported."""
    text = repr(value)
    text = text if len(text) < 100 else f'{text[:90]} …'
    return ValueError(
      f'{name} in {self.path} is {text}; supported: {supported}.'
    )


def shortest_pattern(kinds: list[str]) -> tuple[str, ...]:
  """The shortest tuple that gives the kinds when it is repeated."""
  for period in range(1, len(kinds) + 1):
    if all(kind == kinds[i % period] for i, kind in enumerate(kinds)):
      return tuple(kinds[:period])
  return ()


def layer_types(kind_of_layer: tuple[str, ...]) -> list[str]:
  """Hugging Face's names of the kinds of the layers."""
  return [LOCAL if kind == 'local' else GLOBAL for kind in kind_of_layer]
