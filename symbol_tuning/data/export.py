"""Writes any mixture as JSON lines, for people who train elsewhere.

A line is a JSON object: `prompt` and `target`, which follows it with nothing in
between; `options`, all labels of the prompt; and where it comes from: `task`,
`dataset`, `query_index` (the query's place among the examples of the dataset's
split), `label` (its class), `natural_label` (what the dataset calls the class)
and `seed`. What a task does not know is left out.
"""

import contextlib
import functools
import gzip
import io
import itertools
import json
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TextIO

import seqio

from symbol_tuning import files, progress
from symbol_tuning.data import packing, settings
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.data.prompting.fitting import FittedPrompt, Fitter
from symbol_tuning.data.prompting.records import Query
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing, queries

Line = dict[str, Any]

_TEXT = '{}_pretokenized'
_FEATURES = ('inputs', 'targets')
_PERIOD = 10.0


def export_mixture(
  mixture_or_task_name: str,
  output_path: str,
  task_feature_lengths: Mapping[str, int] | None = None,
  num_examples: int | None = None,
  seed: int = 0,
) -> int:
  """Writes the examples of a mixture for tuning or evaluation.

  Args:
    mixture_or_task_name: a registered name.
    output_path: the file; compressed where it ends in .gz. It appears when all
      is written.
    task_feature_lengths: most tokens of 'inputs' and 'targets', into which
      prompts are fitted; None for no limit.
    num_examples: the most lines. A mixture for tuning is endless and needs it.
    seed: of the order of examples and of every choice in a tuning prompt; the
      prompts of an evaluation are always the same.

  Returns:
    The number of lines.

  Raises:
    ValueError: if the name is unknown, a limit is needed, or nothing fits.
    OSError: if the file cannot be written.
  """
  tasks = mixing.available_tasks(mixture_or_task_name)
  if all('train' in task.splits for task in tasks):
    if num_examples is None:
      raise ValueError(
        f'{mixture_or_task_name} is for tuning and has no end: set NUM_EXAMPLES'
        ' to the number of lines.'
      )
    lines = _tuning_lines(
      tasks, mixture_or_task_name, task_feature_lengths, seed
    )
  else:
    lines = _evaluation_lines(tasks, task_feature_lengths or {})
  path = files.path(output_path)
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial, _open(path, partial) as file:
    count = 0
    for line in _told(itertools.islice(lines, num_examples), num_examples):
      file.write(json.dumps(line, ensure_ascii=False) + '\n')
      count += 1
    if not count:
      raise ValueError(
        f'No query of {mixture_or_task_name} fits into'
        f' TASK_FEATURE_LENGTHS = {task_feature_lengths}: raise them.'
      )
  print(f'Exported {count:,} examples of {mixture_or_task_name} to {path}.')
  return count


def _tuning_lines(
  tasks: list[seqio.Task],
  name: str,
  task_feature_lengths: Mapping[str, int] | None,
  seed: int,
) -> Iterator[Line]:
  maker_of = functools.cache(
    lambda task: task.source.prompt_maker(task_feature_lengths)
  )
  examples = mixing.tuning_examples(
    name,
    task_feature_lengths,
    seed,
    features=(*map(_TEXT.format, _FEATURES), dataset_tasks.ORIGIN),
  )
  for example in mixing.read(examples):
    task = tasks[example[packing.TASK]]
    if dataset_tasks.ORIGIN not in example:  # A task that is of no dataset.
      line = _plain_line(example)
    else:
      _, epoch, query = example[dataset_tasks.ORIGIN].tolist()
      maker = maker_of(task)
      (fitted,) = maker.make([query], seed, [epoch])
      line = _tuning_line(fitted, maker.fitter, query, task.source.spec)
    yield line | {'task': task.name, 'seed': seed}


def _plain_line(example: packing.Example) -> Line:
  prompt, target = (_text(example, feature) for feature in _FEATURES)
  return {'prompt': prompt, 'target': target}


def _tuning_line(
  fitted: FittedPrompt, fitter: Fitter, query: int, spec: DatasetSpec
) -> Line:
  prompt = fitted.prompt
  options = [fitter.written(one.text).text for one in prompt.options]
  return {
    'prompt': fitted.text,
    'target': options[prompt.answer_index],
    'options': options,
    'query_index': query,
    **_class(prompt.label, spec),
  }


def _class(label: int, spec: DatasetSpec) -> Line:
  return {
    'dataset': spec.name,
    'label': label,
    'natural_label': spec.labels[label],
  }


def _evaluation_lines(
  tasks: list[seqio.Task], task_feature_lengths: Mapping[str, int]
) -> Iterator[Line]:
  for task in tasks:
    if task.score_metric_fns:
      for query in queries.load(task, task_feature_lengths):
        yield _ranked_line(query, task)
    else:
      for question in queries.load_open(task, task_feature_lengths):
        yield {
          'prompt': question.text,
          'target': question.target.text,
          'task': task.name,
          'query_index': question.index,
          'answers': list(question.answers),
          'origin': question.origin,
        }


def _ranked_line(query: Query, task: seqio.Task) -> Line:
  options = [option.text for option in query.options]
  line = {
    'prompt': query.text,
    'target': options[query.label],
    'task': task.name,
    'options': options,
    'query_index': query.index,
  }
  if query.prompt is None:
    return line
  return line | _class(query.prompt.label, task.source.spec)


def _text(example: Mapping[str, Any], feature: str) -> str:
  """Returns the text of inputs or targets."""
  text = example.get(_TEXT.format(feature))
  if text is not None:
    return text.decode()
  return settings.vocabulary().decode(list(example.get(feature, ())))


@contextlib.contextmanager
def _open(path: files.Path, partial: pathlib.Path) -> Iterator[TextIO]:
  """Opens a file to write, compressed where its path says so."""
  with contextlib.ExitStack() as stack:
    file: BinaryIO | gzip.GzipFile = stack.enter_context(partial.open('wb'))
    if path.suffix == '.gz':
      # Without a name and a time: equal data make equal files.
      file = gzip.GzipFile(filename='', mode='wb', fileobj=file, mtime=0)
      stack.callback(file.close)
    yield stack.enter_context(io.TextIOWrapper(file, encoding='utf-8'))


def _told(lines: Iterator[Line], total: int | None) -> Iterator[Line]:
  """Tells from time to time how many lines there are."""
  start = last = time.monotonic()
  for count, line in enumerate(lines, start=1):
    yield line
    now = time.monotonic()
    if now - last < _PERIOD:
      continue
    last = now
    if total is None:
      print(f'exporting · {count:,} examples', flush=True)
    else:
      told = progress.line('exporting', count, total, 'examples', now - start)
      print(told, flush=True)
