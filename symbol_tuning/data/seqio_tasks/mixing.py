"""Opens SeqIO tasks and mixtures: what training, caches and exports read.

SeqIO mixes; this module finds what was asked for, leaves out what the run's
source does not have, and marks each example with the task that it is of.
"""

import contextlib
import difflib
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf
from absl import logging

from symbol_tuning import files
from symbol_tuning.data import settings
from symbol_tuning.data.packing import INPUTS_LOSS, TASK
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.fitting import TOO_LONG, checked_lengths
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.data.seqio_tasks.query_source import QuerySource

Example = dict[str, np.ndarray]

# Examples that leave TensorFlow at a time, and what stands where none is: it
# takes longer to hand over a small array than to make it.
_READ_SIZE, _NONE = 64, -1


def get_mixture_or_task(name: str) -> seqio.Mixture | seqio.Task:
  """Returns a registered mixture or task.

  Raises:
    ValueError: if there is none of that name; names that are near.
  """
  known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
  if name in known:
    return seqio.get_mixture_or_task(name)
  setting = icl_settings.of(name)
  if setting and setting.num_classes:
    dataset = name.removeprefix(f'{setting.mixture}_')
    if f'symbol_tuning_{dataset}' in known:
      raise ValueError(
        f'{name}: the setting {setting.name!r} is for datasets of'
        f' {setting.num_classes} classes only.'
      )
  near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
  hint = (
    f'Did you mean {", ".join(near)}?'
    if near
    else (
      'Is the module that registers it imported? Ours is symbol_tuning.tasks.'
    )
  )
  raise ValueError(f'No mixture or task is called {name!r}. {hint}')


def digests(tasks: Iterable[seqio.Task]) -> dict[str, str]:
  """Returns what tells the rows of tasks, and the words, from others.

  Where the files are is no part of it, for they may be moved.
  """
  found = {
    task.name: task.source.digest()
    for task in tasks
    if isinstance(task.source, QuerySource)
  }
  for number, path in enumerate(settings.current().word_files or ()):
    content = files.path(path).read_bytes()
    found[f'word_files[{number}]'] = hashlib.sha256(content).hexdigest()[:16]
  return found


def available_tasks(name: str) -> list[seqio.Task]:
  """Returns the tasks of a mixture (or the task) that the source can fill.

  Raises:
    FileNotFoundError: if the data source lacks a dataset, unless
      DataSettings.skip_missing is set and it has another.
  """
  mixture_or_task = get_mixture_or_task(name)
  tasks = list(seqio.get_subtasks(mixture_or_task))
  missing = {
    task: reason
    for task in tasks
    if (reason := dataset_tasks.missing_data(task))
  }
  if not missing:
    return tasks
  names = ', '.join(dict.fromkeys(t.source.spec.name for t in missing))
  told = f'{name}: {len(missing)} of {len(tasks)} tasks have no data: {names}.'
  why = _why(list(missing.values()))
  if len(missing) == len(tasks):
    raise FileNotFoundError(f'{told} Add the datasets.\n{why}')
  if not settings.current().skip_missing:
    raise FileNotFoundError(
      f'{told} Add the datasets, or set settings.DataSettings.skip_missing ='
      f' True to do without them.\n{why}'
    )
  _warn_once(f'{told} They are left out.\n{why}')
  return [task for task in tasks if task not in missing]


def _why(reasons: Sequence[str]) -> str:
  """The first of some reasons, which mostly differ in the dataset alone."""
  for reason in reasons:
    logging.info('%s', reason)
  if len(reasons) == 1:
    return reasons[0]
  return f'The first: {reasons[0]}\n--verbosity=0 says why of each.'


@functools.cache
def _warn_once(sentence: str) -> None:
  logging.warning('%s', sentence)


def mixing_rates(name: str) -> dict[seqio.Task, float]:
  """Returns the available tasks of a mixture with their rates."""
  mixture_or_task = get_mixture_or_task(name)
  tasks = available_tasks(name)
  if isinstance(mixture_or_task, seqio.Task):
    return dict.fromkeys(tasks, 1.0)
  return {task: mixture_or_task.get_rate(task) for task in tasks}


class _MarkedMixture(seqio.Mixture):
  """A mixture whose examples tell which task they are of."""

  def __init__(self, name: str, rates: Mapping[seqio.Task, float]):
    super().__init__(name, list(rates.items()))
    self._numbers = {task.name: i for i, task in enumerate(rates)}

  def get_task_dataset(
    self,
    task,
    output_feature_keys,
    sequence_length,
    split,
    use_cached,
    shuffle,
    seed,
    shard_info,
    num_epochs,
    trim_output_features,
    try_in_mem_cache,
  ) -> tf.data.Dataset:
    # As SeqIO has it, but for the mark, and with one thread: a thread of its
    # own costs an example more than this does.
    dataset = task.get_dataset(
      sequence_length=sequence_length,
      split=split,
      use_cached=use_cached,
      shuffle=shuffle,
      seed=seed,
      shard_info=shard_info,
      num_epochs=num_epochs,
      trim_output_features=trim_output_features,
      try_in_mem_cache=try_in_mem_cache,
    )
    wanted = [k for k in dataset.element_spec if k in output_feature_keys]
    mark = {TASK: tf.constant(self._numbers[task.name], tf.int32)}
    return dataset.map(
      lambda example: {name: example[name] for name in wanted} | mark
    )


