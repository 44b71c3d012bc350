"""Eval-only jobs: checkpoints that are there, or those of a running training.

A job that was stopped and is started again goes on where it was (see
`evaluator`), so it may run where machines come and go.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax

from symbol_tuning import files, run_config, watchdog
from symbol_tuning.evaluation import (
  checkpoint_queue,
  evaluator,
  layout,
  results,
  separators,
)
from symbol_tuning.evaluation.checkpoint_queue import NewCheckpoints
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.evaluation.curves import FOLDER, Curves
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.suite import Questions, Suite
from symbol_tuning.models import decoder, parameters
from symbol_tuning.models.checkpoints import digests, steps

Queue = NewCheckpoints | Sequence[Checkpoint]


class Partitioner(Protocol):
  """How a model is laid out over devices."""

  def abstract(self, shapes: Any, logical_axes: Any) -> Any:
    """Adds shardings to the shapes of arrays with these logical axes."""

  def activate(self) -> contextlib.AbstractContextManager[None]:
    """Puts the layout of activations in force."""


def evaluate_checkpoints(
  model: decoder.Decoder,
  questions: Questions,
  checkpoints: str | Sequence[str] | Mapping[str, str] | NewCheckpoints,
  output_dir: str,
  separator: separators.Separator = None,
  choice_queries: int = 25,
  partitioner: Partitioner | None = None,
  budget: layout.Budget = evaluator.DEFAULT_BUDGET,
  hang_seconds: float | None = None,
) -> list[results.Summary]:
  """Evaluates checkpoints of one model, one after the other.

  Args:
    model: the decoder.
    questions: what every checkpoint is asked.
    checkpoints: a path, paths, paths by label (MODEL_DIR of a run, one of its
      steps, a Hugging Face folder or a GGUF file), or those that a training
      writes while it goes on.
    output_dir: gets a folder of results for each checkpoint, called by its
      label, and curves over steps in inference_eval/.
    separator: what stands between a prompt and its label: a name of
      `settings.DataSettings` or 'best', for all checkpoints or by their labels;
      None: see `separators.wanted`.
    choice_queries: the most queries of a dataset by which 'best' is chosen.
    partitioner: spreads the model over devices; None: one device.
    budget: what the shapes of batches are chosen by.
    hang_seconds: the longest that a task or batch may take, see `watchdog`.

  Returns:
    The summary of each checkpoint.

  Raises:
    FileNotFoundError: if there is no such checkpoint, or data are missing.
    ValueError: if labels, separators or names of tasks are not what they can
      be, or examples, model and checkpoint do not fit together.
  """
  queue = _queue(checkpoints, separator)
  folder = files.path(output_dir)
  read = reader(model, partitioner)
  job = _Job(model, questions, folder, separator, choice_queries, budget)

  def evaluate(one: Checkpoint, curves: Curves) -> results.Summary | None:
    params = _read_if_there(one, queue, read)
    if params is None:
      return None
    # A job that is refused must not replace the record of an earlier one.
    run_config.save(folder)
    with partitioner.activate() if partitioner else contextlib.nullcontext():
      return job.run(one, params, curves)

  with contextlib.ExitStack() as stack:
    stack.enter_context(watchdog.Watchdog(hang_seconds))
    questions.check()
    curves = _curves_by_run(queue, folder / FOLDER)
    if jax.process_index() == 0:
      stack.enter_context(files.only_writer(folder, 'EVAL_OUTPUT_DIR'))
    summaries = [evaluate(one, curves(one)) for one in queue]
  print_line(f'Results: {output_dir}')
  return [summary for summary in summaries if summary is not None]


def dry_run(
  model: decoder.Decoder,
  questions: Questions,
  checkpoints: str | Sequence[str] | Mapping[str, str] | NewCheckpoints,
  output_dir: str,
  separator: separators.Separator = None,
  partitioner: Partitioner | None = None,
  **others: Any,
) -> None:
  """Loads all that `evaluate_checkpoints` asks and of whom; writes nothing.

  Args:
    model: see `evaluate_checkpoints`, as for the others.
    questions: what every checkpoint is asked.
    checkpoints: each of those named is read.
    output_dir: where results would go.
    separator: what stands between a prompt and its label.
    partitioner: spreads the model over devices.
    **others: what only an evaluation needs.
  """
  del others
  queue = _queue(checkpoints, separator)
  suite = questions.load()
  read = reader(model, partitioner)
  if not isinstance(queue, NewCheckpoints):
    for checkpoint in queue:
      read(checkpoint.path)
  for mixture, tasks in suite.mixtures.items():
    tokens = sum(task.num_tokens for task in tasks.values())
    print_line(f'{mixture}: {len(tasks)} tasks, {tokens:,} tokens to read')
  print_line(
    f'Dry run: results would go to {output_dir}. Nothing was compiled or'
    ' written.'
  )


def _queue(
  checkpoints: str | Sequence[str] | Mapping[str, str] | NewCheckpoints,
  separator: separators.Separator,
) -> Queue:
  if isinstance(checkpoints, NewCheckpoints):
    separators.check(separator, None)
    return checkpoints
  queue = checkpoint_queue.named(checkpoints)
  separators.check(separator, [checkpoint.label for checkpoint in queue])
  return queue


@dataclasses.dataclass(frozen=True)
class _Job:
  """Evaluates parameters behind the separator that is wanted for them.

  Fields are as the arguments of `evaluate_checkpoints`.
  """

  model: decoder.Decoder
  questions: Questions
  folder: files.Path
  separator: separators.Separator
  choice_queries: int
  budget: layout.Budget

  @functools.cached_property
  def _load(self) -> Callable[[str], Suite]:
    return functools.cache(self.questions.load)

  @functools.cached_property
  def _load_others(self) -> Callable[[str, int], Suite | None]:
    return functools.cache(self.questions.load_others)

  def run(
    self, checkpoint: Checkpoint, params: Any, curves: Curves
  ) -> results.Summary:
    """Returns the results, which are also in a folder of the checkpoint's."""
    folder = self.folder / checkpoint.label
    suite = self._suite(checkpoint, params, folder)
    summary = self._evaluate(suite, checkpoint, params, folder)
    curves.add(summary, suite, folder)
    return summary

  def _suite(
    self, checkpoint: Checkpoint, params: Any, folder: files.Path
  ) -> Suite:
    """Returns what is asked, with the separator that is wanted."""
    separator = separators.wanted(self.separator, checkpoint)
    if separator != separators.BEST:
      return self._load(separator)

    def measure(suite: Suite, name: str) -> results.Summary:
      asked = dataclasses.replace(
        checkpoint, label=f'{checkpoint.label} (separator {name})'
      )
      return self._evaluate(suite, asked, params, folder / 'separators' / name)

    return separators.choose(
      checkpoint.label,
      self.questions.num_tasks,
      self.choice_queries,
      self._load,
      self._load_others,
      measure,
    )

  def _evaluate(
    self,
    suite: Suite,
    checkpoint: Checkpoint,
    params: Any,
    folder: files.Path,
  ) -> results.Summary:
    return evaluator.evaluate(
      self.model, params, suite, checkpoint, folder, self.budget
    )


