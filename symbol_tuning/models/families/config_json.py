"""The values of a config.json, with errors that name file, field and value."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from symbol_tuning.models.config import DecoderConfig

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


@contextlib.contextmanager
def explained(path: Any) -> Iterator[None]:
  """Has errors of values of unexpected types and sizes name the file.

  Args:
    path: of the file that the values are from.

  Raises:
    ValueError: for what Python raises where such a value is used.
  """
  try:
    yield
  except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
    raise ValueError(
      f'A value in {path} is not as it is in such files '
      f'({type(error).__name__}: {error}).'
    ) from error


@dataclasses.dataclass(frozen=True)
class ConfigJson:
  """What a config.json says of a model.

  Attributes:
    values: of the file, of its text part if the model sees images too; and the
      defaults of what it leaves out.
    path: of the file, for errors.
  """

  values: Mapping[str, Any]
  path: Any

  def get(self, name: str) -> Any:
    """The value.

    Raises:
      ValueError: there is none, and no default.
    """
    if name not in self.values:
      raise ValueError(f'{self.path} does not say {name}, which is required.')
    return self.values[name]

  def field(self, field: str, name: str) -> Any:
    """The value that a field of DecoderConfig has here by another name.

    Raises:
      ValueError: it is of another kind than the field.
    """
    if field == 'activation':
      return self.activation(name)
    if field == 'head_dim':
      return self.head_dim()
    if name == 'num_key_value_heads' and self.get(name) is None:
      return self.size('num_attention_heads')
    kind = DecoderConfig.__annotations__[field]
    return {int: self.size, float: self.number, bool: self.flag}[kind](name)

  def size(self, name: str, least: int = 1) -> int:
    """A whole number of at least one, or of at least another.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
      raise self.error(name, value, f'a whole number of at least {least}')
    return value

  def number(self, name: str) -> float:
    """A number; integers are made floats.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name)
    if not _is_number(value):
      raise self.error(name, value, 'a number')
    return float(value)

  def above_0(self, name: str, value: Any = None) -> float:
    """A number above 0.

    Args:
      name: of the value.
      value: what another place in the file says it is; None: nothing.

    Raises:
      ValueError: it is something else.
    """
    value = self.get(name) if value is None else value
    if not _is_number(value) or not value > 0:
      raise self.error(name, value, 'a number above 0')
    return float(value)

  def mapping(self, name: str) -> dict[str, Any]:
    """What an object of the file says, but for nulls; nothing if it is none.

    Raises:
      ValueError: it is no object.
    """
    values = self.values.get(name) or {}
    if not isinstance(values, Mapping):
      raise self.error(name, values, 'an object')
    return {x: value for x, value in values.items() if value is not None}

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
    value = self.values.get(name, supported[0])
    if value not in supported:
      raise self.error(name, value, ' or '.join(map(repr, supported)))

  def head_dim(self) -> int:
    """The width of a head; by default the model's width shared out."""
    if self.values.get('head_dim') is not None:
      return self.size('head_dim')
    return self.size('hidden_size') // self.size('num_attention_heads')

  def windows(self, is_local: Callable[[int], bool]) -> dict[str, Any]:
    """The fields of DecoderConfig that say which layers see a window.

    Args:
      is_local: whether a layer sees one, where layer_types does not say.

    Raises:
      ValueError: there is a kind of layer that the decoder does not have, or
        another number of layers.
    """
    num_layers = self.size('num_hidden_layers')
    types = self.values.get('layer_types') or [
      LOCAL if is_local(layer) else GLOBAL for layer in range(num_layers)
    ]
    if len(types) != num_layers:
      raise self.error('layer_types', types, f'{num_layers} layers')
    if not set(types) <= set(KINDS):
      raise self.error('layer_types', types, ' and '.join(map(repr, KINDS)))
    kinds = shortest_pattern([KINDS[kind] for kind in types])
    window = self.size('sliding_window') if 'local' in kinds else 0
    return {'layer_kinds': kinds, 'local_window': window}

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


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)
