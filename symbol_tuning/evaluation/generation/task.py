"""Tasks in which a model writes its answer, and exact matches count.

The task's postprocess function prepares what was written and what is accepted,
and its predict metric function `exact_match` compares the two: see exact_match.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import seqio

from symbol_tuning.data.prompting.records import OpenQuery
from symbol_tuning.data.seqio_tasks import flat_examples
from symbol_tuning.evaluation import fingerprints, placement, results
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.generation import generating
from symbol_tuning.evaluation.generation.decoding import Decoding, End
from symbol_tuning.models import decoder

METRIC = 'exact_match'


@dataclasses.dataclass(frozen=True)
class WritingTask:
  """A task of suite.Suite.

  Attributes:
    queries: what is asked.
    vocabulary: of the model.
    decoding: how answers are written. They end with the token that ends a
      target, or with the end-of-sequence token.
    postprocess: a SeqIO postprocess function.
    metric_fns: SeqIO metric functions of targets and predictions.
    num_dropped: questions that cannot be asked; too long ones are refused.
  """

  queries: Sequence[OpenQuery]
  vocabulary: seqio.Vocabulary
  decoding: Decoding
  postprocess: Callable[..., Any]
  metric_fns: Sequence[Callable[..., Mapping[str, float]]]
  num_dropped: int = 0

  @property
  def num_tokens(self) -> int:
    """The tokens that a model reads, and those that it may write."""
    return sum(
      len(query.tokens) + self.decoding.max_new_tokens for query in self.queries
    )

  @property
  def fingerprint(self) -> str:
    """Tells tasks apart by what is asked, and how answers are made and marked.

    The functions that mark them are told apart by their names.
    """
    marking = [self.postprocess, *self.metric_fns]
    return fingerprints.of_values(
      [
        *map(_in_full, self.queries),
        self.decoding,
        self._end_ids,
        *map(fingerprints.of_function, marking),
      ]
    )

  @classmethod
  def plan(
    cls,
    tasks: Sequence['WritingTask'],
    params: Any,
    budget: layout_lib.Budget,
  ) -> layout_lib.Layout:
    """Chooses the shapes of batches for all of these tasks."""
    return generating.plan(
      [query.tokens for task in tasks for query in task.queries],
      max(task.decoding.max_new_tokens for task in tasks),
      budget,
      placement.batch_multiple(params),
    )

  def predictions(
    self,
    model: decoder.Decoder,
    params: Any,
    layout: layout_lib.Layout,
    advance: Callable[[int], None],
  ) -> list[results.Answer]:
    """Has the model write the answer of every query."""
    written = generating.generate(
      model,
      params,
      [query.tokens for query in self.queries],
      layout,
      self.decoding,
      End(self._end_ids, self.vocabulary.decode),
      advance,
    )
    return [
      self._answer(query, answer.text)
      for query, answer in zip(self.queries, written, strict=True)
    ]

  @property
  def _end_ids(self) -> tuple[int, ...]:
    ends = {int(query.target.tokens[-1]) for query in self.queries}
    return tuple(sorted(ends | {self.vocabulary.eos_id}))

  def _answer(self, query: OpenQuery, written: str) -> results.Answer:
    example = flat_examples.of_open_query(query)
    accepted = self.postprocess(
      query.target.text, example=example, is_target=True
    )
    prediction = self.postprocess(written, example=example, is_target=False)
    values = {
      name: value
      for metric in self.metric_fns
      for name, value in metric([accepted], [prediction]).items()
    }
    if METRIC not in values:
      raise ValueError(
        f'The metrics of a task are {", ".join(values)}; none is called'
        f' {METRIC}: declare exact_match.{METRIC} among its metric functions.'
      )
    return results.Answer(
      query=query.index,
      text=query.text,
      origin=query.origin,
      num_exemplars=query.num_kept,
      num_exemplars_drawn=query.num_drawn,
      written=written,
      prediction=prediction,
      answers=tuple(accepted),
      is_correct=values[METRIC] == 100,
    )


def _in_full(query: OpenQuery) -> OpenQuery:
  """A query whose repr has all its tokens, which that of an array has not."""
  target = dataclasses.replace(
    query.target, tokens=query.target.tokens.tolist()
  )
  return dataclasses.replace(query, tokens=query.tokens.tolist(), target=target)
