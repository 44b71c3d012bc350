"""Turns prompts into the features of SeqIO tasks, fitted to the lengths.

A prompt that is too long loses whole exemplars, class by class in turn, until
it fits; it is never cut in the middle and never loses its query. Prompts come
in batches, whose rows do not depend on each other. Shape suffixes: B prompts
of a batch, R those that are to be tokenized as whole texts, N slots for
exemplars, C label options, E examples.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import seqio

from symbol_tuning.data import fragments, settings, token_tables
from symbol_tuning.data.prompting import composing, frames

# Of errors that longer features would mend.
TOO_LONG = 'is longer than it may be'

# What the infixes of formats end with, as far as tokens are concerned.
_BEFORE_LABEL = ':'

Features = dict[str, np.ndarray]
Row = bytes  # tokens, int32


@dataclasses.dataclass(frozen=True)
class Limits:
  """How inputs and targets begin and end, and how long they may be.

  Attributes:
    vocabulary: the model's vocabulary.
    frame: what stands around prompts and ends labels.
    max_inputs: the most tokens of the inputs, None for no limit.
    max_targets: the same for the targets.
  """

  vocabulary: seqio.Vocabulary
  frame: frames.Frame
  max_inputs: int | None
  max_targets: int | None

  @classmethod
  def of(cls, lengths: Mapping[str, int] | None) -> 'Limits':
    """Returns those of the current settings at SeqIO's lengths."""
    lengths = lengths or {}
    return cls(
      vocabulary=settings.vocabulary(),
      frame=settings.frame(),
      max_inputs=lengths.get('inputs'),
      max_targets=lengths.get('targets'),
    )

  @functools.cached_property
  def room(self) -> float:
    """The most tokens of a prompt, without what stands around it."""
    if self.max_inputs is None:
      return np.inf
    return self.max_inputs - len(self.input_start + self.input_end) // 4

  @functools.cached_property
  def input_start(self) -> Row:
    return as_row(self.frame.before)

  @functools.cached_property
  def input_end(self) -> Row:
    return as_row(self.frame.between)

  @functools.cached_property
  def target_end(self) -> Row:
    return as_row([self.frame.end])

  def label(self, text: str) -> str:
    """Returns a label, which has a space in front, as it is to be written."""
    return text if self.frame.spaced else text.removeprefix(' ')

  def label_tokens(self, text: str) -> list[int]:
    """Returns the tokens of a label as they are after a prompt.

    Some tokenizers, such as Llama 2's, begin every text with a space of their
    own, which a label does not have beside the one it is written with.
    """
    start = self.vocabulary.encode(_BEFORE_LABEL)
    tokens = self.vocabulary.encode(_BEFORE_LABEL + text)
    if text.startswith(' ') and tokens[: len(start)] == start:
      return tokens[len(start) :]
    return self.vocabulary.encode(text)

  def targets_fit(self, targets: Sequence[Row]) -> np.ndarray:
    """Returns whether targets are short enough, bool."""
    most = np.inf if self.max_targets is None else self.max_targets
    return lengths(targets) <= most


def as_row(tokens: Sequence[int]) -> Row:
  """Returns tokens as bytes."""
  return np.array(tokens, np.int32).tobytes()


def lengths(rows: Sequence[Row]) -> np.ndarray:
  """Returns how many tokens rows have."""
  return np.array([len(r) for r in rows], int) // 4


