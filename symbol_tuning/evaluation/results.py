"""What an evaluation has measured, and its files.

  <directory>/summary.json             accuracies, and where they come from
  <directory>/<mixture>/<task>.jsonl   every prompt, and every score or answer

Files are written whole or not at all, so that one which is there is complete.
Every number of a summary can be recomputed from the predictions it names.
"""

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symbol_tuning import files, reading
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.icl_settings import IclSetting
from symbol_tuning.data.prompting.records import Prompt, Query
from symbol_tuning.evaluation import metrics
from symbol_tuning.files import sealed

SUMMARY = 'summary.json'
_AGAIN = 'run the evaluation again into an empty folder'


@dataclasses.dataclass(frozen=True)
class ScoredOption:
  """One label option of a query and its score.

  Attributes:
    text: what the model would have to write.
    log_likelihood: the sum over its tokens, in nats.
    num_tokens: its tokens, the end-of-sequence token included.
  """

  text: str
  log_likelihood: float
  num_tokens: int


@dataclasses.dataclass(frozen=True)
class Prediction:
  """One query, its label options and the model's choice.

  Attributes:
    query: index of the query in its task.
    text: what the model has read.
    options: the label options, in order.
    prediction: number of the option with the highest log-likelihood.
    label: number of the correct option.
    is_correct: whether the two agree.
    prompt: what the text was made of: exemplars and their classes, what is
      written for each class, format; None for tasks of other packages.
  """

  query: int
  text: str
  options: tuple[ScoredOption, ...]
  prediction: int
  label: int
  is_correct: bool
  prompt: Prompt | None = None

  @classmethod
  def of(cls, query: Query, log_likelihoods: np.ndarray) -> 'Prediction':
    """Makes a prediction of the scores of a query's options.

    Raises:
      ValueError: if a score is not finite.
    """
    scores = log_likelihoods.tolist()
    metrics.check_finite(query.index, scores)
    prediction = int(np.argmax(log_likelihoods))
    return cls(
      query=query.index,
      text=query.text,
      options=tuple(
        ScoredOption(option.text, score, len(option.tokens))
        for option, score in zip(query.options, scores, strict=True)
      ),
      prediction=prediction,
      label=query.label,
      is_correct=prediction == query.label,
      prompt=query.prompt,
    )

  @property
  def ranking(self) -> metrics.Ranking:
    """The scores, as metrics read them."""
    return metrics.Ranking(
      np.array([option.log_likelihood for option in self.options]),
      np.array([option.num_tokens for option in self.options]),
      np.arange(len(self.options)) == self.label,
    )


@dataclasses.dataclass(frozen=True)
class Answer:
  """One query, and what the model wrote.

  Attributes:
    query: index of the query in its task.
    text: what the model has read.
    origin: the function or concept that is asked for.
    num_exemplars: solved examples in the prompt.
    num_exemplars_drawn: how many there were before any was dropped to fit.
    written: what the model has written.
    prediction: the part of it that is compared.
    answers: all that are accepted.
    is_correct: whether the prediction is one of them.
  """

  query: int
  text: str
  origin: str
  num_exemplars: int
  num_exemplars_drawn: int
  written: str
  prediction: str
  answers: tuple[str, ...]
  is_correct: bool


@dataclasses.dataclass(frozen=True)
class TaskResult:
  """What was measured of one task, in percent.

  Attributes:
    dataset: name of the dataset.
    metrics: average over queries by name, see `metrics.METRICS`; where answers
      are written, the `accuracy` alone.
    chance: what random guesses reach.
    loss: negative log-likelihood of the right labels, in nats a token; None
      where answers are written.
    standard_error: of the accuracy, over queries.
    num_queries: queries that were asked.
    num_dropped: queries that could not be asked, see `RankingTask`.
    predictions: the file with the predictions, relative to the summary.
    fingerprint: of the parameters and queries that were evaluated.
    sha256: of the file with the predictions; '' in results of earlier versions.
  """

  dataset: str
  metrics: Mapping[str, float]
  chance: float
  loss: float | None
  standard_error: float
  num_queries: int
  num_dropped: int
  predictions: str
  fingerprint: str
  sha256: str = ''

  @property
  def accuracy(self) -> float:
    """The metric that every task has."""
    return self.metrics[metrics.ACCURACY.name]


