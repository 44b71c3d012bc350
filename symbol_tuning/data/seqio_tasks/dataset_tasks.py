"""SeqIO tasks made from a dataset's declaration.

A task's source yields the indices of its queries; its one preprocessor
composes a prompt around each, tokenizes it and fits it into the length, many
at once (B prompts, E examples). It stands after SeqIO's cache placeholder, so
that every epoch draws new exemplars, symbols and formats.
Vocabulary and data source are looked up when a task is loaded (see
data.settings).
"""

import collections
import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf

from symbol_tuning.data import examples, settings
from symbol_tuning.data.datasets import catalog, sources
from symbol_tuning.data.prompting import composing, fitting, symbols
from symbol_tuning.data.prompting.formats import EVALUATION_FORMAT
from symbol_tuning.data.prompting.icl_settings import IclSetting

FEATURES = {
  name: seqio.Feature(settings.CurrentVocabulary(), add_eos=True)
  for name in ('inputs', 'targets')
}
# Chooses the queries of an evaluation task, the same for every model.
_EVALUATION_SEED = 2023
# Prompts composed at once; more delay the first of a mixture of many tasks.
_BATCH_SIZE = 64

# Queries that were too long for the model's input, by task.
dropped_queries: collections.Counter[str] = collections.Counter()


def recipe_symbol_tuning(spec: catalog.DatasetSpec) -> composing.PromptRecipe:
  """Exemplars with symbols of the tuning inventory, never an instruction.

  Raises:
    ValueError: if the run has fewer symbols than the dataset has classes.
  """
  chosen = settings.current()
  if chosen.symbols_per_category < spec.num_classes:
    raise ValueError(
      f'{spec.name} has {spec.num_classes} classes, but'
      f' DataSettings.symbols_per_category is {chosen.symbols_per_category}:'
      ' raise it, for the symbols of a prompt are distinct.'
    )
  return composing.PromptRecipe(
    labels='symbol',
    exemplars=chosen.symbol_tuning_exemplars,
    instructed=False,
    symbols=_symbols('tuning', spec, chosen.symbols_per_category),
  )


def recipe_instruction_tuning(
  spec: catalog.DatasetSpec,
) -> composing.PromptRecipe:
  """The instruction, natural labels and perhaps exemplars."""
  del spec
  return composing.PromptRecipe(
    labels='natural',
    exemplars=settings.current().instruction_tuning_exemplars,
    instructed=True,
  )


def recipe_evaluation(
  spec: catalog.DatasetSpec, setting: IclSetting
) -> composing.PromptRecipe:
  """A fixed number of exemplars in one format, with held-out symbols."""
  chosen = settings.current()
  k = setting.exemplars
  k = chosen.evaluation_exemplars if k is None else k
  return composing.PromptRecipe(
    labels=setting.labels,
    exemplars=(k, k),
    instructed=setting.instructed,
    symbols=_symbols('evaluation', spec),
    formats=(EVALUATION_FORMAT,),
  )


def _symbols(
  split: str, spec: catalog.DatasetSpec, most: int | None = None
) -> composing.SymbolTable:
  """The symbols of a run, without the labels of the dataset itself."""
  chosen = settings.current()
  # Those of the catalog are in no inventory: its datasets share one table.
  own_words = spec.label_words - catalog.natural_label_words()
  return _symbol_table(
    split,
    tuple(chosen.symbol_categories),
    chosen.word_files and tuple(chosen.word_files),
    own_words,
    most,
  )


@functools.cache
def _symbol_table(
  split: str,
  categories: tuple[str, ...],
  word_files: tuple[str, str] | None,
  excluded: frozenset[str],
  most: int | None,
) -> composing.SymbolTable:
  inventory = symbols.inventory(
    split, categories, catalog.natural_label_words(), word_files
  )
  return composing.SymbolTable(symbols.choose(inventory, excluded, most))


