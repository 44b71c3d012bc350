"""Rows that have no label, and the prompts that ask for it.

Exemplars come from rows that are labelled: a file, or a dataset's training
split. The prompts are those of an evaluation setting; only nobody knows the
answer, so that every class must be shown.
"""

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import seqio

from symbol_tuning import files
from symbol_tuning.data import settings as data_settings
from symbol_tuning.data.datasets import pools, row_files
from symbol_tuning.data.datasets.pools import Pool
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.composing import Composer
from symbol_tuning.data.prompting.fitting import (
  FittedPrompt,
  Fitter,
  checked_lengths,
)
from symbol_tuning.data.prompting.icl_settings import IclSetting
from symbol_tuning.data.prompting.records import Query
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.data.seqio_tasks.query_source import QuerySource
from symbol_tuning.evaluation import fingerprints

# What a labelled row has of its own; see `labelling`.
OWN_COLUMNS = ('row', 'text', 'label', 'probabilities', 'symbols', 'reason')

_UNKNOWN = -1
_TASK = 'symbol_tuning_'


@dataclasses.dataclass(frozen=True)
class UnlabelledRow:
  """A row whose label is asked for.

  Attributes:
    number: of the row in its file, from 1.
    text: the input text by the dataset's template; '' for a row without text.
    kept: columns that are copied to the output.
  """

  number: int
  text: str
  kept: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class RowQuestions:
  """Names the rows to label, and how they are asked about.

  Attributes:
    dataset: the name of a registered dataset, or its declaration: how rows
      become texts, and the labels to choose from.
    input_path: the rows: a .jsonl, .csv, .tsv (also .gz) or .parquet file.
    exemplars_path: such a file of labelled rows; None for the dataset's
      training split of DataSettings.source.
    setting: an ICL setting (see `icl_settings`), such as 'natural_instructed'
      or 'symbol_uninstructed'.
    task_feature_lengths: the most tokens of `inputs` and `targets`.
    separator: what stands between a prompt and its label; None for that of
      DataSettings.
    keep_columns: columns of the input that are copied to the output.
    seed: of exemplars, formats and symbols; each row has its own draws.
  """

  dataset: str | DatasetSpec
  input_path: str
  exemplars_path: str | None
  setting: str
  task_feature_lengths: Mapping[str, int]
  separator: str | None = None
  keep_columns: Sequence[str] = ()
  seed: int = 0

  def load(self) -> 'RowAsker':
    """Reads all rows, so that bad ones are found before anything is computed.

    Raises:
      FileNotFoundError: if a file is missing.
      ValueError: if the dataset or setting is unknown, they do not suit each
        other, or a file is not what it must be; names file and line.
    """
    spec = find_dataset(self.dataset)
    setting = icl_settings.get(self.setting)
    if not setting.suits(spec.num_classes):
      raise ValueError(
        f'The setting {setting.name} is for {setting.num_classes} classes;'
        f' {spec.name} has {spec.num_classes}.'
      )
    rows = self._read_rows(spec)
    return RowAsker(self, spec, setting, self._read_exemplars(spec), rows)

  def _read_rows(self, spec: DatasetSpec) -> list[UnlabelledRow]:
    taken = [name for name in self.keep_columns if name in OWN_COLUMNS]
    if taken:
      raise ValueError(
        f'keep_columns has {", ".join(taken)}, which labelled rows have'
        ' themselves: rename the column.'
      )
    rows = []
    for number, (place, row) in enumerate(_read(self.input_path), start=1):
      text = pools.row_text(row, spec, place, {})
      kept = {name: _kept(row, name, place) for name in self.keep_columns}
      rows.append(UnlabelledRow(number, text, kept))
    if not rows:
      raise ValueError(f'{self.input_path} has no rows.')
    return rows

  def _read_exemplars(self, spec: DatasetSpec) -> Pool:
    if self.exemplars_path is None:
      return dataset_tasks.tuning_pool(spec)
    stored = pools.StoredRows(
      self.exemplars_path,
      _read(self.exemplars_path),
      is_typed=row_files.is_typed(files.path(self.exemplars_path)),
    )
    return pools.build_pool(stored, spec)


def _read(name: str):
  path = files.path(name)
  if not path.exists():
    raise FileNotFoundError(
      f'{path} does not exist; {path.parent} has:'
      f' {row_files.listing(path.parent)}.'
    )
  return row_files.read(path)


def _kept(row: row_files.Row, column: str, place: str) -> Any:
  if column not in row:
    raise ValueError(
      f'{place}: there is no column {column} to keep; the row has'
      f' {", ".join(row)}.'
    )
  value = row[column]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  try:
    json.dumps(value)
  except (TypeError, ValueError) as error:
    raise ValueError(
      f'{place}: {column} cannot be written as JSON ({error}).'
    ) from None
  return value


