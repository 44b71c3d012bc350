"""How answers are written, and where they end."""

import dataclasses
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Decoding:
  """How answers are written.

  Attributes:
    max_new_tokens: the most tokens of an answer, that which ends it included.
    temperature: 0 for the most probable token, again and again; else tokens are
      drawn from softmax(logits / temperature).
    stop: texts that end an answer before them, wherever in tokens they begin
      and end.
    seed: of the draws, which depend on it and on the number of the prompt, and
      not on what shares a batch with it.
  """

  max_new_tokens: int = 64
  temperature: float = 0.0
  stop: tuple[str, ...] = ()
  seed: int = 0

  def __post_init__(self):
    if isinstance(self.stop, str) or not all(self.stop):
      raise ValueError(f'stop {self.stop!r} is not a list of texts.')
    # Of a list, as gin files may give it, jit could take no hash.
    object.__setattr__(self, 'stop', tuple(self.stop))
    if self.max_new_tokens < 1 or self.temperature < 0:
      raise ValueError(
        f'max_new_tokens is {self.max_new_tokens} and must be at least 1;'
        f' temperature is {self.temperature} and must not be negative.'
      )


@dataclasses.dataclass(frozen=True)
class End:
  """What a vocabulary says of where texts end.

  Attributes:
    ids: the tokens that end an answer.
    decode: the text of token ids.
  """

  ids: tuple[int, ...]
  decode: Callable[[Sequence[int]], str]


@dataclasses.dataclass(frozen=True)
class Written:
  """What a model has written after a prompt.

  Attributes:
    tokens: before the token that ends the answer; the last may complete a stop
      text.
    text: of these tokens, before the stop text.
  """

  tokens: tuple[int, ...]
  text: str


def ended(
  tokens: Sequence[int], decoding: Decoding, end: End
) -> Written | None:
  """Returns an answer if it has ended among these tokens; None if it goes on.

  Args:
    tokens: what was written so far, perhaps beyond the end of the answer.
    decoding: says what ends an answer beside `end`.
    end: tokens that do.
  """
  tokens = list(tokens[: decoding.max_new_tokens])
  length = next((i for i, t in enumerate(tokens) if t in end.ids), None)
  before = tokens[:length]
  if decoding.stop and _first_stop(end.decode(before), decoding) is not None:
    return _stopped(before, decoding, end)
  if length is None and len(tokens) < decoding.max_new_tokens:
    return None
  return Written(tuple(before), end.decode(before))


def _stopped(
  tokens: Sequence[int], decoding: Decoding, end: End
) -> Written | None:
  """The fewest tokens that hold a stop text."""
  for length in range(1, len(tokens) + 1):
    text = end.decode(tokens[:length])
    first = _first_stop(text, decoding)
    if first is not None:
      return Written(tuple(tokens[:length]), text[:first])
  return None


def _first_stop(text: str, decoding: Decoding) -> int | None:
  """Where the first stop text begins."""
  places = [text.find(stop) for stop in decoding.stop]
  return min((place for place in places if place >= 0), default=None)
