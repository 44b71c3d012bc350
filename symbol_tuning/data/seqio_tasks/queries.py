"""The questions of evaluation tasks, as records.

Tasks of this package give their records. Those of others are SeqIO's examples,
whose layout (see `flat_examples`) is read here and nowhere else; evaluation and
report deal in `Query` and `OpenQuery`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seqio

from symbol_tuning.data.prompting.records import OpenQuery, Option, Query
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing
from symbol_tuning.data.seqio_tasks.query_source import QuerySource
from symbol_tuning.data.seqio_tasks.text_tasks import QuestionSource

Example = Mapping[str, Any]

_RANKED = (
  'inputs', 'targets', 'idx', 'is_correct', 'inputs_pretokenized',
  'targets_pretokenized',
)  # fmt: skip
_OPEN = ('inputs', 'targets', 'inputs_pretokenized', 'targets_pretokenized')


def load(
  task: seqio.Task, task_feature_lengths: Mapping[str, int]
) -> list[Query]:
  """Returns the queries of a rank-classification task, in order.

  Args:
    task: any SeqIO task whose examples have `inputs` and `targets` (tokens),
      `idx` (query, option), `is_correct`, `inputs_pretokenized` and
      `targets_pretokenized`, as T5's have.
    task_feature_lengths: the most tokens of `inputs` and `targets`.

  Raises:
    ValueError: if an example lacks a feature, a label option is too long, or
      the examples of a query do not make a question (see `grouped`).
  """
  if isinstance(task.source, QuerySource):
    maker = task.source.prompt_maker(task_feature_lengths)
    numbers = task.source.queries().tolist()
    with mixing.explaining_lengths(task.name, task_feature_lengths):
      return dataset_tasks.queries(task.name, maker, numbers)
  examples = mixing.evaluation_examples(task.name, task_feature_lengths)
  _check_features(task, examples, _RANKED)
  return grouped(examples)


def load_open(
  task: seqio.Task, task_feature_lengths: Mapping[str, int]
) -> list[OpenQuery]:
  """Returns the questions of a task whose answers are written, in order.

  Args:
    task: any SeqIO task whose examples have `inputs` and `targets` (tokens),
      `inputs_pretokenized` and `targets_pretokenized`; perhaps `answers` (all
      that are accepted; the target alone by default), `origin`, `query_index`,
      `num_exemplars` and `num_exemplars_drawn`.
    task_feature_lengths: the most tokens of `inputs` and `targets`.

  Raises:
    ValueError: if an example lacks a feature, or a question is too long.
  """
  if isinstance(task.source, QuestionSource):
    with mixing.explaining_lengths(task.name, task_feature_lengths):
      return task.source.open_queries(task_feature_lengths)
  examples = mixing.evaluation_examples(task.name, task_feature_lengths)
  _check_features(task, examples, _OPEN)
  return [_open_query(i, example) for i, example in enumerate(examples)]


def _check_features(
  task: seqio.Task, examples: Sequence[Example], needed: Sequence[str]
) -> None:
  missing = [f for f in needed if examples and f not in examples[0]]
  if missing:
    raise ValueError(
      f'The examples of {task.name} have no feature {", ".join(missing)}: its'
      f' preprocessors must give {", ".join(needed)}.'
    )


def grouped(examples: Sequence[Example]) -> list[Query]:
  """Returns the queries that flat examples are of, ordered by their indices.

  Raises:
    ValueError: if an example has no inputs or no targets, the options of a
      query follow different prompts, one is missing, or not exactly one is
      correct.
  """
  by_query: dict[int, list[tuple[int, Example]]] = {}
  for example in examples:
    index, option = (int(i) for i in example['idx'])
    by_query.setdefault(index, []).append((option, example))
  return [_query(index, by_query[index]) for index in sorted(by_query)]


def _query(index: int, options: list[tuple[int, Example]]) -> Query:
  options.sort(key=lambda option: option[0])
  numbers, examples = zip(*options, strict=True)
  if numbers != tuple(range(len(numbers))):
    raise ValueError(
      f'Query {index} has the options {numbers}: expected each of 0 to'
      f' {max(numbers)} once.'
    )
  for number, example in options:
    _check(f'Query {index}, option {number},', example, examples[0])
  correct = [bool(example['is_correct']) for example in examples]
  if correct.count(True) != 1:
    raise ValueError(
      f'Query {index} has {correct.count(True)} correct options: expected one.'
    )
  return Query(
    index=index,
    text=_text(examples[0]['inputs_pretokenized']),
    tokens=_tokens(examples[0]['inputs']),
    options=tuple(map(_option, examples)),
    label=correct.index(True),
  )


def _check(where: str, example: Example, first: Example) -> None:
  for feature in ('inputs', 'targets'):
    if not len(example[feature]):
      raise ValueError(
        f'{where} has no {feature}: there is nothing to score. An option that'
        ' is empty text is scored by its end-of-sequence token.'
      )
  if not np.array_equal(example['inputs'], first['inputs']):
    raise ValueError(
      f'{where} stands after another prompt than the first option: their'
      ' scores cannot be compared.'
    )


def _open_query(place: int, example: Example) -> OpenQuery:
  target = _option(example)
  answers = example.get('answers', [target.text.strip()])
  return OpenQuery(
    index=int(example.get('query_index', place)),
    text=_text(example['inputs_pretokenized']),
    tokens=_tokens(example['inputs']),
    target=target,
    answers=tuple(_text(answer) for answer in answers),
    origin=_text(example.get('origin', '')),
    output_regex=_text(example.get('output_regex', '')),
    num_kept=int(example.get('num_exemplars', 0)),
    num_drawn=int(example.get('num_exemplars_drawn', 0)),
  )


def _option(example: Example) -> Option:
  text = _text(example['targets_pretokenized'])
  return Option(text, _tokens(example['targets']))


def _tokens(feature: Any) -> np.ndarray:
  return np.asarray(feature, np.int32)


def _text(feature: Any) -> str:
  """The text of a feature, which SeqIO has as bytes."""
  return feature.decode('utf-8') if isinstance(feature, bytes) else str(feature)