@dataclasses.dataclass(frozen=True)
class MixtureResult:
  """The average over the tasks of a mixture; every task counts the same.

  Attributes:
    title: what the report calls the mixture.
    setting: the in-context setting it is of; None if of none.
    metrics: mean of those that all tasks have, in percent, by name.
    chance: what random guesses reach, in percent.
    loss: mean of the tasks' losses; None where a task has none.
    standard_error: of the mean accuracy, over queries.
    num_queries: queries of all tasks.
    tasks: the result of each task, by name.
  """

  title: str
  setting: IclSetting | None
  metrics: Mapping[str, float]
  chance: float
  loss: float | None
  standard_error: float
  num_queries: int
  tasks: Mapping[str, TaskResult]

  @property
  def accuracy(self) -> float:
    """The metric that every task has."""
    return self.metrics[metrics.ACCURACY.name]


@dataclasses.dataclass(frozen=True)
class Summary:
  """The results of one checkpoint.

  Attributes:
    label: a short name of the checkpoint.
    path: where its parameters were read.
    step: training step; None if the checkpoint does not tell.
    order: place of the checkpoint among those evaluated together.
    settings: what else the numbers depend on, in words and numbers.
    mixtures: the result of each mixture, by name.
    unfinished: the tasks that are still to be evaluated.
    fingerprint: of the parameters.
  """

  label: str
  path: str
  step: int | None
  order: int
  settings: Mapping[str, Any]
  mixtures: Mapping[str, MixtureResult]
  unfinished: tuple[str, ...]
  fingerprint: str


def task_result(
  made: Sequence[Prediction | Answer],
  text: str,
  dataset: str,
  path: str,
  fingerprint: str,
  num_dropped: int = 0,
) -> TaskResult:
  """Computes the metrics of a task from its predictions or answers.

  Args:
    made: what was predicted or answered.
    text: the same as `to_text` gives it, of which the digest is.
    dataset: see `TaskResult`, as for the others.
    path: of the file.
    fingerprint: of parameters and queries.
    num_dropped: queries that could not be asked.
  """
  rankings = [one.ranking for one in made if isinstance(one, Prediction)]
  if rankings:
    averages = metrics.averages(rankings)
    loss = metrics.loss(rankings)
    chance = metrics.percent(ranking.chance for ranking in rankings)
  else:  # Nobody writes an answer by chance.
    correct = metrics.percent(one.is_correct for one in made)
    averages = {metrics.ACCURACY.name: correct}
    loss, chance = None, 0.0
  accuracy = averages[metrics.ACCURACY.name]
  return TaskResult(
    dataset=dataset,
    metrics=averages,
    chance=chance,
    loss=loss,
    standard_error=metrics.standard_error(accuracy, len(made)),
    num_queries=len(made),
    num_dropped=num_dropped,
    predictions=path,
    fingerprint=fingerprint,
    sha256=_sha256(text.encode()),
  )


def mixture_result(
  mixture: str, tasks: Mapping[str, TaskResult]
) -> MixtureResult:
  """Averages over tasks, every task counting the same."""
  own = list(tasks.values())
  shared = [
    name for name in own[0].metrics if all(name in one.metrics for one in own)
  ]
  losses = [one.loss for one in own if one.loss is not None]
  setting = icl_settings.of(mixture)
  return MixtureResult(
    title=_title(mixture, setting),
    setting=setting,
    metrics={
      name: statistics.fmean(one.metrics[name] for one in own)
      for name in shared
    },
    chance=statistics.fmean(one.chance for one in own),
    loss=statistics.fmean(losses) if len(losses) == len(own) else None,
    standard_error=metrics.average_standard_error(
      [one.standard_error for one in own]
    ),
    num_queries=sum(one.num_queries for one in own),
    tasks=dict(tasks),
  )


