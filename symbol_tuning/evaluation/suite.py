"""The questions that every checkpoint of an evaluation is asked.

They are the queries of SeqIO evaluation tasks, loaded once, so that all
checkpoints see the very same prompts.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import seqio

from symbol_tuning import watchdog
from symbol_tuning.data import settings as data_settings
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing, queries
from symbol_tuning.data.seqio_tasks.query_source import QuerySource
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.evaluation.generation.decoding import Decoding
from symbol_tuning.evaluation.generation.task import METRIC, WritingTask
from symbol_tuning.evaluation.ranking.task import RankingTask

Task = RankingTask | WritingTask

DEFAULT_DECODING = Decoding()
_SPLIT = 'validation'

# What of the data settings an evaluation depends on.
_SETTINGS = (
  'separator',
  'evaluation_exemplars',
  'evaluation_queries',
  'symbol_categories',
  'word_files',
  'instruction_placement',
)


@dataclasses.dataclass(frozen=True)
class Suite:
  """Tasks, by mixture.

  Attributes:
    mixtures: for each mixture its tasks, by name.
    settings: how the queries were made, for the record.
  """

  mixtures: Mapping[str, Mapping[str, Task]]
  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    for mixture, name, task in self:
      if not task.queries:
        raise ValueError(
          f'The task {name} of {mixture} has no queries: its dataset is empty,'
          ' or every query, with an exemplar of its class and one of another,'
          " is longer than TASK_FEATURE_LENGTHS['inputs']."
        )

  def __iter__(self) -> Iterator[tuple[str, str, Task]]:
    """Yields mixture, name and task."""
    for mixture, tasks in self.mixtures.items():
      for name, task in tasks.items():
        yield mixture, name, task

  @property
  def tasks_by_kind(self) -> dict[Any, list[Task]]:
    """The tasks by their class: `RankingTask`, `WritingTask`."""
    kinds: dict[Any, list[Task]] = {}
    for *_, task in self:
      kinds.setdefault(type(task), []).append(task)
    return kinds

  @property
  def num_tokens(self) -> int:
    """The tokens that a model has to read, or may write, in all tasks."""
    return sum(task.num_tokens for *_, task in self)

  def first(self, num_queries: int) -> 'Suite':
    """Returns the suite with the first queries of each task only."""
    mixtures: dict[str, dict[str, Any]] = {name: {} for name in self.mixtures}
    for mixture, name, task in self:
      few: Any = task.queries[:num_queries]
      mixtures[mixture][name] = dataclasses.replace(task, queries=few)
    return dataclasses.replace(self, mixtures=mixtures)


@dataclasses.dataclass(frozen=True)
class Questions:
  """Names what an evaluation asks; loads it with one separator or another.

  Options are ranked in a task which declares a metric of scores; answers are
  written in one which declares a metric of predictions.

  Attributes:
    mixture_or_task_name: a registered name, or several.
    task_feature_lengths: the most tokens of `inputs` and `targets`.
    decoding: how answers are written.
  """

  mixture_or_task_name: str | Sequence[str]
  task_feature_lengths: Mapping[str, int]
  decoding: Decoding = DEFAULT_DECODING

  def check(self) -> None:
    """Refuses, at once, names that are not known and data that are missing.

    Raises:
      ValueError: if a name is not registered.
      FileNotFoundError: if the data of a task are missing.
    """
    self._tasks()

  @property
  def num_tasks(self) -> int:
    """The tasks of all mixtures whose data are at hand."""
    return sum(len(tasks) for tasks in self._tasks().values())

  def load(self, separator: str | None = None) -> Suite:
    """Loads all tasks of these mixtures whose data are at hand.

    Args:
      separator: see `settings.DataSettings`; None: that of the settings.

    Raises:
      ValueError: if a name is not registered, a task is empty, declares no
        metric that is known here, or has answers that are too long.
      FileNotFoundError: if the data of a task are missing.
    """
    separator = separator or data_settings.current().separator
    with data_settings.changed(separator=separator):
      mixtures = {}
      for name, tasks in self._tasks().items():
        print_line(f'loading {name}, {len(tasks)} tasks')
        mixtures[name] = {task.name: self._load(task) for task in tasks}
      return self._suite(mixtures)

  def load_others(self, separator: str, num_queries: int) -> Suite | None:
    """Loads queries like those of `load`, and none of these.

    Args:
      separator: see `settings.DataSettings`.
      num_queries: the most of each task.

    Returns:
      The tasks that have other queries; None if no task has.
    """
    with data_settings.changed(separator=separator):
      mixtures = {}
      for name, tasks in self._tasks().items():
        print_line(f'loading other queries of {name}: {separator}')
        loaded = {t.name: self._load_others(t, num_queries) for t in tasks}
        mixtures[name] = {k: v for k, v in loaded.items() if v is not None}
      mixtures = {name: tasks for name, tasks in mixtures.items() if tasks}
      return self._suite(mixtures) if mixtures else None

  def _tasks(self) -> dict[str, list[seqio.Task]]:
    """Returns the tasks by mixture; those of one's own by their settings."""
    names = self.mixture_or_task_name
    tasks: dict[str, list[seqio.Task]] = {}
    for name in [names] if isinstance(names, str) else names:
      for task in mixing.available_tasks(name):
        group = tasks.setdefault(_group_of(task, name), [])
        if task not in group:
          group.append(task)
    return tasks

  def _suite(self, mixtures: Mapping[str, Mapping[str, Task]]) -> Suite:
    chosen = data_settings.current()
    settings = {
      **{name: getattr(chosen, name) for name in _SETTINGS},
      'source': repr(chosen.source),
      'task_feature_lengths': dict(self.task_feature_lengths),
    }
    suite = Suite(mixtures, settings)
    if WritingTask in suite.tasks_by_kind:
      settings['decoding'] = dataclasses.asdict(self.decoding)
    return suite

  def _load(self, task: seqio.Task) -> Task:
    watchdog.finished(f'the tasks before {task.name}')
    if task.score_metric_fns:
      return self._load_ranking(task)
    if not task.predict_metric_fns:
      raise ValueError(
        f'The task {task.name} cannot be evaluated: it declares no metric'
        f' function. Give it metrics.rank_classification or'
        f' exact_match.{METRIC}.'
      )
    asked = queries.load_open(task, self.task_feature_lengths)
    longest = max((len(query.target.tokens) for query in asked), default=0)
    if longest > self.decoding.max_new_tokens:
      raise ValueError(
        f'The longest answer of {task.name} takes {longest} tokens: raise'
        f' Decoding.max_new_tokens, now {self.decoding.max_new_tokens}.'
      )
    return WritingTask(
      asked,
      vocabulary=task.output_features['targets'].vocabulary,
      decoding=self.decoding,
      # Not SeqIO's method around it, which is the same for all tasks.
      postprocess=task.postprocessor or _as_written,
      metric_fns=task.predict_metric_fns,
    )

  def _load_ranking(self, task: seqio.Task) -> RankingTask:
    before = dataset_tasks.dropped_queries[task.name]
    asked = queries.load(task, self.task_feature_lengths)
    num_dropped = dataset_tasks.dropped_queries[task.name] - before
    return RankingTask(asked, num_dropped)

  def _load_others(
    self, task: seqio.Task, num_queries: int
  ) -> RankingTask | None:
    if not isinstance(task.source, QuerySource):
      return None
    reported = task.source.queries().tolist()
    most = data_settings.current().evaluation_queries + num_queries
    with data_settings.changed(evaluation_queries=most):
      if task.source.num_input_examples(_SPLIT) == len(reported):
        return None
      loaded = self._load_ranking(task)
    others = [one for one in loaded.queries if one.index not in reported]
    return RankingTask(others) if others else None


def members(mixture: str) -> frozenset[str]:
  """Returns the names of a registered mixture's tasks; none of another name."""
  if mixture not in seqio.MixtureRegistry.names():
    return frozenset()
  tasks = seqio.get_subtasks(seqio.MixtureRegistry.get(mixture))
  return frozenset(task.name for task in tasks)


def _as_written(text: str, **others: Any) -> str:
  """What SeqIO does where a task has no postprocess function."""
  del others
  return text


def _group_of(task: seqio.Task, name: str) -> str:
  """Returns the mixture under which a task is reported.

  A mixture of one setting is reported as it is. Tasks of several settings are
  no average of anything: each counts among those of its setting, and so does a
  task that is named by itself.
  """
  setting = icl_settings.of(task.name)
  if setting is None or (name != task.name and setting.has(name)):
    return name
  return setting.mixture