def find_dataset(dataset: str | DatasetSpec) -> DatasetSpec:
  """Returns a declaration, by the name under which it was registered.

  Raises:
    ValueError: if there is none of that name; names that are near.
  """
  if isinstance(dataset, DatasetSpec):
    return dataset
  tasks = map(seqio.TaskRegistry.get, seqio.TaskRegistry.names())
  specs = {
    task.name.removeprefix(_TASK): task.source.spec
    for task in tasks
    if task.name.startswith(_TASK) and isinstance(task.source, QuerySource)
  }
  if dataset in specs:
    return specs[dataset]
  near = difflib.get_close_matches(dataset, specs, cutoff=0.5) or specs
  raise ValueError(
    f'No dataset {dataset!r} is registered. Did you mean'
    f' {", ".join(sorted(near))}? Modules with datasets of your own are named'
    ' by --module_import.'
  )


class RowAsker:
  """Asks about rows.

  Attributes:
    rows: all of them.
    spec: the dataset.
    separator: what stands between a prompt and its label.
  """

  def __init__(
    self,
    questions: RowQuestions,
    spec: DatasetSpec,
    setting: IclSetting,
    exemplars: Pool,
    rows: Sequence[UnlabelledRow],
  ):
    """Prepares prompts in the current data settings."""
    self.rows = rows
    self.spec = spec
    self.separator = questions.separator or data_settings.current().separator
    self._questions = questions
    self._exemplars = exemplars
    self._recipe = dataset_tasks.evaluation_recipe(spec, setting)
    with data_settings.changed(separator=self.separator):
      self._fitter = Fitter.of(checked_lengths(questions.task_feature_lengths))
    try:
      self._composer = Composer(
        exemplars,
        spec.labels,
        spec.instruction,
        self._recipe,
        self._fitter.too_long(exemplars.texts),
        fewest_texts=1,
      )
    except ValueError as error:
      raise ValueError(f'{spec.name}: {error}') from None

  def ask(self, rows: Sequence[UnlabelledRow]) -> list[Query | str]:
    """Returns the query about each row, or why there is none.

    The classes that a query's options stand for are those of its prompt's
    options; the label that is right is not known.
    """
    prompts = [
      # Exemplars are dropped class by class in turn: whichever class is given
      # here, none loses its last one before all others have but one.
      self._composer.compose_around(row.text, 0, self._seed(row))
      for row in rows
    ]
    fitted = self._fitter.fit(prompts)
    return [
      self._query(row, one) if row.text else 'the row has no text'
      for row, one in zip(rows, fitted, strict=True)
    ]

  def _seed(self, row: UnlabelledRow) -> str:
    return f'labelling {self.spec.name} {self._questions.seed} {row.number}'

  def _query(
    self, row: UnlabelledRow, fitted: FittedPrompt | None
  ) -> Query | str:
    # One class without exemplars, and it could never be chosen.
    if fitted is None or not self._shows_all_classes(fitted):
      most = self._questions.task_feature_lengths.get('inputs')
      return (
        f'the prompt with an exemplar of each class takes more than the {most}'
        " tokens of TASK_FEATURE_LENGTHS['inputs'], or the only exemplar of a"
        ' class is the row itself'
      )
    options = fitted.prompt.options
    return Query(
      index=row.number,
      text=fitted.text,
      tokens=fitted.inputs,
      options=tuple(self._fitter.option(option.text) for option in options),
      label=_UNKNOWN,
      prompt=fitted.prompt,
    )

  def _shows_all_classes(self, fitted: FittedPrompt) -> bool:
    if not self._recipe.exemplars[1]:
      return True
    shown = {exemplar.label for exemplar in fitted.prompt.exemplars}
    return len(shown) == self.spec.num_classes

  def record(self) -> dict[str, Any]:
    """Returns what the answers depend on, as JSON values."""
    chosen = data_settings.current()
    asked = self._questions
    exemplars = self._exemplars
    record = {
      'dataset': dataclasses.asdict(self.spec),
      'setting': asked.setting,
      'exemplars_per_class': self._recipe.exemplars,
      'instruction': self._recipe.instruction,
      'symbol_categories': chosen.symbol_categories,
      'word_files': chosen.word_files,
      'separator': self.separator,
      'vocabulary': chosen.vocabulary.fingerprint(),
      'task_feature_lengths': dict(asked.task_feature_lengths),
      'seed': asked.seed,
      'keep_columns': tuple(asked.keep_columns),
      'input': {
        'path': asked.input_path,
        'rows': len(self.rows),
        'fingerprint': fingerprints.of_values(self.rows),
      },
      'exemplars': {
        'path': asked.exemplars_path or repr(chosen.source),
        'fingerprint': fingerprints.of_values(
          [exemplars.texts, exemplars.labels]
        ),
      },
    }
    return json.loads(json.dumps(record))
