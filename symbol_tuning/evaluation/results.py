"""What an evaluation has measured, and its files.

  <directory>/summary.json             accuracies, and where they come from
  <directory>/<mixture>/<task>.jsonl   every prompt, and every score or answer

Files are written whole or not at all, so that one which is there is complete.
Every number of a summary can be recomputed from the predictions it names.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from symbol_tuning import files
from symbol_tuning.evaluation import layout, metrics

SUMMARY = 'summary.json'


@dataclasses.dataclass(frozen=True)
class Option:
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
    prompt: what the model has read.
    options: the label options, in order.
    prediction: number of the option with the highest log-likelihood.
    label: number of the correct option.
    is_correct: whether the two agree.
  """

  query: int
  prompt: str
  options: tuple[Option, ...]
  prediction: int
  label: int
  is_correct: bool


@dataclasses.dataclass(frozen=True)
class Answer:
  """One query, and what the model wrote.

  Attributes:
    query: index of the query in its task.
    prompt: what the model has read.
    origin: the function or concept that is asked for.
    text: what the model has written.
    prediction: the part of it that is compared.
    answers: all that are accepted.
    is_correct: whether the prediction is one of them.
  """

  query: int
  prompt: str
  origin: str
  text: str
  prediction: str
  answers: tuple[str, ...]
  is_correct: bool


@dataclasses.dataclass(frozen=True)
class TaskResult:
  """The accuracies of one task, in percent.

  Attributes:
    dataset: name of the dataset.
    accuracy: share of queries whose correct option has the highest
      log-likelihood, or whose answer is written as it should be.
    length_normalized_accuracy: the same by log-likelihood per token; None where
      answers are written.
    chance: what random guesses reach.
    standard_error: of the accuracy, over queries.
    num_queries: queries that were asked.
    predictions: the file with the predictions, relative to the summary.
    fingerprint: of the parameters and examples that were evaluated.
  """

  dataset: str
  accuracy: float
  length_normalized_accuracy: float | None
  chance: float
  standard_error: float
  num_queries: int
  predictions: str
  fingerprint: str


@dataclasses.dataclass(frozen=True)
class MixtureResult:
  """The average over the tasks of a mixture; every task counts the same.

  Attributes:
    accuracy: mean of the tasks' accuracies, in percent.
    length_normalized_accuracy: the same by log-likelihood per token; None where
      a task has none.
    chance: what random guesses reach, in percent.
    standard_error: of the mean accuracy, over queries.
    num_queries: queries of all tasks.
    tasks: the result of each task, by name.
  """

  accuracy: float
  length_normalized_accuracy: float | None
  chance: float
  standard_error: float
  num_queries: int
  tasks: Mapping[str, TaskResult]


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


def predictions(
  examples: Sequence[layout.Example], log_likelihoods: Sequence[float]
) -> list[Prediction]:
  """Turns the scores of a task's examples into predictions.

  Args:
    examples: one per (query, option), with `idx`, `is_correct`, `targets`,
      `inputs_pretokenized` and `targets_pretokenized`.
    log_likelihoods: one an example.

  Returns:
    One a query, in the order of queries.

  Raises:
    ValueError: if the options of a query stand after different prompts, and
      where `metrics.rank` does.
  """
  targets = [
    metrics.rank_classification_target(None, example, is_target=True)
    for example in examples
  ]
  return [
    _prediction(query, [examples[i] for i in query.examples])
    for query in metrics.rank(targets, log_likelihoods)
  ]


def _prediction(
  query: metrics.RankedQuery, examples: Sequence[layout.Example]
) -> Prediction:
  prompts = {text_of(example['inputs_pretokenized']) for example in examples}
  if len(prompts) > 1:
    raise ValueError(
      f'The options of query {query.query} stand after different prompts;'
      ' their scores cannot be compared.'
    )
  return Prediction(
    query=query.query,
    prompt=prompts.pop(),
    options=tuple(
      Option(
        text_of(example['targets_pretokenized']), score, len(example['targets'])
      )
      for example, score in zip(examples, query.scores, strict=True)
    ),
    prediction=query.prediction,
    label=query.label,
    is_correct=query.is_correct,
  )


