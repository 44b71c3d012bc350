"""The metric functions that a SeqIO task declares, on recorded answers.

They are called as SeqIO's Evaluator does: a metric of scores with postprocessed
targets and the scores of all examples, a metric of predictions with
postprocessed targets and postprocessed predictions.
"""

from collections.abc import Sequence
from typing import Any

import seqio

from symbol_tuning.evaluation import layout, results

Scalars = dict[str, float]


def of_task(
  name: str,
  examples: Sequence[layout.Example],
  made: Sequence[results.Prediction] | Sequence[results.Answer],
) -> Scalars:
  """Returns the numbers that the metric functions of a task give.

  Args:
    name: of the task, which must be registered.
    examples: what was asked.
    made: what was answered.
  """
  task = seqio.TaskRegistry.get(name)
  targets = [_target(task, example) for example in examples]
  if task.score_metric_fns:
    functions, answers = task.score_metric_fns, _scores(examples, made)
  else:
    functions = task.predict_metric_fns
    answers = [
      task.postprocess_fn(answer.text, example=example, is_target=False)
      for answer, example in zip(made, examples, strict=True)
    ]
  values = {}
  for function in functions:
    values |= function(targets, answers)
  return _numbers(values)


def _target(task: seqio.Task, example: layout.Example) -> Any:
  return task.postprocess_fn(
    results.text_of(example['targets_pretokenized']),
    example=example,
    is_target=True,
  )


def _scores(
  examples: Sequence[layout.Example], made: Sequence[results.Prediction]
) -> list[float]:
  """The log-likelihood of each example."""
  scores = {
    (prediction.query, number): option.log_likelihood
    for prediction in made
    for number, option in enumerate(prediction.options)
  }
  return [scores[tuple(example['idx'].tolist())] for example in examples]


def _numbers(values: dict[str, Any]) -> Scalars:
  """Leaves out texts and pictures, which no curve is drawn of."""
  plain = {
    name: value.value if isinstance(value, seqio.metrics.Scalar) else value
    for name, value in values.items()
  }
  return {
    name: float(value)
    for name, value in plain.items()
    if not isinstance(value, seqio.metrics.MetricValue)
  }
