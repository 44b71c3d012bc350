"""What checkpoints did on each query, taken from the files of an evaluation.

Everything that a report says follows from the predictions' JSON, read here;
summaries tell where they are, and must agree with them.

Shape suffixes: Q queries, N exemplars, the last of a prompt first.
"""

import dataclasses
import functools
import hashlib
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from symbol_tuning.data import parts
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.prompting import symbols
from symbol_tuning.evaluation import results
from symbol_tuning.reporting.runs import Run
from symbol_tuning.reporting.statistics import Measurement

NONE = -1  # stands where there is no exemplar


@dataclasses.dataclass(frozen=True)
class Choices:
  """How label options were chosen from; classes are the options' positions.

  Attributes:
    num_classes: label options of every query.
    label_Q: the correct class, int.
    prediction_Q: the chosen class, int.
    per_token_Q: the class whose option is most likely per token, int.
    confidence_Q: the chosen option's share of all options' probability.
    shown_QN: the classes of the exemplars, or NONE; the last exemplar first.
    category: the symbols' category, or None where labels are no symbols, for
      each query.
  """

  num_classes: int
  label_Q: np.ndarray
  prediction_Q: np.ndarray
  per_token_Q: np.ndarray
  confidence_Q: np.ndarray
  shown_QN: np.ndarray
  category: tuple[str | None, ...]

  @property
  def num_shown_Q(self) -> np.ndarray:
    """Exemplars in each prompt."""
    return (self.shown_QN != NONE).sum(axis=1)


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What one checkpoint did on one task.

  Attributes:
    dataset: name of the dataset.
    chance: share of queries that random guesses answer.
    path: the file with the predictions.
    queries: tells which queries, options and answers they were.
    prompts: tells which prompts they stood in.
    correct_Q: whether the answer was right, 0.0 or 1.0.
    origins: the function or concept of each query, where answers are written.
    choices: where there are label options.
  """

  dataset: str
  chance: float
  path: pathlib.Path
  queries: str
  prompts: str
  correct_Q: np.ndarray
  origins: tuple[str, ...] = ()
  choices: Choices | None = None

  def measure(self, values_Q: np.ndarray) -> Measurement:
    """Values of these queries, to be resampled."""
    return Measurement(values_Q, self.queries)


Tasks = Mapping[str, Outcome]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """What one checkpoint did.

  Attributes:
    run: its summary and folder.
    mixtures: for each mixture what it did on the tasks, by name.
  """

  run: Run
  mixtures: Mapping[str, Tasks]

  @property
  def label(self) -> str:
    return self.run.label

  def tasks(self, mixture: str) -> Tasks:
    """The tasks of a mixture; none if it was not evaluated."""
    return self.mixtures.get(mixture, {})


def collect(run: Run) -> Checkpoint:
  """Reads the predictions of a checkpoint.

  Raises:
    FileNotFoundError: if predictions are missing.
    ValueError: if they do not give the accuracy that the summary says.
  """
  return Checkpoint(
    run,
    {
      name: {
        task: _outcome(result, run.directory / result.predictions)
        for task, result in mixture.tasks.items()
      }
      for name, mixture in run.summary.mixtures.items()
    },
  )


def _outcome(result: results.TaskResult, path: pathlib.Path) -> Outcome:
  made = sorted(results.read_predictions(path), key=lambda one: one.query)
  correct_Q = np.array([one.is_correct for one in made], float)
  if not math.isclose(100 * correct_Q.mean(), result.accuracy, abs_tol=1e-6):
    raise ValueError(
      f'{path} gives {100 * correct_Q.mean():.2f} % accuracy, but the'
      f' {results.SUMMARY} beside it says {result.accuracy:.2f} %: evaluate'
      ' again into an empty folder.'
    )
  is_ranked = isinstance(made[0], results.Prediction)
  return Outcome(
    dataset=result.dataset,
    chance=result.chance / 100,
    path=path,
    queries=_digest(map(_question, made)),
    prompts=_digest(one.prompt for one in made),
    correct_Q=correct_Q,
    origins=() if is_ranked else tuple(one.origin for one in made),
    choices=_choices(made) if is_ranked else None,
  )


def _digest(values: Iterable[object]) -> str:
  digest = hashlib.sha256()
  for value in values:
    digest.update(repr(value).encode())
  return digest.hexdigest()


def _question(one: results.Prediction | results.Answer) -> tuple:
  """What is asked, whatever the prompt around it and the space between."""
  if isinstance(one, results.Answer):
    return one.query, one.origin, one.answers
  options = tuple(option.text.strip() for option in one.options)
  return one.query, one.label, options


def _choices(made: Sequence[results.Prediction]) -> Choices:
  return Choices(
    num_classes=max(len(one.options) for one in made),
    label_Q=np.array([one.label for one in made]),
    prediction_Q=np.array([one.prediction for one in made]),
    per_token_Q=np.array([_most_likely_per_token(one) for one in made]),
    confidence_Q=np.array([_confidence(one) for one in made]),
    shown_QN=_padded([_shown(one) for one in made]),
    category=tuple(_category(one.options) for one in made),
  )


def _most_likely_per_token(one: results.Prediction) -> int:
  scores = [o.log_likelihood / o.num_tokens for o in one.options]
  return int(np.argmax(scores))


def _confidence(one: results.Prediction) -> float:
  scores = np.array([option.log_likelihood for option in one.options])
  return float(1 / np.exp(scores - scores[one.prediction]).sum())


def _shown(one: results.Prediction) -> list[int]:
  """The classes of the exemplars in a prompt, the last exemplar first."""
  numbers = {option.text.strip(): i for i, option in enumerate(one.options)}
  labels = [p.text.strip() for p in parts.dissect(one.prompt) if p.label]
  return [numbers[label] for label in reversed(labels) if label in numbers]


def _padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
  padded = np.full((len(rows), max(map(len, rows))), NONE)
  for row, values in zip(padded, rows, strict=True):
    row[: len(values)] = values
  return padded


def _category(options: Sequence[results.Option]) -> str | None:
  """The category of symbols that all options belong to."""
  found = {_categories().get(option.text.strip()) for option in options}
  return found.pop() if len(found) == 1 else None


@functools.cache
def _categories() -> Mapping[str, str]:
  """The category of every symbol, of tuning and of evaluation."""
  reserved = catalog.natural_label_words()
  return {
    symbol: category
    for split in ('tuning', 'evaluation')
    for category, group in symbols.inventory(split, reserved=reserved).items()
    for symbol in group
  }
