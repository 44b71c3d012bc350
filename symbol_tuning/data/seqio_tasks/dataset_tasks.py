"""SeqIO tasks made from a dataset's declaration.

A task's source yields the numbers of its queries; its one preprocessor
composes a prompt around each, fits it into the length and tokenizes it, with
new exemplars, symbols and formats in every epoch. SeqIO's offline cache would
freeze a seed and the size of an epoch, so tasks do not support it: with
use_cached SeqIO says so and makes the prompts as they are needed. Vocabulary
and data source are looked up when a task is loaded (see data.settings).
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import seqio
import tensorflow as tf

from symbol_tuning.data import settings
from symbol_tuning.data.datasets import catalog, sources
from symbol_tuning.data.packing import INPUTS_LOSS
from symbol_tuning.data.prompting import symbols
from symbol_tuning.data.prompting.composing import Recipe
from symbol_tuning.data.prompting.fitting import FittedPrompt, Fitter
from symbol_tuning.data.prompting.icl_settings import IclSetting
from symbol_tuning.data.prompting.records import Option, Query
from symbol_tuning.data.seqio_tasks import flat_examples
from symbol_tuning.data.seqio_tasks.python_map import NUMBER, TOKENS, python_map
from symbol_tuning.data.seqio_tasks.query_source import PromptMaker, QuerySource

FEATURES = {
  name: seqio.Feature(settings.CurrentVocabulary(), add_eos=True)
  for name in ('inputs', 'targets')
}
# Where a tuning example comes from: the seed of the run, the epoch, the number
# of its query. `PromptMaker.make` makes the same prompt of them again.
ORIGIN = 'prompt_origin'
_TUNING = flat_examples.PROMPT | {ORIGIN: tf.TensorSpec([3], tf.int64)}

_LOSS_IS_DROPPED = (
  "{}: settings.DataSettings.loss_on is 'labels', which symbol_tuning's own"
  ' programs train on. Who opens the task here, such as T5X, drops the feature'
  " inputs_loss and would train on the query's label alone: set loss_on ="
  " 'query', or name inputs_loss among the feature lengths if it is read."
)

# Queries that could not be asked within the feature lengths, by task.
dropped_queries: collections.Counter[str] = collections.Counter()


def symbol_tuning_recipe(spec: catalog.DatasetSpec) -> Recipe:
  """Exemplars with symbols of the tuning inventory, never an instruction.

  Raises:
    ValueError: if the run has fewer symbols than the dataset has classes.
  """
  chosen = settings.current()
  most = chosen.symbols_per_category * len(chosen.symbol_categories)
  if most < spec.num_classes:
    raise ValueError(
      f'{spec.name} has {spec.num_classes} classes, but the settings allow for'
      f' {most} symbols: raise DataSettings.symbols_per_category, for the'
      ' symbols of a prompt are distinct.'
    )
  return Recipe(
    labels='random' if chosen.random_labels else 'symbol',
    exemplars=chosen.symbol_tuning_exemplars,
    symbols=_symbols('tuning', spec, chosen.symbols_per_category),
  )


def instruction_tuning_recipe(spec: catalog.DatasetSpec) -> Recipe:
  """The instruction with its options, natural labels, perhaps exemplars."""
  del spec
  chosen = settings.current()
  return Recipe(
    labels='natural',
    exemplars=chosen.instruction_tuning_exemplars,
    instruction=chosen.instruction_placement,
    lists_options=True,
  )


def evaluation_recipe(spec: catalog.DatasetSpec, setting: IclSetting) -> Recipe:
  """A fixed number of exemplars, with held-out symbols or natural labels."""
  chosen = settings.current()
  k = setting.exemplars
  if k is None:
    k = chosen.evaluation_exemplars
  return Recipe(
    labels=setting.labels,
    exemplars=(k, k),
    instruction=chosen.instruction_placement if setting.instructed else 'none',
    symbols=_symbols('evaluation', spec),
  )


def _symbols(
  split: str, spec: catalog.DatasetSpec, most: int | None = None
) -> symbols.SymbolTable:
  """The symbols of a run, without the labels of the dataset itself."""
  chosen = settings.current()
  # Those of the catalog are in no inventory: its datasets share one table.
  own_words = spec.label_words - catalog.natural_label_words()
  return _symbol_table(
    split,
    tuple(chosen.symbol_categories),
    chosen.word_files,
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
) -> symbols.SymbolTable:
  inventory = symbols.inventory(
    split, categories, catalog.natural_label_words(), word_files
  )
  return symbols.SymbolTable(symbols.choose(inventory, excluded, most))


def missing_data(task: seqio.Task) -> str | None:
  """Says what the run's data source lacks for a task; None if nothing."""
  source = task.source
  if not isinstance(source, QuerySource):
    return None
  ask = settings.current().source.missing
  reasons = (ask(source.spec, split) for split in source.splits)
  return next(filter(None, reasons), None)


def tuning_pool(spec: catalog.DatasetSpec) -> sources.Pool:
  """Returns the training examples of a dataset, capped as the run says."""
  chosen = settings.current()
  return sources.pool(chosen.source, spec, 'train', chosen.max_examples)


