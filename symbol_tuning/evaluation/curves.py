"""Metrics over steps, as SeqIO logs them: TensorBoard events and JSON lines.

The layout is T5X's: <folder>/inference_eval/<task>/events… with the tags
eval/accuracy and the like, and <folder>/inference_eval/<task>-metrics.jsonl
with one line a step. There are the metrics of `metrics.METRICS`, the averages
over the tasks of a mixture, and what a task's own SeqIO functions measure.
"""

import json
from collections.abc import Mapping

import jax

from symbol_tuning import files, reading
from symbol_tuning.evaluation import results, task_metrics
from symbol_tuning.evaluation.suite import Suite
from symbol_tuning.events import EventFile

FOLDER = 'inference_eval'


class Curves:
  """Adds checkpoint after checkpoint, each once. Only process 0 writes."""

  def __init__(self, folder: files.PathLike):
    """Names the folder of the logs; they are made when something is added."""
    self._folder = files.path(folder)
    self._events: dict[str, EventFile] = {}

  def add(
    self, summary: results.Summary, suite: Suite, directory: files.Path
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
      path = directory / result.predictions
      made = results.read_predictions(path, result.sha256)
      values_by_name[mixture] = _values(average)
      values_by_name[name] = _values(result) | task_metrics.of_task(
        name, task, made
      )
    for name, values in values_by_name.items():
      self._log(name, step, values)

  def _log(self, name: str, step: int, values: Mapping[str, float]) -> None:
    """Adds a line and a point, unless they are there."""
    path = self._folder / f'{name}-metrics.jsonl'
    lines = path.read_bytes().splitlines() if path.exists() else []
    values = {metric: float(value) for metric, value in values.items()}
    line = {'step': step, **values}
    with reading.explained(path, 'lines of metrics', 'remove it'):
      if line in map(json.loads, lines):
        return
    if name not in self._events:
      (self._folder / name).mkdir(parents=True, exist_ok=True)
      # A point is rare, and the next may be hours away.
      self._events[name] = EventFile(self._folder / name, seconds=0.0)
    tagged = {f'eval/{metric}': value for metric, value in values.items()}
    self._events[name].write(step, tagged)
    # Last, for it tells what has been added.
    content = b'\n'.join([*lines, json.dumps(line).encode(), b''])
    files.write_bytes(path, content)


def _values(
  result: results.TaskResult | results.MixtureResult,
) -> dict[str, float]:
  values = {**result.metrics, 'chance': result.chance}
  return values if result.loss is None else {**values, 'loss': result.loss}
