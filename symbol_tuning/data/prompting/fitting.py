"""Tokenizes prompts and fits them into the length that a model reads.

A prompt that is too long loses whole exemplars (see `records.Prompt.kept`); it
is never cut and never loses its query. Exemplars of the query's class and of
another stay; a prompt for which not even two fit is dropped.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import seqio

from symbol_tuning.data import settings
from symbol_tuning.data.prompting import frames
from symbol_tuning.data.prompting.records import LABEL, Option, Prompt

# Of errors that longer features would mend.
TOO_LONG = 'is longer than it may be'

# What stands before a label, as far as its tokens are concerned.
_BEFORE_LABEL = ':'
# Only texts that would need longer tokens than this, on average, to fit are
# suspected of being too long for any prompt.
_CHARACTERS_PER_TOKEN = 8


def checked_lengths(lengths: Mapping[str, int]) -> Mapping[str, int]:
  """Returns the lengths of features.

  Raises:
    ValueError: one is of a feature that no task has, and would limit nothing.
  """
  if unknown := set(lengths) - {'inputs', 'targets'}:
    raise ValueError(
      f"TASK_FEATURE_LENGTHS are of 'inputs' and 'targets', not of"
      f' {", ".join(map(repr, sorted(unknown)))}: {dict(lengths)}.'
    )
  return lengths


@dataclasses.dataclass(frozen=True, slots=True)
class FittedPrompt:
  """A prompt that fits.

  Attributes:
    prompt: with the exemplars that were kept.
    text: as it is written.
    inputs: its tokens, with those around a prompt; int32 [n].
  """

  prompt: Prompt
  text: str
  inputs: np.ndarray


@dataclasses.dataclass(frozen=True)
class Fitter:
  """Writes prompts and labels as tokens of a model.

  Attributes:
    vocabulary: the model's vocabulary.
    frame: the tokens around prompts and labels.
    max_inputs: the most tokens of a prompt, None for no limit.
    max_targets: the same for a label.
  """

  vocabulary: seqio.Vocabulary
  frame: frames.Frame
  max_inputs: int | None = None
  max_targets: int | None = None
  _written: dict[str, Option] = dataclasses.field(
    default_factory=dict, repr=False, compare=False
  )

  @classmethod
  def of(cls, lengths: Mapping[str, int] | None) -> 'Fitter':
    """Returns that of the current settings at SeqIO's feature lengths."""
    lengths = lengths or {}
    return cls(
      vocabulary=settings.vocabulary(),
      frame=settings.frame(),
      max_inputs=lengths.get('inputs'),
      max_targets=lengths.get('targets'),
    )

  @property
  def room(self) -> float:
    """The most tokens of a prompt, without what stands around it."""
    if self.max_inputs is None:
      return math.inf
    around = len(self.frame.before) + len(self.frame.between)
    return self.max_inputs - around

  def fit(self, prompts: Sequence[Prompt]) -> list[FittedPrompt | None]:
    """Keeps as many exemplars of each prompt as fit.

    Returns:
      The prompts with their tokens; None for those that cannot be answered
      within the length.
    """
    fitted: list[FittedPrompt | None] = [None] * len(prompts)
    # The fewest and the most exemplars of each that are still to be tried.
    least = [2 if prompt.num_drawn else 0 for prompt in prompts]
    most = [len(prompt.exemplars) for prompt in prompts]
    trying = list(most)
    waiting = [i for i, p in enumerate(prompts) if p.is_answerable]
    while waiting:
      shown = [prompts[i].kept(trying[i]) for i in waiting]
      texts = [prompt.text for prompt in shown]
      rows = encode_texts(self.vocabulary, texts)
      for i, prompt, text, tokens in zip(
        waiting, shown, texts, rows, strict=True
      ):
        if len(tokens) <= self.room:
          fitted[i] = FittedPrompt(prompt, text, self.framed(tokens))
          least[i] = trying[i] + 1
        else:
          most[i] = trying[i] - 1
      waiting = [i for i in waiting if least[i] <= most[i]]
      for i in waiting:
        trying[i] = (least[i] + most[i] + 1) // 2
    return fitted

  def framed(self, tokens: Sequence[int]) -> np.ndarray:
    """Returns the tokens of a prompt with those around it, int32 [n]."""
    row = [*self.frame.before, *tokens, *self.frame.between]
    return np.array(row, np.int32)

  def label_loss(self, fitted: FittedPrompt) -> np.ndarray:
    """Marks the tokens of exemplars' labels that can be known.

    A label can be known where an exemplar of its class stands before. Where a
    tokenizer joins the end of a label with what follows, that token is left
    out; where it joins the beginning with what stands before, it counts.

    Returns:
      int32 [n], 1 at those tokens of `fitted.inputs` and 0 elsewhere.
    """
    start = len(self.frame.before)
    end = len(fitted.inputs) - len(self.frame.between)
    tokens = fitted.inputs[start:end].tolist()
    loss = np.zeros_like(fitted.inputs)
    seen = set()
    labels = iter(exemplar.label for exemplar in fitted.prompt.exemplars)
    text = ''
    for piece in fitted.prompt.pieces():
      if piece.kind == LABEL:
        label = next(labels)
        if label in seen:
          first = self._num_shared(text, tokens)
          last = self._num_shared(text + piece.text, tokens)
          loss[start + first : start + last] = 1
        seen.add(label)
      text += piece.text
    return loss

  def _num_shared(self, beginning: str, tokens: Sequence[int]) -> int:
    """Returns how many tokens a text and its beginning have in common."""
    pairs = zip(self.vocabulary.encode(beginning), tokens, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda p: p[0] == p[1], pairs))

  def option(self, label: str) -> Option:
    """Returns a label as it follows a prompt.

    Raises:
      ValueError: if it has more tokens than it may have.
    """
    option = self.written(label)
    if not self.has_room_for(option):
      raise ValueError(
        f'the label {label!r} {TOO_LONG}: {len(option.tokens)} tokens of at'
        f' most {self.max_targets}'
      )
    return option

  def has_room_for(self, option: Option) -> bool:
    """Whether a label is short enough."""
    return self.max_targets is None or len(option.tokens) <= self.max_targets

  def written(self, label: str) -> Option:
    """Returns a label as it follows a prompt, however long it is."""
    if label not in self._written:
      # An empty answer is ended at once.
      spaced = f' {label}' if label and self.frame.spaced else label
      tokens = [*self._label_tokens(spaced), self.frame.end]
      self._written[label] = Option(spaced, np.array(tokens, np.int32))
    return self._written[label]

  def _label_tokens(self, text: str) -> list[int]:
    """Returns the tokens of a label as they are after a prompt.

    Some tokenizers, such as Llama 2's, begin every text with a space of their
    own, which a label does not have beside the one it is written with.
    """
    start = self.vocabulary.encode(_BEFORE_LABEL)
    tokens = self.vocabulary.encode(_BEFORE_LABEL + text)
    if text.startswith(' ') and tokens[: len(start)] == start:
      return tokens[len(start) :]
    return self.vocabulary.encode(text)

  def too_long(self, texts: Sequence[str]) -> frozenset[str]:
    """Returns the texts that no prompt has room for, whatever else it shows.

    Only very long texts are looked at: others are few enough in each prompt
    for `fit` to drop them as they come.
    """
    if math.isinf(self.room):
      return frozenset()
    suspects = {
      text for text in texts if len(text) > _CHARACTERS_PER_TOKEN * self.room
    }
    return frozenset(
      text for text in suspects if len(self.vocabulary.encode(text)) > self.room
    )


def encode_texts(
  vocabulary: seqio.Vocabulary, texts: Sequence[str]
) -> list[Sequence[int]]:
  """Tokenizes texts; all at once where that is faster."""
  encode_many = getattr(vocabulary, 'encode_many', None)
  if encode_many is not None:
    return encode_many(texts)
  return [vocabulary.encode(text) for text in texts]
