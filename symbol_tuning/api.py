"""Symbol tuning from Python, for notebooks and scripts; no gin needed.

    import symbol_tuning as st

    model = st.load('path/of/checkpoint')
    data = st.dataset('subj', source=st.LocalSource('~/data'))
    prompts = st.prompts(data, 'symbol_uninstructed', model.vocabulary, n=20)
    print(prompts[0].text)
    scored = st.score(model, prompts)
    print(sum(one.is_correct for one in scored) / len(scored))

    results = st.evaluate(
      model, ['icl_natural_instructed', 'icl_symbol_uninstructed'], 'results',
      source=data.source,
    )
    print(results.table())
    st.report(results).figure('settings')

The programs (`python -m symbol_tuning.train` and the others) do the same with
the same functions; whole runs are described by gin files.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import gin
import matplotlib.figure

import symbol_tuning.tasks  # noqa: F401  # Registers the tasks.
from symbol_tuning import files, run_config
from symbol_tuning.data import settings, vocabularies
from symbol_tuning.data.datasets import catalog, sources
from symbol_tuning.data.datasets.sources import (
  FirstAvailable,
  HubSource,
  LocalSource,
  Source,
  SyntheticSource,
  TfdsSource,
)
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.records import Prompt, Query
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.evaluation import checkpoint_queue, evaluator, layout
from symbol_tuning.evaluation.ranking.task import RankingTask
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.results import Prediction
from symbol_tuning.evaluation.suite import Questions
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.reporting import assembly
from symbol_tuning.reporting.pages.tables import Table

# Type checkers read only a literal; the package has the same names.
__all__ = [
  'Dataset',
  'DatasetSpec',
  'FirstAvailable',
  'HubSource',
  'LocalSource',
  'Model',
  'Prediction',
  'Prompt',
  'Query',
  'Report',
  'Results',
  'Source',
  'SyntheticSource',
  'TfdsSource',
  'dataset',
  'evaluate',
  'load',
  'prompts',
  'report',
  'score',
]

_MODEL_AND_VOCABULARY = """
from symbol_tuning import api
api.model_and_vocabulary.model = %MODEL
api.model_and_vocabulary.vocabulary = %VOCABULARY
"""
LENGTHS = {'inputs': 2048, 'targets': 512}


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A dataset and where its examples are.

  Attributes:
    spec: its declaration.
    source: gives its rows.
  """

  spec: DatasetSpec
  source: Source

  def examples(self, split: str = 'validation') -> sources.Pool:
    """Returns the texts and classes of 'train' or 'validation'."""
    return sources.pool(self.source, self.spec, split)


def dataset(spec: str | DatasetSpec, source: Source | None = None) -> Dataset:
  """Returns a dataset of the catalog by name, or one of your own by its spec.

  Args:
    spec: a name of the catalog, such as 'sst2', or a declaration.
    source: where its rows are; by default the folder that the environment
      variable SYMBOL_TUNING_DATA_ROOT names, or the Hugging Face hub.

  Raises:
    ValueError: if the catalog has no such name; near ones are named.
  """
  if isinstance(spec, str):
    spec = catalog.get(spec)
  return Dataset(spec, source or sources.from_environment())


def _asking(
  vocabulary: vocabularies.VocabularyName,
  source: Source,
  separator: str,
  k: int,
  n: int,
) -> contextlib.AbstractContextManager[None]:
  """Has prompts be made as `prompts` and `evaluate` are told."""
  return settings.using(
    settings.DataSettings(
      vocabulary,
      source,
      separator=separator,
      evaluation_exemplars=k,
      evaluation_queries=n,
    )
  )