class QuerySource(seqio.DataSource):
  """Yields {'query': int32 []}: indices into a pool of labelled examples."""

  def __init__(
    self,
    spec: catalog.DatasetSpec,
    pools: Mapping[str, Callable[[], sources.Pool]],
    max_queries: Callable[[], int] | None = None,
  ):
    """Names the pools by split; they are loaded when they are first used.

    Args:
      spec: the dataset.
      pools: loads the pool of each split.
      max_queries: returns the most queries used of a split, or None for all;
        which ones is the same choice at every load.
    """
    self.spec = spec
    self._pools = pools
    self._max_queries = max_queries
    super().__init__(splits=pools, performs_internal_shuffling=True)

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return True

  def list_shards(self, split: str) -> list[str]:
    return [split]

  def num_input_examples(self, split: str) -> int:
    return len(self.queries(split))

  def queries(self, split: str) -> np.ndarray:
    """Returns the indices of the queries of a split, int32 [n]."""
    size = len(self._pools[split]().texts)
    most = self._max_queries() if self._max_queries else size
    if size <= most:
      return np.arange(size, dtype=np.int32)
    rng = np.random.default_rng(_EVALUATION_SEED)
    return np.sort(rng.permutation(size)[:most]).astype(np.int32)

  def get_dataset(
    self,
    split: str = 'train',
    shuffle: bool = True,
    seed: int | None = None,
    shard_info: seqio.ShardInfo | None = None,
    **unused,
  ) -> tf.data.Dataset:
    queries = self.queries(split)
    if shuffle:
      queries = np.random.default_rng(seed).permutation(queries)
    if shard_info:
      queries = queries[shard_info.index :: shard_info.num_shards]
    return tf.data.Dataset.from_tensor_slices({'query': queries})


def is_available(task: seqio.Task) -> bool:
  """Whether the run's data source has the dataset of a task."""
  source = task.source
  if not isinstance(source, QuerySource):
    return True
  return settings.current().source.available(source.spec)


def tuning_pool(spec: catalog.DatasetSpec) -> sources.Pool:
  """Returns the training examples of a dataset, capped as the run says."""
  chosen = settings.current()
  return sources.pool(chosen.source, spec, 'train', chosen.max_examples)


def evaluation_pool(spec: catalog.DatasetSpec) -> sources.Pool:
  """Returns the validation examples of a dataset."""
  chosen = settings.current()
  return sources.pool(chosen.source, spec, 'validation', chosen.max_examples)


def add_tuning_task(
  name: str,
  spec: catalog.DatasetSpec,
  recipe: Callable[[catalog.DatasetSpec], composing.PromptRecipe],
) -> None:
  """Registers a task that yields one training prompt per example and epoch.

  Its features are inputs and targets (int32 [length]), label (int32 [], the
  class of the query), options (string [classes]) and query_index (int32 []).
  See fitting.PromptTokenizer for the others.
  """

  def compose(dataset, sequence_length=None):
    pool = tuning_pool(spec)
    composer = _composer(spec, pool, recipe(spec))
    losses = _Losses(name, most=2 * len(pool))
    tokenizer = fitting.PromptTokenizer.for_lengths(
      composer.texts, sequence_length
    )

    def write(query_B, seed):
      # Shards have the same seeds, but never the same queries; and a batch may
      # hold a query twice.
      row_B = np.arange(len(query_B)) + _BATCH_SIZE * query_B.astype(np.int64)
      seed_B2 = _task_seeds(name, int(seed[0]), seed[1] + row_B)
      batch = composer.compose(query_B, seed_B2)
      features, fits_B = tokenizer.training_examples(batch)
      losses.count(fits_B)
      return examples.only(
        features
        | {
          'label': batch.label_B,
          'options': composer.texts[batch.options_BC],
          'query_index': query_B,
        },
        fits_B,
      )

    @seqio.map_over_dataset(num_seeds=1)
    def to_examples(batch, seed):
      return examples.TUNING.call(write, batch['query'], seed)

    return to_examples(dataset.batch(_BATCH_SIZE))

  seqio.TaskRegistry.add(
    name,
    source=QuerySource(spec, {'train': lambda: tuning_pool(spec)}),
    preprocessors=[
      seqio.CacheDatasetPlaceholder(),
      compose,
      examples.TUNING.one_by_one,
    ],
    output_features=FEATURES,
    shuffle_buffer_size=None,
  )