def add_tuning_task(
  name: str,
  spec: catalog.DatasetSpec,
  recipe: Callable[[catalog.DatasetSpec], Recipe],
) -> None:
  """Registers a task that yields one training prompt per example and epoch.

  Its features are inputs and targets (int32 [length]), both as text too,
  prompt_origin (int64 [3], see `ORIGIN`) and, with DataSettings.loss_on
  'labels', inputs_loss (int32 [length], see `packing.to_decoder_features`).
  Who reads that feature names it among the lengths; others are refused, since
  they would train on the query's label alone without a word.
  """

  def write(dataset, sequence_length=None):
    maker = task.source.prompt_maker(sequence_length)
    count = _Drops(name, most=2 * len(maker.pool))
    on_labels = settings.current().loss_on == 'labels'
    if on_labels and INPUTS_LOSS not in (sequence_length or {}):
      raise ValueError(_LOSS_IS_DROPPED.format(name))

    def make(batch):
      epochs = batch[NUMBER] // batch['epoch_size']
      (seed,) = set(batch['seed'].tolist())
      made = maker.make(batch['query'].tolist(), seed, epochs.tolist())
      examples = [one and _tuning_example(maker.fitter, one) for one in made]
      count(examples)
      for example, fitted, epoch, query in zip(
        examples, made, epochs, batch['query'], strict=True
      ):
        if example:
          example[ORIGIN] = (seed, epoch, query)
          if on_labels:
            example[INPUTS_LOSS] = maker.fitter.label_loss(fitted)
      return list(filter(None, examples))

    features = _TUNING | ({INPUTS_LOSS: TOKENS} if on_labels else {})
    return python_map(dataset, make, features)

  task = seqio.TaskRegistry.add(
    name,
    source=QuerySource(
      spec,
      'train',
      pool=lambda: tuning_pool(spec),
      recipe=lambda: recipe(spec),
      stream=name,
    ),
    preprocessors=[write],
    output_features=FEATURES,
    shuffle_buffer_size=None,
  )


def _tuning_example(
  fitter: Fitter, fitted: FittedPrompt
) -> dict[str, Any] | None:
  """Returns the features of a prompt and its label; None without room."""
  target = fitter.written(fitted.prompt.answer.text)
  if not fitter.has_room_for(target):
    return None
  return {
    'inputs': fitted.inputs,
    'inputs_pretokenized': fitted.text,
    'targets': target.tokens,
    'targets_pretokenized': target.text,
  }


@dataclasses.dataclass
class _Drops:
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

  def __call__(self, examples: Sequence[Mapping | None]) -> None:
    num_dropped = sum(example is None for example in examples)
    dropped_queries[self.name] += num_dropped
    all_dropped = num_dropped == len(examples)
    self.in_a_row = self.in_a_row + num_dropped if all_dropped else 0
    if self.in_a_row > self.most:
      raise ValueError(
        f'{self.name}: none of {self.in_a_row} prompts fits with an exemplar of'
        " the query's class and one of another: raise TASK_FEATURE_LENGTHS."
      )


def add_evaluation_task(
  name: str,
  spec: catalog.DatasetSpec,
  setting: IclSetting,
  metric_fns: Sequence[Callable] = (),
  postprocess_fn: Callable | None = None,
) -> None:
  """Registers a task that yields one example per query and label option.

  Its features are inputs, targets (int32 [length], the option), both as text
  too, idx (int32 [2], query and option), is_correct (bool []), label (the class
  of the query) and query_index (int32 []).
  """

  def write(dataset, sequence_length=None):
    maker = task.source.prompt_maker(sequence_length)

    def make(batch):
      asked = queries(name, maker, batch['query'].tolist())
      return [one for query in asked for one in flat_examples.of_query(query)]

    return python_map(dataset, make, flat_examples.RANKED)

  task = seqio.TaskRegistry.add(
    name,
    source=evaluation_source(spec, setting),
    preprocessors=[write],
    output_features=FEATURES,
    metric_fns=list(metric_fns),
    postprocess_fn=postprocess_fn,
    shuffle_buffer_size=None,
  )


def evaluation_source(
  spec: catalog.DatasetSpec, setting: IclSetting
) -> QuerySource:
  """Returns the queries of a dataset in one setting."""
  return QuerySource(
    spec,
    'validation',
    pool=lambda: sources.pool(settings.current().source, spec, 'validation'),
    recipe=lambda: evaluation_recipe(spec, setting),
    # The same exemplars in every setting of a dataset.
    stream=f'evaluation {spec.name}',
    max_queries=lambda: settings.current().evaluation_queries,
  )


def queries(
  name: str, maker: PromptMaker, numbers: Sequence[int]
) -> list[Query]:
  """Returns the queries of an evaluation task that fit.

  Args:
    name: of the task, for the count of `dropped_queries`.
    maker: of the task's prompts.
    numbers: of the examples that are asked about.

  Raises:
    ValueError: if a label option is too long.
  """
  asked = []
  for number, fitted in zip(numbers, maker.make(numbers), strict=True):
    if fitted is None:
      dropped_queries[name] += 1
      continue
    prompt = fitted.prompt
    options = tuple(maker.fitter.option(o.text) for o in prompt.options)
    _check_distinct(name, options)
    asked.append(
      Query(
        index=number,
        text=fitted.text,
        tokens=fitted.inputs,
        options=options,
        label=prompt.answer_index,
        prompt=prompt,
      )
    )
  return asked


def _check_distinct(name: str, options: Sequence[Option]) -> None:
  """Raises ValueError if two labels of a prompt are the same tokens."""
  texts: dict[bytes, str] = {}
  for option in options:
    other = texts.setdefault(option.tokens.tobytes(), option.text)
    if other != option.text:
      raise ValueError(
        f'{name}: the vocabulary writes the labels {other!r} and'
        f' {option.text!r} with the same tokens, so that no model can tell'
        ' them apart. Choose a vocabulary that has their characters, or other'
        ' labels.'
      )
