"""The results of a checkpoint while it is evaluated, and what is kept of them.

Results that were measured with the same parameters on the same examples need
not be measured again: fingerprints of both tell. Metrics are computed of their
scores once more.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning import files
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.evaluation import fingerprints, results
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.evaluation.suite import Suite, members
from symbol_tuning.models import decoder


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """Where parameters come from, for the record.

  Attributes:
    label: a short name.
    path: where they were read.
    step: training step, if known.
    order: place among the checkpoints evaluated together.
  """

  label: str
  path: str
  step: int | None = None
  order: int = 0


def fingerprint(model: decoder.Decoder, params: Any) -> str:
  """Tells models and their parameters apart."""
  digest = hashlib.sha256(repr(model.config).encode())
  moments = multihost_utils.process_allgather(_moments(params), tiled=True)
  digest.update(np.asarray(moments).tobytes())
  return digest.hexdigest()


@jax.jit
def _moments(params: Any) -> jax.Array:
  arrays = [x.astype(jnp.float32) for x in jax.tree.leaves(params)]
  return jnp.stack([jnp.stack([x.sum(), jnp.abs(x).sum()]) for x in arrays])


class Record:
  """The results of a checkpoint, in memory and in its directory."""

  def __init__(
    self,
    suite: Suite,
    checkpoint: Checkpoint,
    directory: files.Path,
    fingerprint: str,
  ):
    """Reads the results that are there already.

    Args:
      suite: what is evaluated.
      checkpoint: where the parameters come from.
      directory: where the results are.
      fingerprint: of the parameters.
    """
    self._suite = suite
    self._checkpoint = checkpoint
    self._directory = directory
    self._fingerprint = fingerprint
    self._settings = json.loads(json.dumps(suite.settings))
    self._task_fingerprints = {
      (mixture, name): fingerprints.of_values([fingerprint, task.fingerprint])
      for mixture, name, task in suite
    }
    earlier = self._earlier()
    known = {}
    if earlier:
      self._settings = {**earlier.settings, **self._settings}
      known = {name: dict(m.tasks) for name, m in earlier.mixtures.items()}
    self._tasks = known | {
      mixture: {
        task: self._measured(mixture, task, result)
        for task, result in known.get(mixture, {}).items()
        if self._is_valid(mixture, task, result)
      }
      for mixture in suite.mixtures
    }

  def _earlier(self) -> results.Summary | None:
    """The results of these parameters at these settings, if there are any.

    Those of mixtures that are not asked now are kept; those of tasks, if they
    still belong to their mixture, which averages over them.

    Settings that only one of the two evaluations has, such as how answers are
    written, are those of its own tasks.
    """
    if not (self._directory / results.SUMMARY).exists():
      return None
    summary = results.read_summary(self._directory)
    shared = summary.settings.keys() & self._settings.keys()
    is_same = summary.fingerprint == self._fingerprint and all(
      summary.settings[name] == self._settings[name] for name in shared
    )
    return summary if is_same else None

  def _is_valid(
    self, mixture: str, task: str, result: results.TaskResult
  ) -> bool:
    wanted = self._task_fingerprints.get((mixture, task))
    if wanted is None and task not in members(mixture):
      return False
    if wanted not in (None, result.fingerprint):
      return False
    is_whole = results.has_predictions(self._directory, result)
    if not is_whole:
      print_line(
        f'{self._directory / result.predictions} is not what was written:'
        ' evaluated again.'
      )
    return is_whole

  def _measured(
    self, mixture: str, task: str, result: results.TaskResult
  ) -> results.TaskResult:
    """An earlier result by the metrics of now, computed of what it records."""
    asked = self._suite.mixtures[mixture].get(task, result)
    anew = results.task_result(
      results.read_predictions(self._directory / result.predictions),
      text='',
      dataset=result.dataset,
      path=result.predictions,
      fingerprint=result.fingerprint,
      num_dropped=asked.num_dropped,
    )
    return dataclasses.replace(anew, sha256=result.sha256)

  def has(self, mixture: str, task: str) -> bool:
    """Whether the result of a task is known."""
    return task in self._tasks[mixture]

  def add(
    self,
    mixture: str,
    task: str,
    predictions: Sequence[results.Prediction] | Sequence[results.Answer],
  ) -> None:
    """Writes the predictions of a task, and the summary so far."""
    path = f'{mixture}/{task}.jsonl'
    text = results.to_text(predictions)
    self._tasks[mixture][task] = results.task_result(
      predictions,
      text,
      dataset=_dataset(mixture, task),
      path=path,
      fingerprint=self._task_fingerprints[mixture, task],
      num_dropped=self._suite.mixtures[mixture][task].num_dropped,
    )
    if jax.process_index() == 0:
      results.write(self._directory / path, text)
    self.save()

  def save(self) -> None:
    """Writes the summary so far."""
    if jax.process_index() == 0:
      results.write_summary(self._directory, self.summary)

  @property
  def summary(self) -> results.Summary:
    """The results so far."""
    return results.Summary(
      **dataclasses.asdict(self._checkpoint),
      settings=self._settings,
      mixtures={
        mixture: results.mixture_result(mixture, tasks)
        for mixture, tasks in self._tasks.items()
        if tasks
      },
      unfinished=tuple(
        task for mixture, task, _ in self._suite if not self.has(mixture, task)
      ),
      fingerprint=self._fingerprint,
    )


def _dataset(mixture: str, task: str) -> str:
  """The name of a task's dataset; in a mixture of settings, with its setting.

  'sst2' for icl_flipped_sst2 in icl_flipped, 'flipped_sst2' in my_mixture.
  """
  setting = icl_settings.of(task)
  if setting and setting.has(mixture):
    return task.removeprefix(f'{setting.mixture}_')
  return task.removeprefix(f'{mixture}_').removeprefix('icl_')