@dataclasses.dataclass
class _Losses:
  """Counts prompts of a task that do not fit.

  Attributes:
    name: of the task.
    most: prompts in a row; if none of more fits, then none ever will, and
      whoever waits for the next example would wait for ever.
    in_a_row: how many there are.
  """

  name: str
  most: int
  in_a_row: int = 0

  def count(self, fits_B: np.ndarray) -> None:
    dropped_queries[self.name] += int((~fits_B).sum())
    self.in_a_row = 0 if fits_B.any() else self.in_a_row + len(fits_B)
    if self.in_a_row > self.most:
      raise ValueError(
        f'{self.name}: none of {self.in_a_row} prompts fits, even without'
        ' exemplars: raise TASK_FEATURE_LENGTHS.'
      )


def add_evaluation_task(
  name: str,
  spec: catalog.DatasetSpec,
  setting: IclSetting,
  metric_fns: Sequence[Callable] = (),
  postprocess_fn: Callable | None = None,
) -> None:
  """Registers a task that yields one example per query and label option.

  Its features are inputs, targets (int32 [length], the option), idx (int32
  [2], query and option), is_correct (bool []), query_index and label (int32
  []).
  """

  def compose(dataset, sequence_length=None):
    recipe = recipe_evaluation(spec, setting)
    composer = _composer(spec, evaluation_pool(spec), recipe)
    tokenizer = fitting.PromptTokenizer.for_lengths(
      composer.texts, sequence_length
    )

    def write(query_B):
      # The same exemplars in every setting of a dataset.
      seed_B2 = _task_seeds(spec.name, _EVALUATION_SEED, query_B)
      batch = composer.compose(query_B, seed_B2)
      features, fits_E = tokenizer.option_examples(batch)
      num_options = batch.options_BC.shape[1]
      dropped_queries[name] += int((~fits_E).sum()) // num_options
      query_E = np.repeat(query_B, num_options)
      return examples.only(
        features
        | {
          'label': np.repeat(batch.label_B, num_options),
          'query_index': query_E,
          'idx': np.stack([query_E, features['option']], axis=1),
        },
        fits_E,
      )

    return dataset.batch(_BATCH_SIZE).map(
      lambda batch: examples.EVALUATION.call(write, batch['query'])
    )

  seqio.TaskRegistry.add(
    name,
    source=QuerySource(
      spec,
      {'validation': lambda: evaluation_pool(spec)},
      max_queries=lambda: settings.current().evaluation_queries,
    ),
    preprocessors=[
      seqio.CacheDatasetPlaceholder(),
      compose,
      examples.EVALUATION.one_by_one,
    ],
    output_features=FEATURES,
    metric_fns=list(metric_fns),
    postprocess_fn=postprocess_fn,
    shuffle_buffer_size=None,
  )


def _composer(
  spec: catalog.DatasetSpec, pool: sources.Pool, recipe: composing.PromptRecipe
) -> composing.PromptComposer:
  try:
    return composing.PromptComposer(pool, spec.labels, spec.instruction, recipe)
  except ValueError as error:
    raise ValueError(f'{spec.name}: {error}') from None


def _task_seeds(name: str, first: int, second_B: np.ndarray) -> np.ndarray:
  """Makes the seeds of one task unlike those of every other; int [B, 2]."""
  stream = zlib.crc32(name.encode()) & 0x7FFFFFFF
  first_B = np.full(len(second_B), first ^ stream)
  return np.stack([first_B, second_B], axis=1)