def _title(mixture: str, setting: IclSetting | None) -> str:
  if setting is None:
    return mixture.replace('_', ' ').capitalize()
  if mixture == setting.mixture:
    return setting.title
  rest = mixture.removeprefix(f'{setting.mixture}_').replace('_', ' ')
  return f'{setting.title}: {rest}'


def to_text(made: Sequence[Prediction | Answer]) -> str:
  """Returns predictions or answers as one JSON object a line."""
  lines = (json.dumps(dataclasses.asdict(p), ensure_ascii=False) for p in made)
  return '\n'.join(lines) + '\n'


def _sha256(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()


def has_predictions(directory: files.Path, result: TaskResult) -> bool:
  """Whether the predictions of a task are there, as they were written."""
  path = directory / result.predictions
  return path.exists() and result.sha256 in ('', files.sha256(path))


def read_predictions(
  path: files.Path, sha256: str = ''
) -> list[Prediction | Answer]:
  """Reads what was written with `to_text`.

  Args:
    path: of the file.
    sha256: that it must have; '' where it is not known.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is damaged.
  """
  content = path.read_bytes()
  if sha256 not in ('', _sha256(content)):
    raise ValueError(
      f'{path} is not what was written with the {SUMMARY} it belongs to: run'
      ' the evaluation again, which measures this task anew.'
    )
  with reading.explained(path, 'a file of predictions', _AGAIN):
    lines = content.decode('utf-8').split('\n')
    return [_to_prediction(json.loads(line)) for line in lines if line]


def _to_prediction(values: dict[str, Any]) -> Prediction | Answer:
  if 'answers' in values:
    return Answer(**values | {'answers': tuple(values['answers'])})
  options = tuple(ScoredOption(**option) for option in values['options'])
  prompt = values['prompt'] and Prompt.from_json(values['prompt'])
  return Prediction(**values | {'options': options, 'prompt': prompt})


def write_summary(directory: files.Path, summary: Summary) -> None:
  """Writes `summary.json` into a folder."""
  text = sealed.to_json(dataclasses.asdict(summary))
  write(directory / SUMMARY, text)


def read_summary(directory: files.Path) -> Summary:
  """Reads `summary.json` of a folder.

  Raises:
    FileNotFoundError: if the folder has no summary.
    ValueError: if the file is not a summary that this package has written.
  """
  path = directory / SUMMARY
  if not path.exists():
    raise FileNotFoundError(
      f'{path} does not exist: give a folder that symbol_tuning.eval has'
      ' written its results to.'
    )
  with reading.explained(path, 'a summary of symbol_tuning.eval', _AGAIN):
    summary = _to_summary(sealed.from_json(path.read_bytes()))
    for mixture in summary.mixtures.values():
      for task in mixture.tasks.values():
        reading.check_within(task.predictions, path)
  return summary


def _to_summary(values: Mapping[str, Any]) -> Summary:
  mixtures = {}
  for name, mixture in values['mixtures'].items():
    tasks = {
      task: TaskResult(**result) for task, result in mixture['tasks'].items()
    }
    setting = mixture['setting'] and IclSetting(**mixture['setting'])
    mixtures[name] = MixtureResult(
      **mixture | {'tasks': tasks, 'setting': setting}
    )
  unfinished = tuple(values['unfinished'])
  return Summary(**{**values, 'mixtures': mixtures, 'unfinished': unfinished})


def write(path: files.Path, text: str) -> None:
  """Writes a file, whole, and the folder that it is in."""
  path.parent.mkdir(parents=True, exist_ok=True)
  files.write_text(path, text)
