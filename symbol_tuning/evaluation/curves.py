"""Metrics over steps, in SeqIO's logs: TensorBoard events and JSON lines.

The layout is T5X's: <folder>/inference_eval/<task>/events… with the tags
eval/accuracy and the like, and <folder>/inference_eval/<task>-metrics.jsonl
with one line a step. There are the metrics of `metrics.METRICS`, the averages
over the tasks of a mixture, and what a task's own SeqIO functions measure.
"""

import json
from collections.abc import Mapping

import jax
import seqio
from etils import epath

from symbol_tuning.evaluation import results, task_metrics
from symbol_tuning.evaluation.suite import Suite

FOLDER = 'inference_eval'


class Curves:
  """Adds checkpoint after checkpoint, each once. Only process 0 writes."""

  def __init__(self, folder: epath.PathLike):
    """Names the folder of the logs; they are made when something is added."""
    self._folder = epath.Path(folder)
    self._loggers = (
      seqio.TensorBoardLogger(str(self._folder)),
      # Last, for its lines tell what has been added.
      seqio.JSONLogger(str(self._folder), write_n_results=0),
    )

  def add(
    self, summary: results.Summary, suite: Suite, directory: epath.Path
  ) -> None:
    """Adds a checkpoint; one that does not tell its step is at step 0.

    Args:
      summary: its results.
      suite: what it was asked.
      directory: where the summary and its predictions are.
    """
    if jax.process_index() != 0:
      return
    self._folder.mkdir(parents=True, exist_ok=True)
    step = summary.step or 0
    values_by_name = {}
    for mixture, name, task in suite:
      average = summary.mixtures[mixture]
      result = average.tasks[name]
      made = results.read_predictions(directory / result.predictions)
      values_by_name[mixture] = _values(average)
      values_by_name[name] = _values(result) | task_metrics.of_task(
        name, task, made
      )
    for name, values in values_by_name.items():
      if not self._has(name, {'step': step, **values}):
        scalars = {k: seqio.metrics.Scalar(v) for k, v in values.items()}
        for log in self._loggers:
          log(name, step, scalars, None, None, None)

  def _has(self, name: str, line: Mapping[str, float]) -> bool:
    path = self._folder / f'{name}-metrics.jsonl'
    lines = path.read_text().splitlines() if path.exists() else []
    return line in [json.loads(known) for known in lines]


def _values(
  result: results.TaskResult | results.MixtureResult,
) -> dict[str, float]:
  values = {**result.metrics, 'chance': result.chance}
  return values if result.loss is None else {**values, 'loss': result.loss}
