"""Predictions, accuracies and their files."""

import dataclasses
import json

import numpy as np
import pytest
from made_queries import make_queries, make_query

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.prompting.records import (
  Exemplar,
  Prompt,
  WrittenLabel,
)
from symbol_tuning.evaluation import results


def prompt_of(label):
  """A prompt as it is composed, with a symbol for each class."""
  return Prompt(
    instruction='Say what it is.',
    exemplars=(Exemplar('a text', 4), Exemplar('another', 9)),
    query='What?',
    label=label,
    options=(
      WrittenLabel(4, '17', 'integers'),
      WrittenLabel(9, 'QZP', 'letters'),
      WrittenLabel(11, 'harbor', 'words'),
    ),
    format=FORMATS[3],
    num_drawn=5,
  )


@pytest.fixture
def predictions():
  queries = make_queries(num_queries=6, num_options=3)
  scores = np.array([-1.0 - (7 * i % 5) / 8 for i in range(18)]).reshape(6, 3)
  asked = [
    dataclasses.replace(query, prompt=prompt_of((4, 9, 11)[query.label]))
    for query in queries
  ]
  return list(map(results.Prediction.of, asked, scores))


def test_predictions_tell_what_was_asked_and_answered():
  query = make_query(3, [5], [[2, 1], [3, 4, 1]], label=1)
  query = dataclasses.replace(query, prompt=prompt_of(9))
  made = results.Prediction.of(query, np.array([-2.0, -1.0]))
  assert (made.query, made.text) == (3, 'prompt 3 …')
  assert made.options == (
    results.ScoredOption(' option 0', -2.0, 2),
    results.ScoredOption(' option 1', -1.0, 3),
  )
  assert made.prediction == made.label == 1 and made.is_correct
  assert made.prompt == query.prompt
  assert not results.Prediction.of(query, np.array([-1.0, -1.0])).is_correct


def task_of(made):
  text = results.to_text(made)
  return results.task_result(made, text, 'sst2', 'm/task.jsonl', 'abc')


def test_scores_that_are_not_finite_are_refused():
  query = make_query(3, [5], [[1], [2]])
  with pytest.raises(ValueError, match='query 3, option 1 is nan'):
    results.Prediction.of(query, np.array([-1.0, np.nan]))


def test_titles_are_those_of_the_settings_or_the_names(predictions):
  titles = {
    'icl_flipped': 'Flipped',
    'icl_symbol_instructed_with_reviews': 'Symbols, instructed: with reviews',
    'my_mixture': 'My mixture',
  }
  tasks = {'task': task_of(predictions)}
  for name, title in titles.items():
    assert results.mixture_result(name, tasks).title == title


def test_accuracy_can_be_recomputed_from_the_file(tmp_path, predictions):
  path = tmp_path / 'mixture' / 'task.jsonl'
  results.write(path, results.to_text(predictions))
  assert results.read_predictions(path) == predictions
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  correct = [
    max(range(3), key=lambda i: line['options'][i]['log_likelihood'])
    == line['label']
    for line in lines
  ]
  result = task_of(predictions)
  assert result.accuracy == pytest.approx(100 * sum(correct) / len(correct))
  assert result.chance == pytest.approx(100 / 3)
  assert result.num_queries == 6


def test_a_mixture_gives_every_task_the_same_weight(predictions):
  one = task_of(predictions)
  large = dataclasses.replace(
    one, metrics={'accuracy': 90.0, 'own': 1.0}, num_queries=1000
  )
  small = dataclasses.replace(one, metrics={'accuracy': 50.0}, num_queries=10)
  mixture = results.mixture_result('m', {'large': large, 'small': small})
  assert mixture.metrics == {'accuracy': pytest.approx(70)}
  assert mixture.num_queries == 1010


@pytest.fixture
def summary(predictions):
  tasks = {'task': task_of(predictions)}
  return results.Summary(
    label='tuned',
    path='/a/checkpoint',
    step=None,
    order=1,
    settings={'separator': 'eos'},
    mixtures={'m': results.mixture_result('m', tasks)},
    unfinished=('other',),
    fingerprint='abc',
  )


def test_a_changed_number_of_a_summary_is_noticed(tmp_path, summary):
  results.write_summary(tmp_path, summary)
  assert results.read_summary(tmp_path) == summary
  path = tmp_path / 'summary.json'
  path.write_text(path.read_text().replace('"order": 1', '"order": 2'))
  with pytest.raises(ValueError, match=r'summary\.json .*changed after it was'):
    results.read_summary(tmp_path)


def test_predictions_of_another_evaluation_are_refused(tmp_path, predictions):
  path = tmp_path / 'm' / 'task.jsonl'
  results.write(path, results.to_text(predictions))
  task = task_of(predictions)
  assert results.read_predictions(path, task.sha256) == predictions
  assert results.has_predictions(tmp_path, task)
  results.write(path, results.to_text(predictions[::-1]))
  assert not results.has_predictions(tmp_path, task)
  with pytest.raises(ValueError, match=r'task\.jsonl is not what was written'):
    results.read_predictions(path, task.sha256)


def test_results_of_earlier_versions_have_no_digests(
  tmp_path, predictions, summary
):
  results.write_summary(tmp_path, summary)
  path = tmp_path / 'summary.json'
  values = json.loads(path.read_text())
  del values['digest'], values['mixtures']['m']['tasks']['task']['sha256']
  path.write_text(json.dumps(values))
  (task,) = results.read_summary(tmp_path).mixtures['m'].tasks.values()
  assert task.sha256 == ''
  results.write(tmp_path / task.predictions, results.to_text(predictions))
  assert results.has_predictions(tmp_path, task)


def test_an_interrupted_write_leaves_the_old_file(
  tmp_path, summary, monkeypatch
):
  results.write_summary(tmp_path, summary)

  def fail(*_):
    raise OSError('no space left')

  monkeypatch.setattr(type(tmp_path), 'replace', fail)
  with pytest.raises(OSError, match='no space'):
    results.write_summary(tmp_path, dataclasses.replace(summary, label='new'))
  assert results.read_summary(tmp_path) == summary


@pytest.mark.parametrize('content', [b'{"query": 1', b'\xff', b'[]', b'{}'])
def test_files_that_are_not_predictions_are_named(tmp_path, content):
  path = tmp_path / 'task.jsonl'
  path.write_bytes(content)
  message = r'task\.jsonl is not .*evaluation again'
  with pytest.raises(ValueError, match=message):
    results.read_predictions(path)


def test_files_that_are_not_summaries_are_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'summary\.json does not exist'):
    results.read_summary(tmp_path)
  (tmp_path / 'summary.json').write_text('{"accuracy": 3}')
  with pytest.raises(ValueError, match=r'summary\.json is not a summary'):
    results.read_summary(tmp_path)
