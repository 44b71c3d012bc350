"""What there is to say about a dataset: a declaration, and nothing that runs.

A `DatasetSpec` holds all that distinguishes one classification dataset from
another: where its rows are, how a row becomes an input text, and what its
labels are called. Tasks, prompts and evaluation settings are derived from it,
so a new dataset is one more spec. The idea of a declarative catalog is FLAN's
and SeqIO's (Wei et al., 2021, arXiv 2109.01652).
"""

import dataclasses
import numbers
import re
import string
from collections.abc import Sequence
from typing import Any

from absl import logging

Pairs = tuple[tuple[str, str], ...]
LabelValue = int | str | bool

CONVERTED = 'refs/convert/parquet'
SAME_SPLITS = (('train', 'train'), ('validation', 'validation'))


@dataclasses.dataclass(frozen=True)
class HubLocation:
  """A dataset in a Hugging Face repository, stored as Parquet.

  Attributes:
    repository: `owner/name`.
    configuration: which of the repository's datasets, where it has several.
    splits: (our split, the repository's split) pairs.
    columns: (the spec's column, the repository's column) where they differ.
    revision: `CONVERTED` where only the hub's own conversion is Parquet; that
      branch keeps each configuration in a folder of its name.
  """

  repository: str
  configuration: str | None = None
  splits: Pairs = SAME_SPLITS
  columns: Pairs = ()
  revision: str | None = None