class PromptTokenizer:
  """Writes the features `inputs` and `targets`, EOS included.

  Both are arrays of bytes, the int32 tokens of each example. Beside them stand
  what they were as text, the number of exemplars in the inputs and, as
  `num_exemplars_drawn`, their number before any was dropped.
  """

  def __init__(
    self,
    texts: np.ndarray,
    encoder: fragments.FragmentEncoder,
    limits: Limits,
  ):
    """Prepares a table.

    Args:
      texts: the fragments of the prompts, str [n].
      encoder: of the same vocabulary as the limits.
      limits: what the prompts are fitted to.
    """
    self._texts = texts
    self._table = token_tables.TokenTable(texts, encoder)
    self._limits = limits

  @classmethod
  def for_lengths(
    cls, texts: np.ndarray, lengths: Mapping[str, int] | None
  ) -> 'PromptTokenizer':
    """Returns the tokenizer of the current settings at SeqIO's lengths."""
    encoder = fragments.encoder(settings.current().vocabulary)
    return cls(texts, encoder, Limits.of(lengths))

  def training_examples(
    self, batch: composing.Prompts
  ) -> tuple[Features, np.ndarray]:
    """Returns inputs with the queries' labels as targets, and which fit."""
    inputs, fits_B = self._inputs(batch)
    label_B1 = np.take_along_axis(
      batch.options_BC, batch.label_B[:, np.newaxis], axis=1
    )
    targets = self._targets(label_B1)
    features = inputs | {
      'targets': objects(targets),
      'targets_pretokenized': objects(self._labels(label_B1)),
    }
    return features, fits_B & self._limits.targets_fit(targets)

  def option_examples(
    self, batch: composing.Prompts
  ) -> tuple[Features, np.ndarray]:
    """Returns inputs with each label option of a query as targets.

    The examples of a query follow each other; `option` is the number of the
    option and `is_correct` tells whether it is the label. Of those whose
    inputs do not fit, the second value says so.

    Raises:
      ValueError: if an option is too long.
    """
    num_options = batch.options_BC.shape[1]
    option_E1 = batch.options_BC.reshape(-1, 1)
    targets = self._targets(option_E1)
    if not self._limits.targets_fit(targets).all():
      raise ValueError(f'a label option {TOO_LONG}')
    inputs, fits_B = self._inputs(batch)
    option_E = np.tile(np.arange(num_options), len(fits_B))
    features = {k: np.repeat(v, num_options) for k, v in inputs.items()} | {
      'targets': objects(targets),
      'targets_pretokenized': objects(self._labels(option_E1)),
      'option': option_E,
      'is_correct': option_E == np.repeat(batch.label_B, num_options),
    }
    return features, np.repeat(fits_B, num_options)

  def _inputs(self, batch: composing.Prompts) -> tuple[Features, np.ndarray]:
    rows, written, num_kept_B = self.fit(batch, self._limits.room)
    start, end = self._limits.input_start, self._limits.input_end
    features = {
      'inputs': objects([start + row + end for row in rows]),
      'inputs_pretokenized': objects([text.encode() for text in written]),
      'num_exemplars': num_kept_B,
      'num_exemplars_drawn': batch.num_exemplars_B,
    }
    return features, lengths(rows) <= self._limits.room

  def _targets(self, numbers_E1: np.ndarray) -> list[Row]:
    rows = self._joined(numbers_E1)
    is_known_E = self._table.is_exact(numbers_E1) & self._limits.frame.spaced
    for i in np.flatnonzero(~is_known_E):
      text = self._limits.label(self._texts[numbers_E1[i, 0]])
      rows[i] = as_row(self._limits.label_tokens(text))
    return [row + self._limits.target_end for row in rows]

  def _labels(self, numbers_E1: np.ndarray) -> list[bytes]:
    labels = composing.join(self._texts, numbers_E1)
    return [self._limits.label(label).encode() for label in labels]

  def fit(
    self, batch: composing.Prompts, room: float
  ) -> tuple[list[Row], list[str], np.ndarray]:
    """Keeps as many exemplars of each prompt as fit into so many tokens.

    Returns:
      The tokens, the texts and the numbers of exemplars kept, int [B]. The
      tokens are more than there is room for only where those of the query
      alone are.
    """
    num_kept_B = self._most_that_fit(batch, room)
    numbers_BP = batch.numbers(num_kept_B)
    is_exact_B = self._table.is_exact(numbers_BP)
    # With one exemplar more, the prompt has to be known for too long.
    row_R = np.flatnonzero(num_kept_B < batch.num_exemplars_B)
    longer_RP = batch.rows(row_R).numbers(num_kept_B[row_R] + 1)
    is_exact_B[row_R] &= self._table.is_exact(longer_RP)
    rows = self._joined(numbers_BP * is_exact_B[:, np.newaxis])
    written = composing.join(self._texts, numbers_BP)
    row_R = np.flatnonzero(~is_exact_B)
    if len(row_R):
      whole = fit_texts(
        batch.rows(row_R).written,
        batch.num_exemplars_B[row_R],
        self._limits.vocabulary,
        room,
      )
      for i, tokens, text, num_kept in zip(row_R, *whole, strict=True):
        rows[i], written[i], num_kept_B[i] = as_row(tokens), text, num_kept
    return rows, written, num_kept_B

  def _most_that_fit(self, batch: composing.Prompts, room: float) -> np.ndarray:
    """Returns how many exemplars fit, by the lengths of fragments; int [B]."""
    after, first = range(2)
    row_B1 = np.arange(len(batch.label_B))[:, np.newaxis]
    # In the order in which exemplars are taken in.
    slot_BN = np.argsort(batch.drop_rank_BN, axis=1)
    block_BNWS = batch.exemplars_BNWS[row_B1, slot_BN]
    length_BN = self._table.lengths(block_BNWS[:, :, after]).sum(-1)
    # Of so many exemplars, the one that is shown first.
    front_BN = np.minimum.accumulate(slot_BN, axis=1)
    front_BNWS = batch.exemplars_BNWS[row_B1, front_BN]
    saved_BN = self._table.lengths(front_BNWS[:, :, after]) - (
      self._table.lengths(front_BNWS[:, :, first])
    )
    query_B = self._table.lengths(batch.query_BWS[:, after]).sum(-1)
    head = self._table.lengths(np.array([batch.head])).sum()
    total_BN = np.cumsum(length_BN, axis=1) - saved_BN.sum(-1)
    fits_BN = head + query_B[:, np.newaxis] + total_BN <= room
    num_fit_B = (fits_BN * np.arange(1, fits_BN.shape[1] + 1)).max(
      axis=1, initial=0
    )
    return np.minimum(num_fit_B, batch.num_exemplars_B)

  def _joined(self, numbers_BP: np.ndarray) -> list[Row]:
    tokens, length_B = self._table.join(numbers_BP)
    data = tokens.tobytes()
    ends = [0, *(4 * np.cumsum(length_B)).tolist()]
    return [data[i:j] for i, j in itertools.pairwise(ends)]


