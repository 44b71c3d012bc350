"""The metric functions that a SeqIO task declares, on recorded answers.

They are called as SeqIO's Evaluator does: a metric of scores with postprocessed
targets and the scores of all examples, a metric of predictions with
postprocessed targets and postprocessed predictions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import seqio

from symbol_tuning.data.seqio_tasks import flat_examples
from symbol_tuning.evaluation import results
from symbol_tuning.evaluation.generation.task import WritingTask
from symbol_tuning.evaluation.ranking.task import RankingTask


def of_task(
  name: str,
  asked: RankingTask | WritingTask,
  made: Sequence[results.Prediction | results.Answer],
) -> dict[str, float]:
  """Returns the numbers that the metric functions of a task give.

  Args:
    name: of the task, which must be registered.
    asked: its queries.
    made: what was answered, in the same order.
  """
  task = seqio.TaskRegistry.get(name)
  if isinstance(asked, RankingTask):
    functions = task.score_metric_fns
    examples = [
      one for query in asked.queries for one in flat_examples.of_query(query)
    ]
    answers = [
      option.log_likelihood
      for one in made
      if isinstance(one, results.Prediction)
      for option in one.options
    ]
  else:
    functions = task.predict_metric_fns
    examples = list(map(flat_examples.of_open_query, asked.queries))
    answers = [
      task.postprocess_fn(one.written, example=example, is_target=False)
      for one, example in zip(made, examples, strict=True)
      if isinstance(one, results.Answer)
    ]
  targets = [_target(task, example) for example in examples]
  values: dict[str, Any] = {}
  for function in functions:
    values |= function(targets, answers)
  return _numbers(values)


def _target(task: seqio.Task, example: Mapping[str, Any]) -> Any:
  return task.postprocess_fn(
    example['targets_pretokenized'].decode(), example=example, is_target=True
  )


def _numbers(values: dict[str, Any]) -> dict[str, float]:
  """Leaves out texts and pictures, which no curve is drawn of."""
  drawn = seqio.metrics.Scalar
  return {
    name: float(value.value if isinstance(value, drawn) else value)
    for name, value in values.items()
    if isinstance(value, drawn)
    or not isinstance(value, seqio.metrics.MetricValue)
  }