def text_of(value: Any) -> str:
  """The text of a feature, which SeqIO has as bytes."""
  return value.decode('utf-8') if isinstance(value, bytes) else str(value)


def task_result(
  made: Sequence[Prediction] | Sequence[Answer],
  dataset: str,
  path: str,
  fingerprint: str,
) -> TaskResult:
  """Computes the accuracies of a task from its predictions or answers."""
  is_written = isinstance(made[0], Answer)
  values = _written_accuracy(made) if is_written else _ranked_accuracies(made)
  return TaskResult(
    dataset=dataset,
    standard_error=metrics.standard_error(values['accuracy'], len(made)),
    num_queries=len(made),
    predictions=path,
    fingerprint=fingerprint,
    **values,
  )


def _ranked_accuracies(made: Sequence[Prediction]) -> dict[str, float]:
  targets = [
    ((p.query, number), number == p.label, option.num_tokens)
    for p in made
    for number, option in enumerate(p.options)
  ]
  scores = [option.log_likelihood for p in made for option in p.options]
  return metrics.rank_classification(
    targets, scores
  ) | metrics.length_normalized_rank_classification(targets, scores)


def _written_accuracy(made: Sequence[Answer]) -> dict[str, float | None]:
  """Nobody writes an answer by chance."""
  return {
    'accuracy': 100 * sum(answer.is_correct for answer in made) / len(made),
    'length_normalized_accuracy': None,
    'chance': 0.0,
  }


def mixture_result(tasks: Mapping[str, TaskResult]) -> MixtureResult:
  """Averages over tasks, every task counting the same."""

  def mean(attribute: str) -> float | None:
    values = [getattr(task, attribute) for task in tasks.values()]
    return None if None in values else sum(values) / len(values)

  return MixtureResult(
    accuracy=mean('accuracy'),
    length_normalized_accuracy=mean('length_normalized_accuracy'),
    chance=mean('chance'),
    standard_error=metrics.average_standard_error(
      [task.standard_error for task in tasks.values()]
    ),
    num_queries=sum(task.num_queries for task in tasks.values()),
    tasks=dict(tasks),
  )


def write_predictions(
  path: pathlib.Path, made: Sequence[Prediction] | Sequence[Answer]
) -> None:
  """Writes predictions or answers as one JSON object a line."""
  lines = (json.dumps(dataclasses.asdict(p), ensure_ascii=False) for p in made)
  _write(path, '\n'.join(lines) + '\n')


def read_predictions(
  path: pathlib.Path,
) -> list[Prediction] | list[Answer]:
  """Reads what `write_predictions` has written.

  Raises:
    FileNotFoundError: if there is no such file.
  """
  lines = path.read_text(encoding='utf-8').split('\n')
  return [_to_prediction(json.loads(line)) for line in lines if line]


def _to_prediction(values: Mapping[str, Any]) -> Prediction | Answer:
  if 'answers' in values:
    return Answer(**{**values, 'answers': tuple(values['answers'])})
  options = tuple(Option(**option) for option in values['options'])
  return Prediction(**{**values, 'options': options})


def write_summary(directory: pathlib.Path, summary: Summary) -> None:
  """Writes `summary.json` into a folder."""
  text = json.dumps(dataclasses.asdict(summary), indent=2, ensure_ascii=False)
  _write(directory / SUMMARY, text + '\n')


def read_summary(directory: pathlib.Path) -> Summary:
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
  try:
    return _to_summary(json.loads(path.read_text(encoding='utf-8')))
  except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
    raise ValueError(
      f'{path} is not a summary of symbol_tuning.eval ({error!r}): run the'
      ' evaluation again into an empty folder.'
    ) from error


def _to_summary(values: Mapping[str, Any]) -> Summary:
  mixtures = {}
  for name, mixture in values['mixtures'].items():
    tasks = {
      task: TaskResult(**result) for task, result in mixture['tasks'].items()
    }
    mixtures[name] = MixtureResult(**{**mixture, 'tasks': tasks})
  unfinished = tuple(values['unfinished'])
  return Summary(**{**values, 'mixtures': mixtures, 'unfinished': unfinished})


def _write(path: pathlib.Path, text: str) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  files.write_text(path, text)