def prompts(
  data: Dataset,
  setting: str,
  vocabulary: vocabularies.VocabularyName,
  k: int = 4,
  n: int = 100,
  task_feature_lengths: Mapping[str, int] | None = None,
  separator: str = 'eos',
) -> list[Query]:
  """Returns evaluation prompts of a dataset with their label options.

  Queries whose prompts cannot be made to fit are left out, and a line on stderr
  says how many they are.

  Args:
    data: whose validation examples are asked about and shown.
    setting: how: 'natural_instructed', 'natural_uninstructed',
      'symbol_instructed', 'symbol_uninstructed' or 'flipped'.
    vocabulary: of the model that is to read them (`Model.vocabulary`).
    k: exemplars of each class.
    n: the most prompts; which ones is the same choice for every model.
    task_feature_lengths: the most tokens of 'inputs' and 'targets'.
    separator: what stands between a prompt and its label: 'eos', 'none' or
      'chat' (see data.prompting.frames).

  Raises:
    ValueError: if there is no such setting, it does not suit the dataset, or no
      prompt fits.
  """
  lengths = task_feature_lengths or LENGTHS
  chosen = icl_settings.get(setting)
  if not chosen.suits(data.spec.num_classes):
    raise ValueError(
      f'The setting {setting!r} is for {chosen.num_classes} classes;'
      f' {data.spec.name} has {data.spec.num_classes}.'
    )
  with _asking(vocabulary, data.source, separator, k, n):
    source = dataset_tasks.evaluation_source(data.spec, chosen)
    maker = source.prompt_maker(lengths)
    name = chosen.task_name(data.spec.name)
    numbers = source.queries().tolist()
    asked = dataset_tasks.queries(name, maker, numbers)
  _say_dropped(name, len(numbers) - len(asked), len(numbers), lengths)
  return asked


