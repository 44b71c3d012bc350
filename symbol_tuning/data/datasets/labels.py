"""Reads a column of labels: which class does each stored value mean?

A stored label is the name of a class ('positive', or the name that a Parquet
file's or TFDS's ClassLabel gives to a number) or a raw value that a spec's
`label_values` declares (by default 0, 1, …). The two can be confused: with the
labels ('1', '0'), is a stored 1 the first class or the second? Which it is
follows from the column as a whole, never from one value; where not even that
tells, the column is refused.
"""

import collections
import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symbol_tuning.data.datasets.spec import DatasetSpec, LabelValue

_TEXT, _NUMBER, _TRUTH = 'text', 'number', 'truth'
UNLABELLED = -1  # The hub's "no label".


class StoredLabel(NamedTuple):
  """A label as it is stored; hashable, and True differs from 1.

  Attributes:
    kind: whether a text, a number or a truth value is stored.
    value: the text in lower case, the number or the truth value.
  """

  kind: str
  value: str | float | bool

  @classmethod
  def of(cls, value: Any) -> 'StoredLabel':
    """Takes a value from a row.

    Raises:
      ValueError: it is neither text nor number nor truth value.
    """
    if isinstance(value, str):
      return cls(_TEXT, ' '.join(value.split()).lower())
    if isinstance(value, bool | np.bool_):
      return cls(_TRUTH, bool(value))
    if isinstance(value, numbers.Integral):
      return cls(_NUMBER, int(value))
    if isinstance(value, numbers.Real) and math.isfinite(value):
      number = float(value)
      return cls(_NUMBER, int(number) if number.is_integer() else number)
    raise ValueError(f'is {value!r}, which is no text, number or truth value')

  @property
  def is_text(self) -> bool:
    return self.kind == _TEXT

  @property
  def text(self) -> str:
    """What is stored, as a text in lower case."""
    return str(self.value).lower()

  @property
  def number(self) -> float | None:
    """The number that is stored, be it as text, or None."""
    if isinstance(self.value, str):
      is_number = re.fullmatch(r'[+-]?\d+(\.0*)?', self.value)
      return int(self.value.partition('.')[0]) if is_number else None
    return self.value if self.kind == _NUMBER else None

  def __str__(self) -> str:
    return repr(self.value) if self.is_text else self.text


class Meaning(NamedTuple):
  """The classes that a stored label may mean: by their names, by values."""

  by_name: int | None
  by_value: int | None