@dataclasses.dataclass(frozen=True)
class TfdsLocation:
  """A dataset in TensorFlow Datasets.

  Attributes:
    name: as `tfds.load` takes it, for example `glue/sst2`.
    splits: (our split, TFDS's split) pairs.
    columns: (the spec's column, TFDS's column) where they differ.
  """

  name: str
  splits: Pairs = SAME_SPLITS
  columns: Pairs = ()


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
  """One dataset of single-label classification.

  Attributes:
    name: in a-z, 0-9 and _; task names are built from it. The paper's code in
      lower case for the paper's datasets.
    template: a row's input text, a `str.format` string over its columns.
    labels: the label names a model writes, in id order.
    instruction: what to do, in plain words that name no label: a model that is
      shown symbols for labels would learn nothing of them else.
    label_column: the column with the label: its name, or what stands for it in
      `label_values`.
    label_values: what is stored for each label, in id order, where that is
      neither its name nor its place (0, 1, …): other numbers, other names, or
      `(False, True)`. Where other names are declared, places count all the
      same.
    hub: where it is on the Hugging Face hub, or None.
    tfds: where it is in TensorFlow Datasets, or None.
    local: its folder below a root of local files; by default its name.
    task_type: the group it stands in, for example `sentiment`.
  """

  name: str
  template: str
  labels: tuple[str, ...]
  instruction: str
  label_column: str = 'label'
  label_values: tuple[LabelValue, ...] | None = None
  hub: HubLocation | None = None
  tfds: TfdsLocation | None = None
  local: str = ''
  task_type: str = ''

  def __post_init__(self):
    object.__setattr__(self, 'local', self.local or self.name)
    if not re.fullmatch('[a-z0-9_]+', self.name):
      raise ValueError(
        f'A dataset is named in a-z, 0-9 and _, not {self.name!r}.'
      )
    self._check_listed('labels', self.labels, str)
    object.__setattr__(self, 'labels', tuple(self.labels))
    self._check_labels()
    if self.label_values is not None:
      self._check_listed('label_values', self.label_values, str | numbers.Real)
      object.__setattr__(self, 'label_values', tuple(self.label_values))
      self._check_label_values(self.label_values)
    self._check_template()
    self._check_locations()
    self._check_columns()
    self._check_instruction()

  def _check_listed(self, field: str, given: Any, kind: Any) -> None:
    # A set has another order in each process, and a dict may have any.
    is_listed = isinstance(given, list | tuple)
    if not is_listed or not all(isinstance(one, kind) for one in given):
      what = 'texts' if kind is str else 'texts, numbers or truth values'
      raise ValueError(
        f'{self.name}: {field} are a tuple of {what} in the order of class'
        f' ids, not {given!r}.'
      )

  def _check_labels(self) -> None:
    if len(self.labels) < 2:
      raise ValueError(
        f'{self.name}: labels are two or more names, not {self.labels!r}.'
      )
    if len({label.lower() for label in self.labels}) < len(self.labels):
      raise ValueError(
        f'{self.name}: a label stands twice, whatever its case: {self.labels}.'
      )
    for label in self.labels:
      if not label or label != ' '.join(label.split()):
        raise ValueError(
          f'{self.name}: a label is a word, or some between single spaces, not'
          f' {label!r}.'
        )

  def _check_label_values(self, label_values: Sequence[LabelValue]) -> None:
    values = [str(value).lower() for value in label_values]
    if len(set(values)) != self.num_classes:
      raise ValueError(
        f'{self.name}: label_values {self.label_values} should be'
        f' {self.num_classes} different values, one for each of {self.labels}.'
      )
    names = [label.lower() for label in self.labels]
    if set(values) == set(names) and values != names:
      raise ValueError(
        f'{self.name}: label_values {self.label_values} are the labels'
        f' {self.labels} in another order, so that each label is stored as'
        ' another one. Give both in one order.'
      )

  def _check_template(self) -> None:
    try:
      parts = list(string.Formatter().parse(self.template))
    except ValueError as error:
      raise ValueError(
        f'{self.name}: the template {self.template!r} is no format string'
        f' ({error}).'
      ) from None
    for _, field, form, conversion in parts:
      if field is not None and (
        form or conversion or not re.fullmatch(r'(?!\d+$)[^.\[\]{}]+', field)
      ):
        raise ValueError(
          f'{self.name}: the template {self.template!r} has {{{field}}}, which'
          " is not just the name of a column, as in '{text}'."
        )
    if not self.text_columns:
      raise ValueError(
        f'{self.name}: the template {self.template!r} reads no column; write'
        " its name in braces, as in '{text}'."
      )
    if self.label_column in self.text_columns:
      raise ValueError(
        f'{self.name}: the template {self.template!r} shows the label, column'
        f' {self.label_column!r}.'
      )
    self._check_blank_lines('template', self.template)

  def _check_locations(self) -> None:
    for field, given, kind in (
      ('hub', self.hub, HubLocation),
      ('tfds', self.tfds, TfdsLocation),
    ):
      if given is not None and not isinstance(given, kind):
        raise ValueError(
          f'{self.name}: {field} is {given!r}; write {kind.__name__}(…).'
        )

  def _check_columns(self) -> None:
    known = (self.label_column, *self.text_columns)
    for location in (self.hub, self.tfds):
      if location is None:
        continue
      theirs = {name: name for name in known} | dict(location.columns)
      if unknown := sorted(theirs.keys() - set(known)):
        raise ValueError(
          f'{self.name}: {location} renames {", ".join(unknown)}, but the'
          f' columns of the spec are {", ".join(known)}.'
        )
      label = theirs.pop(self.label_column)
      if label in theirs.values():
        raise ValueError(
          f'{self.name}: by the columns of {location}, {label!r} is both the'
          ' label and a text, so that the template shows the label.'
        )

  def _check_instruction(self) -> None:
    if not isinstance(self.instruction, str) or not self.instruction.strip():
      raise ValueError(
        f'{self.name}: the instruction is {self.instruction!r}; say what to'
        ' do, for prompts with an instruction would have none.'
      )
    self._check_blank_lines('instruction', self.instruction)
    if named := self.labels_in_instruction:
      logging.warning(
        '%s: the instruction names the labels (%s), which symbols are to'
        ' replace.', self.name, ', '.join(named),
      )  # fmt: skip

  def _check_blank_lines(self, what: str, text: str) -> None:
    if re.search(r'\n\s*\n', text):
      raise ValueError(
        f'{self.name}: the {what} {text!r} has a blank line, which is what'
        ' parts the examples of a prompt.'
      )

  @property
  def labels_in_instruction(self) -> list[str]:
    """The labels, and words of labels, which the instruction names."""
    text = self.instruction.lower()
    return [
      word
      for word in sorted(self.label_words)
      if re.search(rf'(?<!\w){re.escape(word)}(?!\w)', text)
    ]

  @property
  def num_classes(self) -> int:
    return len(self.labels)

  @property
  def label_words(self) -> frozenset[str]:
    """The labels and the words in them, in lower case.

    Numbers are left out: the `1` of `choice 1` says nothing by itself.
    """
    labels = [label.lower() for label in self.labels]
    words = (word for label in labels for word in re.findall('[a-z]+', label))
    return frozenset([*labels, *words])

  @property
  def text_columns(self) -> tuple[str, ...]:
    """The columns which the template reads, in order of first use."""
    fields = (
      field for _, field, _, _ in string.Formatter().parse(self.template)
    )
    return tuple(dict.fromkeys(field for field in fields if field))