def tuning_examples(
  name: str,
  task_feature_lengths: Mapping[str, int] | None,
  seed: int,
  shard: seqio.ShardInfo | None = None,
  features: Sequence[str] = (),
) -> tf.data.Dataset:
  """Opens what is available of a mixture, endless and shuffled.

  Beside inputs and targets, an example has a `task`: int32 [], its place among
  `available_tasks`.

  Args:
    name: of the mixture or task.
    task_feature_lengths: most tokens of 'inputs' and 'targets'.
    seed: of the order of examples and of every choice in a prompt.
    shard: which share of the examples; all, by default.
    features: what else of an example is wanted.

  Raises:
    ValueError: if a task has fewer examples than there are shards, or a length
      is of another feature.
  """
  lengths = checked_lengths(task_feature_lengths or {})
  rates = mixing_rates(name)
  # Reads the examples too: an error of theirs comes before SeqIO's of a task.
  check_shards(rates, shard.num_shards if shard else 1)
  return _MarkedMixture(name, rates).get_dataset(
    # That inputs_loss is read, see `dataset_tasks.add_tuning_task`.
    sequence_length={**lengths, INPUTS_LOSS: lengths.get('inputs')},
    split='train',
    shuffle=True,
    seed=seed,
    shard_info=shard,
    num_epochs=None,
    passthrough_features=[*features, INPUTS_LOSS],
    # Prompts of datasets fit already.
    trim_output_features=not all(
      isinstance(task.source, QuerySource) for task in rates
    ),
    # Sources are in memory already, or stream.
    try_in_mem_cache=False,
  )


def check_shards(tasks: Mapping[seqio.Task, float], num_shards: int) -> None:
  """Checks that no task lacks examples in a shard, which would end there.

  Raises:
    ValueError: if a task has fewer examples than there are shards.
  """
  for task in tasks:
    size = task.source.num_input_examples('train')
    if size is not None and size < num_shards:
      raise ValueError(
        f'{task.name} has {size} examples, too few to divide them among'
        f' {num_shards} processes or shards: use {size} at the most.'
      )


def evaluation_examples(
  task_name: str, task_feature_lengths: Mapping[str, int]
) -> list[Example]:
  """Returns the examples of an evaluation task, as SeqIO has them.

  Raises:
    ValueError: if the task is unknown, or a label option or a question that is
      answered by writing is too long.
  """
  task = get_mixture_or_task(task_name)
  with explaining_lengths(task_name, task_feature_lengths):
    dataset = task.get_dataset(
      sequence_length=task_feature_lengths,
      split='validation',
      shuffle=False,
      try_in_mem_cache=False,
    )
    return list(read(dataset))


@contextlib.contextmanager
def explaining_lengths(
  task_name: str, task_feature_lengths: Mapping[str, int]
) -> Iterator[None]:
  """Adds to errors of length what is to be raised."""
  checked_lengths(task_feature_lengths)
  try:
    yield
  except ValueError as error:
    if TOO_LONG not in str(error):
      raise
    raise ValueError(
      f'{task_name}: {error}; raise TASK_FEATURE_LENGTHS, now'
      f' {dict(task_feature_lengths)}.'
    ) from None


def read(dataset: tf.data.Dataset) -> Iterator[Example]:
  """Yields examples, as arrays; those without strings many at a time.

  Raises:
    ValueError: if what makes them does.
  """
  specs = dataset.element_spec
  try:
    if any(spec.dtype == tf.string for spec in specs.values()):
      yield from dataset.as_numpy_iterator()
      return
    padding = {name: tf.constant(_NONE, s.dtype) for name, s in specs.items()}
    batches = dataset.padded_batch(_READ_SIZE, padding_values=padding)
    for batch in batches.prefetch(1).as_numpy_iterator():
      columns = [_without_padding(column) for column in batch.values()]
      for values in zip(*columns, strict=True):
        yield dict(zip(batch, values, strict=True))
  except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
    # What Python has raised within TensorFlow.
    reason = re.search('ValueError: (.*)', error.message)
    if reason is None:
      raise
    raise ValueError(reason[1]) from None


def _without_padding(column: np.ndarray) -> Sequence[np.ndarray]:
  if column.ndim == 1:
    return list(column)
  lengths = (column != _NONE).sum(axis=1).tolist()
  return [row[:n] for row, n in zip(column, lengths, strict=True)]
