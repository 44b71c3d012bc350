"""Tasks in which a model writes its answer, and exact matches count.

The task's postprocess function prepares what was written and what is accepted,
and its predict metric function `exact_match` compares the two: see exact_match.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import seqio

from symbol_tuning.evaluation import (
  fingerprints,
  generation,
  placement,
  results,
)
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.decoding import Decoding, End
from symbol_tuning.models import decoder

METRIC = 'exact_match'


@dataclasses.dataclass(frozen=True)
class WritingTask:
  """A task of suite.Suite.

  Attributes:
    examples: one a query, with `inputs` (int tokens), `query_index`,
      `inputs_pretokenized`, `targets_pretokenized`, `answers` and `origin`.
    vocabulary: of the model.
    decoding: how answers are written. They end with the token that ends a
      target, or with the end-of-sequence token.
    postprocess: a SeqIO postprocess function.
    metric_fns: SeqIO metric functions of targets and predictions.
  """

  examples: Sequence[layout_lib.Example]
  vocabulary: seqio.Vocabulary
  decoding: Decoding
  postprocess: Callable[..., Any]
  metric_fns: Sequence[Callable[..., Mapping[str, float]]]

  @property
  def num_tokens(self) -> int:
    return sum(
      len(example['inputs']) + self.decoding.max_new_tokens
      for example in self.examples
    )

  @property
  def fingerprint(self) -> str:
    return fingerprints.of_texts(
      fingerprints.of_examples(self.examples, ('inputs', 'answers')),
      repr((self.decoding, self._end_ids)),
    )

  @classmethod
  def plan(
    cls,
    tasks: Sequence['WritingTask'],
    params: Any,
    budget: layout_lib.Budget,
  ) -> layout_lib.Layout:
    """Chooses the shapes of batches for all of these tasks."""
    return generation.plan(
      [example['inputs'] for task in tasks for example in task.examples],
      max(task.decoding.max_new_tokens for task in tasks),
      num_row_lengths=budget.num_row_lengths,
      batch_tokens=budget.writing_batch_tokens,
      batch_multiple=placement.batch_multiple(params),
    )

  def predictions(
    self,
    model: decoder.Decoder,
    params: Any,
    layout: layout_lib.Layout,
    advance: Callable[[int], None],
  ) -> list[results.Answer]:
    """Has the model write the answer of every query."""
    written = generation.generate(
      model,
      params,
      [example['inputs'] for example in self.examples],
      layout,
      self.decoding,
      End(self._end_ids, self.vocabulary.decode),
      advance,
    )
    return [
      self._answer(example, answer.text)
      for example, answer in zip(self.examples, written, strict=True)
    ]

  @property
  def _end_ids(self) -> tuple[int, ...]:
    ends = {int(example['targets'][-1]) for example in self.examples}
    return tuple(sorted(ends | {self.vocabulary.eos_id}))

  def _answer(self, example: layout_lib.Example, text: str) -> results.Answer:
    accepted = self.postprocess(
      results.text_of(example['targets_pretokenized']),
      example=example,
      is_target=True,
    )
    prediction = self.postprocess(text, example=example, is_target=False)
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
      query=int(example['query_index']),
      prompt=results.text_of(example['inputs_pretokenized']),
      origin=results.text_of(example['origin']),
      text=text,
      prediction=prediction,
      answers=tuple(accepted),
      is_correct=values[METRIC] == 100,
    )