def fit_texts(
  written: Callable[[np.ndarray], list[str]],
  most_R: np.ndarray,
  vocabulary: seqio.Vocabulary,
  room: float,
) -> tuple[list[Sequence[int]], list[str], np.ndarray]:
  """Keeps as many exemplars as fit, by the lengths of whole texts.

  Args:
    written: returns the prompts with so many exemplars.
    most_R: how many exemplars the prompts have.
    vocabulary: what tokenizes them.
    room: the most tokens of a prompt.

  Returns:
    Tokens, texts and numbers of exemplars kept.
  """
  least_R, middle_R = np.zeros_like(most_R), most_R
  while True:
    texts = written(middle_R)
    tokens = fragments.encode_texts(vocabulary, texts)
    fits_R = np.array([len(t) <= room for t in tokens], bool)
    least_R = np.where(fits_R, middle_R, least_R)
    most_R = np.where(fits_R, most_R, np.maximum(middle_R - 1, least_R))
    if (middle_R == least_R).all() and (least_R == most_R).all():
      return tokens, texts, middle_R
    middle_R = (least_R + most_R + 1) // 2


def objects(items: Sequence[bytes]) -> np.ndarray:
  """Returns an array of bytes of any length."""
  array = np.empty(len(items), object)
  array[:] = items
  return array
