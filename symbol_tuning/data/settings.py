"""What a run chooses about its data: vocabulary, source, prompt options.

SeqIO tasks are registered once, by import; what a run chooses must not be
baked into them. They ask `current()` when they are loaded. A run sets it in
gin (`settings.DataSettings.vocabulary = …`), a Python program or a test with
`use`.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import gin
import seqio

from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting import frames, symbols

_CHOICES = {
  'separator': frames.SEPARATORS,
  'loss_on': ('query', 'labels'),
  'instruction_placement': ('each', 'once'),
}
_LEAST_EXEMPLARS = {
  'symbol_tuning_exemplars': 1,  # Without, nothing tells what a symbol means.
  'instruction_tuning_exemplars': 0,
}
_LEAST = {
  'max_examples': 1,
  'symbols_per_category': 1,
  'evaluation_exemplars': 0,
  'evaluation_queries': 1,
}
_FLAGS = ('random_labels', 'skip_missing')
_NEEDED = ('vocabulary', 'source')
_SERIES = (
  'symbol_tuning_exemplars',
  'instruction_tuning_exemplars',
  'symbol_categories',
  'word_files',
)


@dataclasses.dataclass(frozen=True)
class DataSettings:
  """The choices of one run.

  Attributes:
    vocabulary: the vocabulary of the model, by name (see data.vocabularies).
    source: where labelled examples come from.
    separator: what stands between a prompt and its label: 'eos' as in the
      paper, 'none', or 'chat' for models with a chat template (see frames).
    max_examples: the most examples used of each tuning dataset; it also
      weighs the datasets of a mixture (paper: 25k).
    symbol_tuning_exemplars: least and most exemplars per class in a symbol
      tuning prompt (paper: 2 to 10).
    instruction_tuning_exemplars: the same for instruction tuning.
    symbol_categories: categories from which symbols are drawn.
    symbols_per_category: the most symbols of a category that tuning uses
      (paper: 10k); which ones is the same choice in every run.
    word_files: two files of words, a word a line, for tuning and evaluation,
      instead of `wordfreq`'s; words of both files serve tuning only. The
      paper's lists are those which its published symbol generator names.
    loss_on: 'query', the label that is asked for, as in the paper, or 'labels',
      also those of exemplars whose class was shown before.
    random_labels: give exemplars symbols whatever their class, as a control;
      what is learned then is not to read labels from exemplars.
    instruction_placement: where an instruction stands: before 'each' input, as
      in the paper's Figure 1, or 'once' at the head of a prompt.
    instruction_share: the share of instruction tuning prompts, 0 to 1, in
      mixtures of both kinds.
    evaluation_exemplars: exemplars per class in evaluation (paper: 4).
    evaluation_queries: the most queries of each evaluation dataset
      (paper: 100).
    skip_missing: leave out of a mixture the datasets that the source does
      not have, instead of raising an error.
  """

  vocabulary: vocabularies.VocabularyName
  source: sources.Source
  separator: str = 'eos'
  max_examples: int = 25_000
  symbol_tuning_exemplars: tuple[int, int] = (2, 10)
  instruction_tuning_exemplars: tuple[int, int] = (0, 4)
  symbol_categories: tuple[str, ...] = symbols.CATEGORIES
  symbols_per_category: int = 10_000
  word_files: tuple[str, str] | None = None
  loss_on: str = 'query'
  random_labels: bool = False
  instruction_placement: str = 'each'
  instruction_share: float = 0.5
  evaluation_exemplars: int = 4
  evaluation_queries: int = 100
  skip_missing: bool = False

  def __post_init__(self):
    # Gin files may give lists; what is looked up by these must not be one.
    for name in _SERIES:
      value = getattr(self, name)
      if isinstance(value, list):
        object.__setattr__(self, name, tuple(value))
    for name, choices in _CHOICES.items():
      value = getattr(self, name)
      if value not in choices:
        raise ValueError(f'{name} {value!r} is none of {", ".join(choices)}.')
    for name in _FLAGS:
      value = getattr(self, name)
      if not isinstance(value, bool):  # 'False' would count as true.
        raise ValueError(f'{name} is {value!r}; it must be True or False.')
    for name, least in _LEAST_EXEMPLARS.items():
      value = getattr(self, name)
      if not _is_range(value, least):
        raise ValueError(
          f'{name} = {value!r} is not the least and the most exemplars per'
          f' class, such as (2, 10), of {least} or more.'
        )
    for name, least in _LEAST.items():
      value = getattr(self, name)
      if not isinstance(value, int) or value < least:
        raise ValueError(
          f'{name} is {value!r}; it must be a whole number, at least {least}.'
        )
    if self.word_files is not None and (
      not isinstance(self.word_files, tuple) or len(self.word_files) != 2
    ):
      raise ValueError(
        f'word_files = {self.word_files!r}: name two files, one for tuning and'
        ' one for evaluation.'
      )
    if not 0 <= self.instruction_share <= 1:
      raise ValueError(
        f'instruction_share {self.instruction_share} is not within 0 and 1.'
      )
    unknown = set(self.symbol_categories) - set(symbols.CATEGORIES)
    is_text = isinstance(self.symbol_categories, str)
    if unknown or is_text or not self.symbol_categories:
      raise ValueError(
        f'symbol_categories {self.symbol_categories!r}: choose some of'
        f' {", ".join(symbols.CATEGORIES)}.'
      )


def _is_range(value: object, least: int) -> bool:
  """Whether a value is two whole numbers from `least` on, the second no 0."""
  return (
    isinstance(value, tuple)
    and len(value) == 2
    and all(isinstance(number, int) for number in value)
    and least <= value[0] <= value[1] != 0
  )


_current: DataSettings | None = None


def use(settings: DataSettings | None) -> None:
  """Makes `settings` the current ones; None returns to those of gin."""
  global _current
  _current = settings


@contextlib.contextmanager
def using(settings: DataSettings) -> Iterator[None]:
  """Makes `settings` the current ones for a while."""
  before = _current
  use(settings)
  try:
    yield
  finally:
    use(before)


def changed(**changes: Any) -> contextlib.AbstractContextManager[None]:
  """Has some fields of the current settings differ for a while."""
  return using(dataclasses.replace(current(), **changes))


def current() -> DataSettings:
  """Returns the settings in use.

  Raises:
    ValueError: if neither gin nor `use` has set a vocabulary and a source, or
      gin has set a value that a field does not take.
  """
  global _current
  if _current is None:
    _check_set()
    _current = gin.get_configurable(DataSettings)()
  return _current


def _check_set() -> None:
  """Raises ValueError if gin knows no vocabulary or no source."""
  try:
    bound = gin.get_bindings(DataSettings, resolve_references=False)
  except ValueError:  # Nothing that was read binds any field.
    bound = {}
  unset = [name for name in _NEEDED if _is_unset(bound.get(name))]
  if unset:
    raise ValueError(
      f'No {" and no ".join(unset)} is set for this task or mixture. In gin,'
      ' include a models/*.gin file (VOCABULARY) and set DATA_SOURCE; in'
      ' Python, call settings.use(DataSettings(…)).'
    )


def _is_unset(bound: Any) -> bool:
  """Whether a binding is none, or leads to a macro without a value."""
  while repr(bound).startswith('%'):
    if repr(bound) == '%gin.REQUIRED':
      return True
    try:
      bound = gin.query_parameter(repr(bound))
    except ValueError:
      return True
  return bound is None


def vocabulary() -> seqio.Vocabulary:
  """Returns the vocabulary of the current settings, loaded."""
  return current().vocabulary.load()


def frame() -> frames.Frame:
  """Returns the tokens around prompts and labels in the current settings.

  Raises:
    ValueError: if the vocabulary does not support the separator.
  """
  return frames.of(current().separator, vocabulary())


class CurrentVocabulary(seqio.Vocabulary):
  """Stands in a task's features for the vocabulary of the current run."""

  @property
  def bos_id(self):
    return vocabulary().bos_id

  @property
  def eos_id(self):
    return vocabulary().eos_id

  @property
  def unk_id(self):
    return vocabulary().unk_id

  @property
  def _base_vocab_size(self):
    return vocabulary().vocab_size

  def _encode(self, s):
    return vocabulary().encode(s)

  def _decode(self, ids):
    return vocabulary().decode(ids)

  def _encode_tf(self, s):
    return vocabulary().encode_tf(s)

  def _decode_tf(self, ids):
    return vocabulary().decode_tf(ids)

  def __eq__(self, other: object) -> bool:
    return isinstance(other, CurrentVocabulary)

  def __hash__(self) -> int:
    return hash(CurrentVocabulary)
