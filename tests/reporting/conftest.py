"""Results of evaluations that never took place, by the public writers."""

import dataclasses
import io
import pathlib

import pytest
import rich.console

from symbol_tuning.data.prompting.formats import BLANK_LINE, EVALUATION_FORMAT
from symbol_tuning.evaluation import results
from symbol_tuning.reporting import outcomes, runs

NATURAL = ('no', 'yes')


def prediction(query, options, label, chosen, shown=(), margin=1.0):
  """A query after exemplars of the classes `shown`, the last one last."""
  form = EVALUATION_FORMAT
  exemplars = [form.write(f'text {i}', options[i]) for i in shown]
  prompt = BLANK_LINE.join(
    [*exemplars, f'{form.prefix}query {query}{form.infix}']
  )
  scored = tuple(
    results.Option(f' {text}', -3.0 + margin * (number == chosen), 2)
    for number, text in enumerate(options)
  )
  return results.Prediction(
    query, prompt, scored, chosen, label, chosen == label
  )


def predictions(num_correct, num_queries=100, options=NATURAL, shown=(0, 1)):
  """The first `num_correct` queries are right; classes take turns."""
  size = len(options)
  made = []
  for query in range(num_queries):
    label = query % size
    chosen = label if query < num_correct else (label + 1) % size
    made.append(prediction(query, options, label, chosen, shown))
  return made


def answers(num_correct, num_queries=8, origin='sort'):
  """Written answers, of which the first are right."""
  return [
    results.Answer(
      query,
      'Input: [2]\nOutput: [2]\n\nInput: [1]\nOutput:',
      origin,
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

  def write(self, name, tasks, *, settings=None, **fields):
    """Takes predictions by (mixture, dataset)."""
    directory = self.folder / name
    mixtures = {}
    for (mixture, dataset), made in tasks.items():
      path = f'{mixture}/{mixture}_{dataset}.jsonl'
      results.write_predictions(directory / path, made)
      mixtures.setdefault(mixture, {})[f'{mixture}_{dataset}'] = (
        results.task_result(made, dataset, path, 'abc')
      )
    summary = results.Summary(
      **{
        'label': name,
        'path': f'/trained/{name}',
        'step': 400,
        'order': 0,
        'settings': {'separator': 'eos'} | (settings or {}),
        'mixtures': {k: results.mixture_result(v) for k, v in mixtures.items()},
        'unfinished': (),
        'fingerprint': 'abc',
      }
      | fields
    )
    results.write_summary(directory, summary)
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
