"""Accuracies over steps, in SeqIO's logs: TensorBoard events and JSON lines.

The layout is T5X's: <folder>/inference_eval/<task>/events… with the tags
eval/accuracy and the like, and <folder>/inference_eval/<task>-metrics.jsonl
with one line a step. Mixtures have theirs as tasks do.
"""

import json
from collections.abc import Mapping

import jax
import seqio
from etils import epath

from symbol_tuning.evaluation import results

FOLDER = 'inference_eval'
METRICS = ('accuracy', 'length_normalized_accuracy', 'chance')


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

  def add(self, summary: results.Summary) -> None:
    """Adds a checkpoint; one that does not tell its step is at step 0."""
    if jax.process_index() != 0:
      return
    self._folder.mkdir(parents=True, exist_ok=True)
    step = summary.step or 0
    for name, values in _values_by_name(summary).items():
      if not self._has(name, {'step': step, **values}):
        scalars = {k: seqio.metrics.Scalar(v) for k, v in values.items()}
        for log in self._loggers:
          log(name, step, scalars, None, None, None)

  def _has(self, name: str, line: Mapping[str, float]) -> bool:
    path = self._folder / f'{name}-metrics.jsonl'
    lines = path.read_text().splitlines() if path.exists() else []
    return line in [json.loads(known) for known in lines]


def _values_by_name(summary: results.Summary) -> dict[str, dict[str, float]]:
  """The metrics of every mixture and task."""
  measured = dict(summary.mixtures)
  for mixture in summary.mixtures.values():
    measured |= mixture.tasks
  return {
    name: {
      metric: value
      for metric in METRICS
      if (value := getattr(result, metric)) is not None
    }
    for name, result in measured.items()
  }