def reader(
  model: decoder.Decoder, partitioner: Partitioner | None
) -> Callable[[str], Any]:
  """Returns what reads parameters to where a partitioner wants them."""
  shardings = None
  if partitioner:
    shapes = partitioner.abstract(
      parameters.abstract_params(model), parameters.logical_axes(model)
    )
    shardings = jax.tree.map(lambda array: array.sharding, shapes)
  return lambda path: parameters.load_params(path, model, shardings)


def _read_if_there(
  checkpoint: Checkpoint,
  queue: Queue,
  read: Callable[[str], Any],
) -> Any | None:
  """Reads parameters; None if they are damaged, or removed meanwhile."""
  print_line(f'{checkpoint.label} · reading {checkpoint.path}')
  try:
    params = read(checkpoint.path)
    watchdog.finished(f'reading {checkpoint.path}')
    return params
  except digests.DamagedError as error:
    if not isinstance(queue, NewCheckpoints):
      raise
    print_line(f'{checkpoint.label} · skipped, for it is damaged: {error}')
    return None
  except Exception:
    if not isinstance(queue, NewCheckpoints):
      raise
    watchdog.finished('a first try to read', rest=queue.poll_period)
    time.sleep(queue.poll_period)
    if steps.is_finished(files.path(checkpoint.path)):
      raise
  print_line(
    f'{checkpoint.label} · skipped: the training removed it before it was read;'
    ' have it keep more (loop.Schedule.keep).'
  )
  return None


def _curves_by_run(
  queue: Queue, folder: files.Path
) -> Callable[[Checkpoint], Curves]:
  """Gives every run its curves.

  Where there are several runs, each has a folder that is called by the label of
  its first checkpoint.
  """
  if isinstance(queue, NewCheckpoints):
    curves = Curves(folder)
    return lambda _: curves

  def run_of(checkpoint: Checkpoint) -> str:
    return str(steps.folder_of_run(files.path(checkpoint.path)))

  labels = {run_of(one): one.label for one in reversed(queue)}
  by_run = {
    run: Curves(folder / label if len(labels) > 1 else folder)
    for run, label in labels.items()
  }
  return lambda checkpoint: by_run[run_of(checkpoint)]
