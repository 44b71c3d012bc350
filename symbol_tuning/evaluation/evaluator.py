"""Evaluates parameters on a suite of tasks and writes what it found.

An evaluation that was stopped goes on where it was: results that were measured
with the same parameters on the same examples are kept.
"""

from typing import Any

from jax.experimental import multihost_utils

from symbol_tuning import files
from symbol_tuning.evaluation import layout, results
from symbol_tuning.evaluation.countdown import Countdown
from symbol_tuning.evaluation.record import Checkpoint, Record, fingerprint
from symbol_tuning.evaluation.suite import Suite
from symbol_tuning.models import decoder

DEFAULT_BUDGET = layout.Budget()


def evaluate(
  model: decoder.Decoder,
  params: Any,
  suite: Suite,
  checkpoint: Checkpoint,
  directory: files.PathLike,
  budget: layout.Budget = DEFAULT_BUDGET,
  countdown: Countdown | None = None,
) -> results.Summary:
  """Evaluates parameters on a suite.

  Args:
    model: the decoder.
    params: its parameters; their shardings say where it runs.
    suite: the tasks.
    checkpoint: where the parameters come from.
    directory: results are written there, after every task; results of the
      same parameters that are there already are kept.
    budget: what the shapes of batches are chosen by.
    countdown: is told how far the evaluation is.

  Returns:
    The summary that is written to the directory.

  Raises:
    ValueError: if examples and model do not fit together.
  """
  directory = files.path(directory)
  countdown = countdown or Countdown(suite.num_tokens)
  layouts = {
    kind: kind.plan(tasks, params, budget)
    for kind, tasks in suite.tasks_by_kind.items()
  }
  record = Record(suite, checkpoint, directory, fingerprint(model, params))
  # All hosts must have read what is there before one of them adds to it.
  multihost_utils.sync_global_devices('evaluation starts')
  for mixture, tasks in suite.mixtures.items():
    for name, task in tasks.items():
      if record.has(mixture, name):
        countdown.skip(task.num_tokens)
        continue
      predictions = task.predictions(
        model, params, layouts[type(task)], countdown.advance
      )
      record.add(mixture, name, predictions)
    result = record.summary.mixtures[mixture]
    countdown.say(
      f'{checkpoint.label} · {mixture} {result.accuracy:.1f} %'
      f' (chance {result.chance:.1f} %)'
    )
  # Where nothing was measured, too: what is asked may have become less.
  record.save()
  return record.summary
