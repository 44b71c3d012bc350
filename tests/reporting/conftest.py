"""Results of evaluations that never took place, by the public writers."""

import dataclasses
import io
import pathlib

import pytest
import rich.console

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.prompting.records import (
  NATURAL,
  Exemplar,
  Prompt,
  WrittenLabel,
)
from symbol_tuning.evaluation import results
from symbol_tuning.reporting import outcomes, runs

LABELS = ('no', 'yes')


def prediction(
  query,
  options,
  label,
  chosen,
  shown=(),
  margin=1.0,
  category=NATURAL,
  form=FORMATS[0],
):
  """A query after exemplars of the classes `shown`, the last one last."""
  prompt = Prompt(
    instruction='',
    exemplars=tuple(Exemplar(f'text {i}', i) for i in shown),
    query=f'query {query}',
    label=label,
    options=tuple(
      WrittenLabel(number, text, category)
      for number, text in enumerate(options)
    ),
    format=form,
    num_drawn=len(shown),
  )
  scored = tuple(
    results.ScoredOption(f' {text}', -3.0 + margin * (number == chosen), 2)
    for number, text in enumerate(options)
  )
  return results.Prediction(
    query, prompt.text, scored, chosen, label, chosen == label, prompt
  )


def predictions(
  num_correct, num_queries=100, options=LABELS, shown=(0, 1), **kwargs
):
  """The first `num_correct` queries are right; classes take turns."""
  size = len(options)
  made = []
  for query in range(num_queries):
    label = query % size
    chosen = label if query < num_correct else (label + 1) % size
    made.append(prediction(query, options, label, chosen, shown, **kwargs))
  return made


def answers(num_correct, num_queries=8, origin='sort'):
  """Written answers, of which the first are right."""
  return [
    results.Answer(
      query,
      'Input: [2]\nOutput: [2]\n\nInput: [1]\nOutput:',
      origin,
      1,
      1,
      text := '[1]' if query < num_correct else '[7]',
      text,
      ('[1]',),
      query < num_correct,
    )
    for query in range(num_queries)
  ]


@dataclasses.dataclass(frozen=True)
class Fake:
  """Makes what a checkpoint did, writes it and reads it again."""

  folder: pathlib.Path
  prediction = staticmethod(prediction)
  predictions = staticmethod(predictions)
  answers = staticmethod(answers)

  def write(self, name, tasks, *, settings=None, num_dropped=0, **fields):
    """Takes predictions by (mixture, dataset)."""
    directory = self.folder / name
    mixtures = {}
    for (mixture, dataset), made in tasks.items():
      path = f'{mixture}/{mixture}_{dataset}.jsonl'
      text = results.to_text(made)
      results.write(directory / path, text)
      result = results.task_result(
        made, text, dataset, path, 'abc', num_dropped
      )
      mixtures.setdefault(mixture, {})[f'{mixture}_{dataset}'] = result
    summary = results.Summary(
      label=name,
      path=f'/trained/{name}',
      step=400,
      order=0,
      settings={'separator': 'eos'} | (settings or {}),
      mixtures={
        name: results.mixture_result(name, own)
        for name, own in mixtures.items()
      },
      unfinished=(),
      fingerprint='abc',
    )
    results.write_summary(directory, dataclasses.replace(summary, **fields))
    return directory

  def collect(self, name, tasks, **fields):
    """A checkpoint as sections are made of it."""
    [run] = runs.load_runs([self.write(name, tasks, **fields)])
    return outcomes.collect(run)


@pytest.fixture(scope='session')
def make_fake():
  return Fake


@pytest.fixture
def fake(tmp_path):
  return Fake(tmp_path / 'results')


@pytest.fixture(scope='session')
def make_console():
  """Its consoles write to `file` instead of the terminal."""
  return lambda: rich.console.Console(file=io.StringIO(), width=100)
