"""What there is to say about a dataset: a declaration, and nothing that runs.

A `DatasetSpec` holds all that distinguishes one classification dataset from
another: where its rows are, how a row becomes an input text, and what its
labels are called. Tasks, prompts and evaluation settings are derived from it,
so a new dataset is one more spec. The idea of a declarative catalog is FLAN's
and SeqIO's (Wei et al., 2021, arXiv 2109.01652).
"""

import dataclasses
import re
import string

Pairs = tuple[tuple[str, str], ...]

CONVERTED = 'refs/convert/parquet'
_SAME_SPLITS = (('train', 'train'), ('validation', 'validation'))


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
  splits: Pairs = _SAME_SPLITS
  columns: Pairs = ()
  revision: str | None = None


@dataclasses.dataclass(frozen=True)
class TfdsLocation:
  """A dataset in TensorFlow Datasets.

  Attributes:
    name: as `tfds.load` takes it, for example `glue/sst2`.
    splits: (our split, TFDS's split) pairs.
    columns: (the spec's column, TFDS's column) where they differ.
    label_values: TFDS's raw labels in id order, where the spec's differ.
  """

  name: str
  splits: Pairs = _SAME_SPLITS
  columns: Pairs = ()
  label_values: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
  """One dataset of single-label classification.

  Attributes:
    name: the paper's code in lower case; task names are built from it.
    template: a row's input text, a `str.format` string over its columns.
    labels: the label names a model writes, in id order.
    instruction: what to do, in plain words that name every label.
    label_column: the column with the label.
    label_values: the raw labels in id order, where they are not 0, 1, …
    hub: where it is on the Hugging Face hub, or None.
    tfds: where it is in TensorFlow Datasets, or None.
    local: its folder below a root of local files; by default its name.
    code: the paper's code; by default the name in capitals.
    task_type: the group it stands in, for example `sentiment`.
    role: `tuning` or `evaluation` where it is one of the paper's.
  """

  name: str
  template: str
  labels: tuple[str, ...]
  instruction: str
  label_column: str = 'label'
  label_values: tuple[int | str, ...] | None = None
  hub: HubLocation | None = None
  tfds: TfdsLocation | None = None
  local: str = ''
  code: str = ''
  task_type: str = ''
  role: str = ''

  def __post_init__(self):
    object.__setattr__(self, 'local', self.local or self.name)
    object.__setattr__(self, 'code', self.code or self.name.upper())
    if not re.fullmatch('[a-z0-9_]+', self.name):
      raise ValueError(
        f'A dataset is named in a-z, 0-9 and _, not {self.name!r}.'
      )
    if isinstance(self.labels, str) or len(set(self.labels)) < 2:
      raise ValueError(
        f'{self.name}: labels are two or more names, not {self.labels!r}.'
      )
    object.__setattr__(self, 'labels', tuple(self.labels))
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
    if not self.text_columns:
      raise ValueError(
        f'{self.name}: the template {self.template!r} reads no column; write'
        " its name in braces, as in '{text}'."
      )

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
