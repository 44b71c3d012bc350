"""What checkpoints did on each query, taken from the files of an evaluation.

Everything that a report says follows from the predictions' JSON, read here;
summaries tell where they are, and must agree with them.

Shape suffixes: Q queries, N exemplars, the last of a prompt first, C classes.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from symbol_tuning import files
from symbol_tuning.data.prompting import records
from symbol_tuning.data.prompting.icl_settings import ICL_SETTINGS
from symbol_tuning.evaluation import fingerprints, metrics, results
from symbol_tuning.reporting.runs import Run
from symbol_tuning.reporting.statistics import Measurement

NONE = -1  # stands where there is no exemplar


@dataclasses.dataclass(frozen=True)
class RankedQueries:
  """How label options were ranked.

  Attributes:
    num_classes: that options are of, over all queries.
    label_Q: the correct class, int.
    prediction_Q: the chosen class, int.
    is_option_QC: whether a class could be chosen, bool.
    values: the metrics of each query, float [Q], by name.
    confidence_Q: the chosen option's share of all options' probability.
    shown_QN: the classes of the exemplars, or NONE; the last exemplar first.
    num_drawn_Q: exemplars before any was dropped to fit, int.
    categories: of the right label's symbol, for each query; None where it is
      the natural label.
    formats: in which a query is written, with … for the input; None where the
      results do not tell.
  """

  num_classes: int
  label_Q: np.ndarray
  prediction_Q: np.ndarray
  is_option_QC: np.ndarray
  values: Mapping[str, np.ndarray]
  confidence_Q: np.ndarray
  shown_QN: np.ndarray
  num_drawn_Q: np.ndarray
  categories: tuple[str | None, ...]
  formats: tuple[str | None, ...]

  @property
  def num_options_Q(self) -> np.ndarray:
    """Classes that could be chosen."""
    return self.is_option_QC.sum(axis=1)

  @property
  def num_per_class_Q(self) -> np.ndarray:
    """Exemplars of a class in each prompt, rounded."""
    num_shown_Q = (self.shown_QN != NONE).sum(axis=1)
    return np.rint(num_shown_Q / self.num_options_Q).astype(int)


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
    num_dropped: queries that could not be asked.
    origins: the function or concept of each query, where answers are written.
  """

  dataset: str
  chance: float
  path: files.Path
  queries: str
  prompts: str
  correct_Q: np.ndarray
  num_dropped: int = 0
  origins: tuple[str, ...] = ()

  def measure(self, values_Q: np.ndarray) -> Measurement:
    """Values of these queries, to be resampled."""
    return Measurement(values_Q, self.queries)


@dataclasses.dataclass(frozen=True)
class RankedOutcome(Outcome):
  """An outcome on a task with label options.

  Attributes:
    ranked: how they were ranked.
  """

  ranked: RankedQueries = dataclasses.field(kw_only=True)


Tasks = Mapping[str, Outcome]


@dataclasses.dataclass(frozen=True)
class Evaluated(Run):
  """What one checkpoint did.

  Attributes:
    mixtures: for each mixture what it did on the tasks, by name.
  """

  mixtures: Mapping[str, Tasks]

  def tasks(self, mixture: str) -> Tasks:
    """The tasks of a mixture; none if it was not evaluated."""
    return self.mixtures.get(mixture, {})


def collect(run: Run) -> Evaluated:
  """Reads the predictions of a checkpoint.

  Raises:
    FileNotFoundError: if predictions are missing.
    ValueError: if they do not give the accuracy that the summary says.
  """
  mixtures = {
    name: {
      task: _outcome(result, run.directory / result.predictions)
      for task, result in mixture.tasks.items()
    }
    for name, mixture in run.summary.mixtures.items()
  }
  return Evaluated(run.label, run.summary, run.directory, mixtures)


def titles(evaluated: Sequence[Evaluated]) -> dict[str, str]:
  """What the mixtures of any checkpoint are called, in the report's order."""
  found = {
    name: mixture.title
    for one in evaluated
    for name, mixture in one.summary.mixtures.items()
  }
  ours = [setting.mixture for setting in ICL_SETTINGS]
  names = sorted(
    found, key=lambda name: ours.index(name) if name in ours else len(ours)
  )
  return {name: found[name] for name in names}


