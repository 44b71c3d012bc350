"""Draws prompts of a task as a model gets them, and counts.

The prompts are the records that training and evaluation are made of, so what is
seen here is what a model sees: lengths in tokens, exemplars that were dropped
to fit, queries that were too long to be asked.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import seqio

from symbol_tuning.data.prompting.records import Option, Query
from symbol_tuning.data.seqio_tasks import dataset_tasks, queries
from symbol_tuning.data.seqio_tasks.query_source import PromptMaker, QuerySource


@dataclasses.dataclass(frozen=True)
class ShownPrompt:
  """A prompt and what may follow it.

  Attributes:
    query: the prompt, empty in language modelling; its options are the label in
      tuning, the answer where it is written, every label in evaluation.
    num_exemplars: exemplars in the prompt.
    num_drawn: exemplars before any was dropped to fit.
  """

  query: Query
  num_exemplars: int = 0
  num_drawn: int = 0

  @classmethod
  def of(cls, query: Query) -> 'ShownPrompt':
    """Counts the exemplars of a query that has a record of its prompt."""
    prompt = query.prompt
    if prompt is None:
      return cls(query)
    return cls(query, len(prompt.exemplars), prompt.num_drawn)

  @property
  def label(self) -> int | None:
    """The class of the query, None where there are no classes."""
    return self.query.prompt.label if self.query.prompt else None

  def labels(self) -> set[str]:
    """Returns the labels in sight: of the exemplars and of the answers."""
    if not len(self.query.tokens):
      return set()
    own = self.query.prompt or self.query
    return {option.text.strip() for option in own.options} - {''}


@dataclasses.dataclass(frozen=True)
class Sample:
  """Prompts of one task, and what there is to count in them.

  Attributes:
    task: its name.
    prompts: what was drawn.
    num_dropped: queries that were left out, being too long.
    class_names: the natural labels, none where there are no classes.
  """

  task: str
  prompts: tuple[ShownPrompt, ...]
  num_dropped: int = 0
  class_names: tuple[str, ...] = ()

  @property
  def num_shortened(self) -> int:
    """Prompts that have fewer exemplars than were drawn."""
    return sum(p.num_exemplars < p.num_drawn for p in self.prompts)

  @property
  def num_exemplars(self) -> int:
    """Exemplars in all prompts."""
    return sum(prompt.num_exemplars for prompt in self.prompts)

  @property
  def input_lengths(self) -> np.ndarray:
    """Tokens of the inputs of each prompt, int [prompts]."""
    return np.array([len(p.query.tokens) for p in self.prompts], int)

  @property
  def target_lengths(self) -> np.ndarray:
    """Tokens of all targets, int [n]."""
    targets = [o.tokens for p in self.prompts for o in p.query.options]
    return np.array(list(map(len, targets)), int)

  @property
  def class_counts(self) -> dict[str, int]:
    """Queries of each class, by natural label."""
    counts = collections.Counter(prompt.label for prompt in self.prompts)
    return {name: counts[i] for i, name in enumerate(self.class_names)}

  @property
  def labels(self) -> frozenset[str]:
    """The different labels, or symbols, that were seen."""
    return frozenset().union(*(prompt.labels() for prompt in self.prompts))


def draw(
  task: seqio.Task,
  task_feature_lengths: Mapping[str, int],
  most: int,
  seed: int = 0,
) -> Sample:
  """Draws prompts of a task.

  Of a dataset they are a random part, all of which is asked or counted as
  dropped; of other tasks they are the first ones.

  Args:
    task: of tuning, evaluation, writing or language modelling.
    task_feature_lengths: the most tokens of `inputs` and `targets`.
    most: the most prompts to draw.
    seed: of the choice of queries and of what is drawn in training prompts.
  """
  if isinstance(task.source, QuerySource):
    return _of_dataset(task, task_feature_lengths, most, seed)
  drawn = _others(task, task_feature_lengths, seed)
  return Sample(task.name, tuple(itertools.islice(drawn, most)))


def _of_dataset(
  task: seqio.Task, lengths: Mapping[str, int], most: int, seed: int
) -> Sample:
  maker = task.source.prompt_maker(lengths)
  order = np.random.default_rng(seed).permutation(task.source.queries())
  numbers = order[:most].tolist()
  if 'train' in task.splits:
    asked = _tuning_queries(maker, numbers, seed)
  else:
    asked = dataset_tasks.queries(task.name, maker, numbers)
  return Sample(
    task.name,
    tuple(map(ShownPrompt.of, asked)),
    num_dropped=len(numbers) - len(asked),
    class_names=task.source.spec.labels,
  )


def _tuning_queries(
  maker: PromptMaker, numbers: Sequence[int], seed: int
) -> list[Query]:
  """The prompts of the first epoch, each with its label as the only option."""
  found = []
  for number, fitted in zip(numbers, maker.make(numbers, seed), strict=True):
    if fitted is None:
      continue
    target = maker.fitter.written(fitted.prompt.answer.text)
    if maker.fitter.has_room_for(target):
      text, tokens, prompt = fitted.text, fitted.inputs, fitted.prompt
      found.append(Query(number, text, tokens, (target,), 0, prompt))
  return found


def _others(
  task: seqio.Task, lengths: Mapping[str, int], seed: int
) -> Iterator[ShownPrompt]:
  if task.score_metric_fns:
    yield from map(ShownPrompt.of, queries.load(task, lengths))
  elif task.predict_metric_fns:
    for one in queries.load_open(task, lengths):
      query = Query(one.index, one.text, one.tokens, (one.target,), 0)
      yield ShownPrompt(query, one.num_kept, one.num_drawn)
  else:
    split = 'train' if 'train' in task.splits else 'validation'
    dataset = task.get_dataset(lengths, split, shuffle=False, seed=seed)
    for number, example in enumerate(dataset.as_numpy_iterator()):
      yield ShownPrompt(_plain_query(number, example))


def _plain_query(number: int, example: Mapping[str, Any]) -> Query:
  targets = example['targets']
  text, target = (
    example.get(f'{feature}_pretokenized', b'').decode()
    for feature in ('inputs', 'targets')
  )
  return Query(
    number,
    text,
    example.get('inputs', targets[:0]),
    (Option(target, targets),),
    0,
  )