class LabelReader:
  """Tells the classes of stored labels, by a dataset's spec."""

  def __init__(self, spec: DatasetSpec, is_typed: bool = True):
    """Prepares for one place where the dataset is stored.

    Args:
      spec: the dataset.
      is_typed: whether a number differs from a text that spells it, as in JSON
        but not in CSV.
    """
    self._spec = spec
    self._values = spec.label_values
    self._is_typed = is_typed
    self._names = _Texts(spec.labels)
    self._texts, self._others = _by_value(self._values, spec.num_classes)

  def class_ids(
    self, places: Mapping[StoredLabel, str], column: str
  ) -> dict[StoredLabel, int]:
    """Returns the class of each stored label; those that mean none are absent.

    Args:
      places: all labels that a column holds, and where each stands first.
      column: its name.

    Raises:
      ValueError: a label of no class, or one that may be the name of a class
        and the raw value of another.
    """
    meanings = {
      label: Meaning(self._by_name(label), self._by_value(label))
      for label in places
    }
    labels = [
      label
      for label, meaning in meanings.items()
      if label.number != UNLABELLED or meaning != Meaning(None, None)
    ]
    names, values = self._readings(
      [meanings[label] for label in labels], labels
    )
    ids = {}
    for label in labels:
      by_name = meanings[label].by_name if names else None
      by_value = meanings[label].by_value if values else None
      class_id = by_value if by_name is None else by_name
      if class_id is None:
        raise ValueError(f'{places[label]}: {column} {self._unknown(label)}')
      if by_value not in (None, class_id):
        problem = self._unclear(label, labels, self._spec.labels[by_value])
        raise ValueError(f'{places[label]}: {column} {problem}')
      ids[label] = class_id
    return ids

  def _readings(
    self, meanings: Sequence[Meaning], labels: Sequence[StoredLabel]
  ) -> tuple[bool, bool]:
    """Whether a column may hold names, and whether it may hold values."""
    all_named = all(meaning.by_name is not None for meaning in meanings)
    all_valued = all(meaning.by_value is not None for meaning in meanings)
    if all_valued and (self._values or not all_named):
      return False, True
    are_names = self._is_typed and all(
      label.is_text and self._names.find(label.text) is not None
      for label in labels
    )
    if all_named and (are_names or not all_valued):
      return True, False
    return True, True

  def _by_name(self, label: StoredLabel) -> int | None:
    found = self._names.find(label.text)
    if found is None and label.number in (0, 1):
      # 1 may be meant as the name 'true'.
      return self._names.exact.get(str(bool(label.number)).lower())
    return found

  def _by_value(self, label: StoredLabel) -> int | None:
    if label.is_text and (found := self._texts.find(label.text)) is not None:
      return found
    if label.number is not None:
      label = StoredLabel(_NUMBER, label.number)
    return self._others.get(label)

  def _unknown(self, label: StoredLabel) -> str:
    values = self._values or range(self._spec.num_classes)
    return (
      f'is {label}, but {self._spec.name} has the labels'
      f' {", ".join(self._spec.labels)}, stored as such or as'
      f' {", ".join(map(repr, values))}. If they are stored otherwise, write'
      ' how into DatasetSpec.label_values, in the order of the labels, as in'
      f' {_example(label)}.'
    )

  def _unclear(
    self, label: StoredLabel, labels: Iterable[StoredLabel], by_value: str
  ) -> str:
    held = ', '.join(map(str, labels))
    return (
      f'holds {held}: these may be the names of the labels of'
      f' {self._spec.name}, {", ".join(self._spec.labels)}, or numbers of'
      f' classes, by which {label} is {by_value!r}. Write what is stored for'
      ' each label into DatasetSpec.label_values, in the order of the labels;'
      f' if they are names: ({", ".join(self._spec.labels)}).'
    )


class _Texts:
  """Numbers of texts in lower case, however their words are joined.

  `not entailment` is the hub's `not_entailment`, and `choice 1` `choice1`.
  Where several texts are the same but for that, only they themselves are
  found: with `log in` and `login`, a `log_in` may be either.
  """

  def __init__(self, texts: Iterable[str | None]):
    self.exact = {
      StoredLabel.of(text).text: i
      for i, text in enumerate(texts)
      if text is not None
    }
    counts = collections.Counter(map(_joined, self.exact))
    self._joined = {
      joined: i
      for text, i in self.exact.items()
      if counts[joined := _joined(text)] == 1
    }

  def find(self, text: str) -> int | None:
    return self.exact.get(text, self._joined.get(_joined(text)))


def _by_value(
  values: Sequence[LabelValue] | None, num_classes: int
) -> tuple[_Texts, dict[StoredLabel, int]]:
  """Class ids by the text and by the number or truth value that is stored."""
  labels = [StoredLabel.of(value) for value in values or ()]
  texts = _Texts(label.text if label.is_text else None for label in labels)
  others = {}
  for i, label in enumerate(labels):
    if label.kind == _TRUTH:
      texts.exact[label.text] = i
      others[label] = i
      others[StoredLabel(_NUMBER, int(label.value))] = i
    elif label.number is not None:
      others[StoredLabel(_NUMBER, label.number)] = i
  # Where names are declared only, numbers count the classes all the same.
  if not others:
    others = {StoredLabel(_NUMBER, i): i for i in range(num_classes)}
  return texts, others


def _joined(text: str) -> str:
  """Leaves out what separates words; a sign in front of a number stays."""
  return re.sub(r'(?<=[^\W_])[\s_-]+(?=[^\W_])', '', text)


def _example(label: StoredLabel) -> str:
  if label.kind == _TRUTH:
    return '(False, True)'
  return f'({label}, …)'
