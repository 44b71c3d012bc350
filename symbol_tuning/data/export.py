"""Writes any mixture as JSON lines, for people who train elsewhere.

A line is a JSON object: `prompt` and `target`, which follows it with nothing in
between; `options`, all labels of the prompt; and where it comes from: `task`,
`dataset`, `query_index` (the query's place among the examples of the dataset's
split), `label` (its class), `natural_label` (what the dataset calls the class)
and `seed`. What a task does not know is left out.
"""

import contextlib
import gzip
import io
import itertools
import json
import operator
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import numpy as np
import seqio

from symbol_tuning import files, progress
from symbol_tuning.data import settings, train_data
from symbol_tuning.data.seqio_tasks import dataset_tasks

Line = dict[str, Any]

_TEXT = '{}_pretokenized'
_FEATURES = ('inputs', 'targets')
# What examples may have that goes into a line as it is.
_PROVENANCE = ('query_index', 'label', 'origin', 'options', 'answers')
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
    ValueError: if the name is unknown, or a limit is needed.
    OSError: if the file cannot be written.
  """
  tasks = train_data.available_tasks(mixture_or_task_name)
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
  path = pathlib.Path(output_path).expanduser()
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial, _open(path, partial) as file:
    count = 0
    for line in _told(itertools.islice(lines, num_examples), num_examples):
      file.write(json.dumps(line, ensure_ascii=False) + '\n')
      count += 1
  print(f'Exported {count:,} examples of {mixture_or_task_name} to {path}.')
  return count


def _tuning_lines(
  tasks: list[seqio.Task],
  name: str,
  task_feature_lengths: Mapping[str, int] | None,
  seed: int,
) -> Iterator[Line]:
  features = (*map(_TEXT.format, _FEATURES), *_PROVENANCE)
  examples = train_data.open_examples(
    name, task_feature_lengths, seed, passthrough_features=features
  )
  for example in examples:
    yield _line(example, tasks[example[train_data.TASK]]) | {'seed': seed}


def _evaluation_lines(
  tasks: list[seqio.Task], task_feature_lengths: Mapping[str, int]
) -> Iterator[Line]:
  for task in tasks:
    examples = train_data.evaluation_examples(task.name, task_feature_lengths)
    by_query = itertools.groupby(examples, operator.itemgetter('query_index'))
    for _, group in by_query:
      yield _query_line(list(group), task)


def _query_line(examples: list[train_data.Example], task: seqio.Task) -> Line:
  """Joins the examples of a query, one for each label option."""
  correct = next(e for e in examples if e.get('is_correct', True))
  line = _line(correct, task)
  if 'is_correct' in correct:
    line['options'] = [_text(example, 'targets') for example in examples]
  return line


def _line(example: train_data.Example, task: seqio.Task) -> Line:
  line = {
    'prompt': _text(example, 'inputs'),
    'target': _text(example, 'targets'),
    'task': task.name,
  }
  line |= {k: _json_value(example[k]) for k in _PROVENANCE if k in example}
  if isinstance(task.source, dataset_tasks.QuerySource):
    spec = task.source.spec
    line |= {
      'dataset': spec.name,
      'natural_label': spec.labels[example['label']],
    }
  return line


def _text(example: train_data.Example, feature: str) -> str:
  """Returns the text of inputs or targets."""
  text = example.get(_TEXT.format(feature))
  if text is not None:
    return text.decode()
  return settings.vocabulary().decode(example.get(feature, []))


def _json_value(value: Any) -> Any:
  if isinstance(value, bytes):
    return value.decode()
  if isinstance(value, np.ndarray):
    return [_json_value(item) for item in value.tolist()]
  return value.item() if isinstance(value, np.generic) else value


@contextlib.contextmanager
def _open(path: pathlib.Path, partial: pathlib.Path) -> Iterator[TextIO]:
  """Opens a file to write, compressed where its path says so."""
  with contextlib.ExitStack() as stack:
    file = stack.enter_context(partial.open('wb'))
    if path.suffix == '.gz':
      # Without a name and a time: equal data make equal files.
      file = stack.enter_context(
        gzip.GzipFile(filename='', mode='wb', fileobj=file, mtime=0)
      )
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