def _outcome(result: results.TaskResult, path: files.Path) -> Outcome:
  made = results.read_predictions(path, result.sha256)
  made.sort(key=lambda one: one.query)
  correct_Q = np.array([one.is_correct for one in made], float)
  if not math.isclose(100 * correct_Q.mean(), result.accuracy, abs_tol=1e-6):
    raise ValueError(
      f'{path} gives {100 * correct_Q.mean():.2f} % accuracy, but the'
      f' {results.SUMMARY} beside it says {result.accuracy:.2f} %: evaluate'
      ' again into an empty folder.'
    )
  measured = (
    result.dataset,
    result.chance / 100,
    path,
    fingerprints.of_values(map(_question, made)),
    fingerprints.of_values(one.text for one in made),
    correct_Q,
    result.num_dropped,
  )
  ranked = [one for one in made if isinstance(one, results.Prediction)]
  if ranked:
    return RankedOutcome(*measured, ranked=_ranked(ranked))
  written = [one for one in made if isinstance(one, results.Answer)]
  return Outcome(*measured, origins=tuple(one.origin for one in written))


def _question(one: results.Prediction | results.Answer) -> tuple:
  """What is asked, whatever the prompt around it and the space between."""
  if isinstance(one, results.Answer):
    return one.query, one.origin, one.answers
  options = tuple(option.text.strip() for option in one.options)
  return one.query, one.label, options


def _ranked(made: Sequence[results.Prediction]) -> RankedQueries:
  classes = [_classes(one) for one in made]
  prompts = [one.prompt for one in made]
  num_classes = 1 + max(max(own) for own in classes)
  is_option_QC = np.zeros((len(made), num_classes), bool)
  for is_option_C, own in zip(is_option_QC, classes, strict=True):
    is_option_C[own] = True
  rankings = [one.ranking for one in made]
  return RankedQueries(
    num_classes=num_classes,
    label_Q=_pick(classes, [one.label for one in made]),
    prediction_Q=_pick(classes, [one.prediction for one in made]),
    is_option_QC=is_option_QC,
    values={
      metric.name: np.array([metric.of(one) for one in rankings], float)
      for metric in metrics.METRICS
    },
    confidence_Q=np.array([_confidence(one) for one in made]),
    shown_QN=_padded([_shown(prompt) for prompt in prompts]),
    num_drawn_Q=np.array([p.num_drawn if p else 0 for p in prompts]),
    categories=tuple(map(_category, prompts)),
    formats=tuple(map(_format, prompts)),
  )


def _classes(one: results.Prediction) -> list[int]:
  """The class of each option; its place where the results do not tell."""
  if one.prompt is None:
    return list(range(len(one.options)))
  return [option.label for option in one.prompt.options]


def _pick(
  classes: Sequence[Sequence[int]], places: Sequence[int]
) -> np.ndarray:
  pairs = zip(classes, places, strict=True)
  return np.array([own[place] for own, place in pairs])


def _confidence(one: results.Prediction) -> float:
  scores = one.ranking.log_likelihoods
  return float(1 / np.exp(scores - scores[one.prediction]).sum())


def _shown(prompt: records.Prompt | None) -> list[int]:
  """The classes of the exemplars in a prompt, the last exemplar first."""
  exemplars = prompt.exemplars if prompt else ()
  return [exemplar.label for exemplar in reversed(exemplars)]


def _padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
  padded = np.full((len(rows), max(map(len, rows))), NONE)
  for row, values in zip(padded, rows, strict=True):
    row[: len(values)] = values
  return padded


def _category(prompt: records.Prompt | None) -> str | None:
  category = prompt.answer.category if prompt else records.NATURAL
  return None if category == records.NATURAL else category


def _format(prompt: records.Prompt | None) -> str | None:
  if prompt is None:
    return None
  return f'{prompt.format.prefix}…{prompt.format.infix}'.replace('\n', '⏎')
