"""Reads prompts of a task as the model gets them, and counts.

Everything is taken from the examples that training and evaluation read, so
what is seen here is what a model sees: lengths in tokens, exemplars that were
dropped to fit, queries that were too long to be asked.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import seqio

from symbol_tuning.data import parts
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.data.seqio_tasks.query_source import QuerySource

Example = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Prompt:
  """A prompt and what may follow it, in tokens.

  Attributes:
    inputs: int [n]; empty in language modelling.
    targets: the label in tuning, every label option in evaluation; int [t].
    correct: which of the targets is right.
    written: the inputs as text, before they were tokenized.
    answers: the same of the targets.
    label: the class of the query, or None where there are no classes.
    num_exemplars: exemplars in the inputs.
    num_drawn: exemplars before any was dropped to fit.
  """

  inputs: np.ndarray
  targets: tuple[np.ndarray, ...]
  correct: int
  written: str
  answers: tuple[str, ...]
  label: int | None
  num_exemplars: int
  num_drawn: int

  @classmethod
  def of(cls, examples: Iterable[Example]) -> 'Prompt':
    """Takes the examples of one query, one for each of its options."""
    examples = tuple(examples)
    first = examples[0]
    right = [bool(example.get('is_correct', True)) for example in examples]
    return cls(
      inputs=first.get('inputs', first['targets'][:0]),
      targets=tuple(example['targets'] for example in examples),
      correct=right.index(True),
      written=first.get('inputs_pretokenized', b'').decode(),
      answers=tuple(
        example.get('targets_pretokenized', b'').decode()
        for example in examples
      ),
      label=int(first['label']) if 'label' in first else None,
      num_exemplars=int(first.get('num_exemplars', 0)),
      num_drawn=int(first.get('num_exemplars_drawn', 0)),
    )

  def labels(self) -> set[str]:
    """Returns the labels in sight: of the exemplars and of the answers."""
    if not self.written:
      return set()
    shown = {part.text for part in parts.dissect(self.written) if part.label}
    return {label.strip() for label in (*shown, *self.answers) if label.strip()}


@dataclasses.dataclass(frozen=True)
class Statistics:
  """What there is to count in the prompts of a task.

  Attributes:
    num_prompts: prompts that were read.
    num_dropped: queries that were left out, being too long.
    num_shortened: prompts that have fewer exemplars than were drawn.
    num_exemplars: exemplars in all prompts.
    input_lengths: tokens of the inputs of each prompt, int [num_prompts].
    target_lengths: tokens of all targets, int [n].
    class_counts: queries of each class, by natural label.
    labels: the different labels, or symbols, that were seen.
  """

  num_prompts: int
  num_dropped: int
  num_shortened: int
  num_exemplars: int
  input_lengths: np.ndarray
  target_lengths: np.ndarray
  class_counts: Mapping[str, int]
  labels: frozenset[str]

  @classmethod
  def of(
    cls,
    prompts: Iterable[Prompt],
    num_dropped: int = 0,
    class_names: tuple[str, ...] = (),
  ) -> 'Statistics':
    """Counts."""
    prompts = tuple(prompts)
    classes = collections.Counter(prompt.label for prompt in prompts)
    return cls(
      num_prompts=len(prompts),
      num_dropped=num_dropped,
      num_shortened=sum(p.num_exemplars < p.num_drawn for p in prompts),
      num_exemplars=sum(p.num_exemplars for p in prompts),
      input_lengths=np.array([len(p.inputs) for p in prompts], int),
      target_lengths=np.array(
        [len(t) for p in prompts for t in p.targets], int
      ),
      class_counts={name: classes[i] for i, name in enumerate(class_names)},
      labels=frozenset().union(*(prompt.labels() for prompt in prompts)),
    )


@dataclasses.dataclass(frozen=True)
class Sample:
  """Prompts of one task, and their statistics."""

  task: str
  prompts: tuple[Prompt, ...]
  statistics: Statistics


def draw(
  task: seqio.Task,
  task_feature_lengths: Mapping[str, int],
  most: int,
  seed: int = 0,
) -> Sample:
  """Reads prompts of a task.

  The queries are a random part of the task's, as large as `most` allows, or
  the first ones of a task that is not made of a dataset. All of them are asked
  or counted as dropped.

  Args:
    task: of tuning, evaluation, writing or language modelling.
    task_feature_lengths: the most tokens of `inputs` and `targets`.
    most: the most prompts to read.
    seed: of the choice of queries and of what is drawn in training prompts.
  """
  split = 'train' if 'train' in task.splits else 'validation'
  before = dataset_tasks.dropped_queries[task.name]
  dataset = task.get_dataset(
    sequence_length=task_feature_lengths,
    split=split,
    shuffle=task.source.performs_internal_shuffling,
    seed=seed,
    shard_info=_part(task, split, most),
  )
  prompts = tuple(itertools.islice(_prompts(dataset.as_numpy_iterator()), most))
  dropped = dataset_tasks.dropped_queries[task.name] - before
  names = _class_names(task)
  return Sample(task.name, prompts, Statistics.of(prompts, dropped, names))


def _part(task: seqio.Task, split: str, most: int) -> seqio.ShardInfo | None:
  """The part of a dataset's queries that is looked at, and looked at whole."""
  if not isinstance(task.source, QuerySource):
    return None
  num_queries = task.source.num_input_examples(split)
  return seqio.ShardInfo(index=0, num_shards=max(1, -(-num_queries // most)))


def _class_names(task: seqio.Task) -> tuple[str, ...]:
  if isinstance(task.source, QuerySource):
    return task.source.spec.labels
  return ()


def _prompts(examples: Iterable[Example]) -> Iterator[Prompt]:
  """Puts the label options of a query together; they follow each other."""

  def query(numbered: tuple[int, Example]) -> tuple[str, int]:
    number, example = numbered
    if 'idx' in example:
      return 'query', int(example['idx'][0])
    return 'example', number

  for _, group in itertools.groupby(enumerate(examples), query):
    yield Prompt.of(example for _, example in group)