def _say_dropped(
  name: str, num_dropped: int, num_queries: int, lengths: Mapping[str, int]
) -> None:
  if num_dropped:
    said = (
      f'{num_dropped} of {num_queries} queries do not fit, with an exemplar of'
      ' their class and one of another, into task_feature_lengths'
      f' {dict(lengths)}'
    )
    if num_dropped == num_queries:
      raise ValueError(f'{name}: {said}: raise them.')
    print(f'{name}: {said} and are left out.', file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Model:
  """A decoder with its parameters and its vocabulary.

  Attributes:
    path: where it was read.
    decoder: the Flax module.
    params: its parameters, nested by name.
    vocabulary: names its tokenizer.
  """

  path: str
  decoder: Decoder
  params: Any = dataclasses.field(repr=False)
  vocabulary: vocabularies.VocabularyName


def load(path: str | os.PathLike) -> Model:
  """Reads a checkpoint: parameters, architecture and vocabulary.

  Args:
    path: a folder in Hugging Face's layout, a .gguf file, or the MODEL_DIR of a
      training, of which the newest checkpoint is read.

  Raises:
    FileNotFoundError: if no checkpoint is there.
    ValueError: if it is damaged, or of a kind that is not supported.
  """
  folder = files.path(path)
  if (folder / run_config.CONFIG_FILE).exists():
    decoder, vocabulary = _of_run(folder / run_config.CONFIG_FILE)
  else:
    decoder = Decoder(parameters.read_config(path))
    vocabulary = vocabularies.HuggingFace(os.fspath(path))
  params = parameters.load_params(path, decoder)
  return Model(os.fspath(path), decoder, params, vocabulary)


def _of_run(config: files.Path) -> tuple[Decoder, Any]:
  """Reads the model and the vocabulary of a run from its config.gin.

  Nothing else of gin's configuration is changed by that.
  """
  saved = config.read_text(encoding='utf-8')
  before = gin.config_str()
  gin.clear_config()
  try:
    gin.parse_config(f'{saved}\n{_MODEL_AND_VOCABULARY}')
    return gin.get_configurable(model_and_vocabulary)()
  finally:
    gin.clear_config()
    gin.parse_config(before)


def model_and_vocabulary(
  model: Decoder, vocabulary: vocabularies.VocabularyName
) -> tuple[Decoder, vocabularies.VocabularyName]:
  """Returns what gin's macros MODEL and VOCABULARY stand for."""
  return model, vocabulary


def score(model: Model, queries: Sequence[Query]) -> list[Prediction]:
  """Has a model rank the label options of prompts.

  Returns:
    For each prompt its options with their log-likelihoods in nats, the option
    with the highest, and whether it is the right one.

  Raises:
    ValueError: if the prompts are not in the model's vocabulary.
  """
  task = RankingTask(queries)
  shapes = RankingTask.plan([task], model.params, layout.Budget())
  return task.predictions(
    model.decoder, model.params, shapes, lambda num_tokens: None
  )


@dataclasses.dataclass(frozen=True)
class Results:
  """The files of an evaluation.

  Attributes:
    folder: holds a folder for each model.
    labels: of the models, the first first.
  """

  folder: files.Path
  labels: tuple[str, ...]

  def table(self) -> Table:
    """Returns accuracies in percent by setting; prints as Markdown."""
    return report(self).table


def evaluate(
  models: Model | Mapping[str, Model],
  mixtures: Sequence[str],
  output_dir: str | os.PathLike,
  source: Source | None = None,
  k: int = 4,
  n: int = 100,
  task_feature_lengths: Mapping[str, int] | None = None,
  separator: str = 'eos',
) -> Results:
  """Evaluates models on mixtures or tasks and writes what it found.

  Results that were measured with the same parameters on the same prompts are
  kept, so that an evaluation which was stopped goes on.

  Args:
    models: one, or several by the names that the report gives them.
    mixtures: registered names, such as 'icl_symbol_uninstructed'.
    output_dir: results go there.
    source: where the datasets' rows are, see `dataset`.
    k: exemplars of each class.
    n: the most queries of a dataset.
    task_feature_lengths: the most tokens of 'inputs' and 'targets'.
    separator: see `prompts`.

  Raises:
    ValueError: if a name is unknown.
    FileNotFoundError: if data are missing.
  """
  named = models if isinstance(models, Mapping) else {'model': models}
  for label in named:
    checkpoint_queue.check_label(label)
  folder = files.path(output_dir)
  for order, (label, model) in enumerate(named.items()):
    with _asking(
      model.vocabulary, source or sources.from_environment(), separator, k, n
    ):
      asked = Questions(mixtures, task_feature_lengths or LENGTHS).load()
      evaluator.evaluate(
        model.decoder,
        model.params,
        asked,
        Checkpoint(label, model.path, order=order),
        folder / label,
      )
  return Results(folder, tuple(named))


@dataclasses.dataclass(frozen=True)
class Report:
  """Tables and figures of results; differences are to the first model.

  Attributes:
    assembled: all of it.
    directories: of the results.
  """

  assembled: assembly.Assembled
  directories: tuple[str, ...]

  @property
  def table(self) -> Table:
    """Accuracies in percent by setting; prints as Markdown."""
    return self.assembled.short_table

  @property
  def figures(self) -> dict[str, matplotlib.figure.Figure]:
    """The figures by name."""
    charts = self.assembled.document.charts
    return {chart.name: chart.figure for chart in charts}

  def figure(self, name: str) -> matplotlib.figure.Figure:
    """Returns a figure, such as 'settings'.

    Raises:
      ValueError: if there is none of that name.
    """
    if name not in self.figures:
      raise ValueError(
        f'The report has no figure {name!r}; it has {", ".join(self.figures)}.'
      )
    return self.figures[name]

  def write(self, folder: str | os.PathLike) -> files.Path:
    """Writes the page, its texts and figures; returns the page's path."""
    # Links lead from where the page is to the results.
    target = files.path(folder)
    document = assembly.assemble(self.directories, target).document
    path, *_ = assembly.write_files(document, target)
    return path


def report(results: Results | str | os.PathLike) -> Report:
  """Returns the report of an evaluation.

  Args:
    results: what `evaluate` returned, or a folder of results.

  Raises:
    FileNotFoundError: if the folder holds no results.
  """
  if isinstance(results, Results):
    folder = results.folder
    directories = tuple(os.fspath(folder / label) for label in results.labels)
  else:
    folder, directories = files.path(results), (os.fspath(results),)
  return Report(assembly.assemble(directories, folder), directories)
