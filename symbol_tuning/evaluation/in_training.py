"""Evaluates a model while it is trained, on a few queries."""

import dataclasses
import functools
from typing import Any

from symbol_tuning import files
from symbol_tuning.evaluation import evaluator, layout
from symbol_tuning.evaluation.countdown import Countdown
from symbol_tuning.evaluation.curves import FOLDER
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.suite import Questions, Suite
from symbol_tuning.models import decoder

# One shape of batches is compiled soonest.
ONE_SHAPE = layout.Budget(num_row_lengths=1)


@dataclasses.dataclass(frozen=True)
class PeriodicEvaluation:
  """What `training.loop` does between steps.

  Attributes:
    model: the decoder.
    questions: what it is asked.
    model_dir: the run's folder; the prompts and scores of a step are written to
      <model_dir>/inference_eval/<step>.
    budget: what the shapes of batches are chosen by.
  """

  model: decoder.Decoder
  questions: Questions
  model_dir: str
  budget: layout.Budget = ONE_SHAPE

  def prepare(self) -> None:
    """Loads the questions.

    Raises:
      ValueError: if a name is not registered, or examples cannot be asked.
      FileNotFoundError: if the data of a task are missing.
    """
    _ = self._suite

  @functools.cached_property
  def _suite(self) -> Suite:
    return self.questions.load()

  def __call__(self, params: Any, step: int) -> dict[str, float]:
    """Returns, for each mixture, its accuracy and the loss of its labels.

    `<mixture>/accuracy` is in percent, the average over tasks;
    `<mixture>/loss`, where options are ranked, is the negative log-likelihood
    of the right labels in nats a token, as in training, averaged likewise.
    """
    folder = files.path(self.model_dir) / FOLDER / str(step)
    summary = evaluator.evaluate(
      self.model,
      params,
      self._suite,
      Checkpoint(f'step {step}', '(in training)', step, order=step),
      folder,
      self.budget,
      # The training's own line tells what came of it.
      Countdown(0, write=lambda _: None),
    )
    measured = {}
    for name, mixture in summary.mixtures.items():
      measured[f'{name}/accuracy'] = mixture.accuracy
      if mixture.loss is not None:
        measured[f'{name}/loss'] = mixture.loss
    return measured
