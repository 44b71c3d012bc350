"""Which separator a checkpoint is asked with."""

import functools
import json
import types

import pytest

from symbol_tuning.data import settings
from symbol_tuning.evaluation import jobs, results, separators, suite
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.models.checkpoints import native

NAMES = ['icl_natural_instructed_subj', 'icl_symbol_uninstructed_teab']
LENGTHS = {'inputs': 900, 'targets': 30}
TRAINED = Checkpoint('after', '/run', step=7)
RAW = Checkpoint('before', '/model.gguf')


def queries(loaded):
  return [{query.index for query in task.queries} for *_, task in loaded]


def test_the_other_queries_are_none_of_those_reported(use_data):
  use_data(evaluation_queries=18, evaluation_exemplars=1)
  questions = suite.Questions([*NAMES, 'turing_concepts'], LENGTHS)
  reported = questions.load('none')
  others = questions.load_others('none', 4)
  assert [name for _, name, _ in others] == NAMES
  assert [len(some) for some in queries(others)] == [4, 4]
  for some, other in zip(queries(reported), queries(others), strict=False):
    assert not some & other
  for loaded in (reported, others):
    assert loaded.settings['separator'] == 'none'
    assert loaded.settings['evaluation_queries'] == 18
  assert settings.current().separator == 'eos'


def test_tasks_that_are_reported_whole_have_no_others(use_data):
  use_data(evaluation_queries=30)
  questions = suite.Questions(NAMES, LENGTHS)
  loaded = questions.load_others('eos', 4)
  # There are 24 examples of two classes, and 36 of three.
  assert [name for _, name, _ in loaded] == NAMES[1:]
  use_data(evaluation_queries=36)
  assert questions.load_others('eos', 4) is None


def test_trained_here_means_the_separator_of_the_settings(use_data):
  use_data(separator='none')
  assert separators.wanted(None, TRAINED) == 'none'
  assert separators.wanted(None, RAW) == 'best'
  assert separators.wanted('eos', RAW) == 'eos'
  by_label = {'before': 'best', 'after': 'eos'}
  assert separators.wanted(by_label, TRAINED) == 'eos'
  assert separators.wanted(by_label, RAW) == 'best'


@pytest.mark.parametrize(
  ('reported', 'most', 'asked'),
  [(100, 25, 25), (20, 25, 10), (100, 60, 50), (6, 25, 4), (100, 3, 3)],
)
def test_no_more_is_asked_to_choose_than_is_reported(
  use_data, reported, most, asked
):
  # There are two separators, for the vocabulary has no chat template.
  use_data(evaluation_queries=reported)
  assert separators.queries_of_task(most) == asked


def test_reported_queries_that_choose_are_as_few(use_data):
  use_data(evaluation_queries=24, evaluation_exemplars=1)
  questions = suite.Questions(NAMES[0], LENGTHS)
  asked = []

  def measure(some, name):
    asked.append((name, some))
    (mixture,) = some.mixtures
    mean = types.SimpleNamespace(accuracy=50.0, num_queries=5)
    return types.SimpleNamespace(mixtures={mixture: mean})

  assert questions.load_others('eos', 5) is None
  chosen = separators.choose(
    'before', 1, 5, questions.load, questions.load_others, measure
  )
  assert [name for name, _ in asked] == ['eos', 'none']
  for name, some in asked:
    ((*_, task),) = some
    ((*_, whole),) = questions.load(name)
    assert [query.index for query in task.queries] == [
      query.index for query in whole.queries[:5]
    ]
  assert 'there are no others' in chosen.settings['separator_queries']


def test_the_best_is_measured_kept_and_recorded(
  byte_model, byte_params, use_data, tmp_path, capsys
):
  use_data(evaluation_queries=8, evaluation_exemplars=1)
  native.save(byte_params, byte_model.config, tmp_path / 'model')
  evaluate = functools.partial(
    jobs.evaluate_checkpoints,
    byte_model,
    suite.Questions(NAMES[0], LENGTHS),
    str(tmp_path / 'model'),
    str(tmp_path / 'out'),
    separator='best',
    choice_queries=3,
  )
  (summary,) = evaluate()
  said = capsys.readouterr().out
  cost = '2 x 1 x 3 = 6 queries; --gin.SEPARATOR="\'none\'" skips this'
  assert cost in said
  assert said.index(cost) < said.index('loading other queries')
  folder = tmp_path / 'out' / 'model'
  measured = {
    path.parent.name: results.read_summary(path.parent)
    for path in folder.glob('separators/*/summary.json')
  }
  candidates = {
    name: sum(m.accuracy for m in other.mixtures.values())
    for name, other in measured.items()
  }
  recorded = json.loads((folder / 'summary.json').read_text())['settings']
  assert recorded['separator_candidates'] == candidates
  assert recorded['separator'] == max(
    recorded['separator_candidates'], key=candidates.get
  )
  assert recorded['separator_queries'] == '3, not reported'
  assert all(m.num_queries == 8 for m in summary.mixtures.values())
  assert evaluate() == [summary]
