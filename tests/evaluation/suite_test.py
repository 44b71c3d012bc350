"""Loading the tasks of an evaluation."""

import pytest
import seqio

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.seqio_tasks import text_tasks
from symbol_tuning.evaluation import suite
from symbol_tuning.evaluation.generation import exact_match
from symbol_tuning.evaluation.generation.decoding import Decoding
from symbol_tuning.evaluation.generation.task import WritingTask
from symbol_tuning.evaluation.ranking.task import RankingTask

LENGTHS = {'inputs': 600, 'targets': 30}


def test_mixtures_and_tasks_are_loaded_with_their_queries(use_data):
  use_data(evaluation_queries=3, evaluation_exemplars=1, missing=('tos',))
  names = ['icl_flipped_subj', 'icl_symbol_instructed_teab']
  loaded = suite.Questions(names, LENGTHS).load()
  assert list(loaded.mixtures) == ['icl_flipped', 'icl_symbol_instructed']
  num_options = [[len(q.options) for q in task.queries] for *_, task in loaded]
  assert num_options == [[2] * 3, [3] * 3]
  for *_, task in loaded:
    assert all(len(query.tokens) <= 600 for query in task.queries)
  assert loaded.settings['evaluation_exemplars'] == 1
  assert loaded.settings['task_feature_lengths'] == LENGTHS


@pytest.mark.parametrize(
  ('name', 'inputs', 'message'),
  [
    ('icl_flipt', 600, r"'icl_flipt'.*icl_flipped"),
    ('icl_flipped_subj', 5, r'longer than TASK_FEATURE_LENGTHS'),
    ('turing_concepts', 600, r'turing_.* raise Decoding\.max_new'),
  ],
)
def test_what_cannot_be_asked_or_answered_is_named(
  name, inputs, message, use_data
):
  use_data(evaluation_queries=3)
  lengths = LENGTHS | {'inputs': inputs}
  questions = suite.Questions(name, lengths, Decoding(max_new_tokens=3))
  with pytest.raises(ValueError, match=message):
    questions.load()


def test_the_metric_that_a_task_declares_says_how_it_is_asked(use_data):
  use_data(evaluation_queries=3)
  names = ['icl_flipped_subj', 'turing_concepts']
  loaded = suite.Questions(names, {'inputs': 1024, 'targets': 64}).load()
  assert set(loaded.mixtures['turing_concepts']) == {
    'turing_concepts_at_most_3'
  }
  kinds = [type(task) for *_, task in loaded]
  assert kinds == [RankingTask, WritingTask]
  assert {kind: len(tasks) for kind, tasks in loaded.tasks_by_kind.items()} == {
    RankingTask: 1,
    WritingTask: 1,
  }


def test_a_task_without_a_metric_is_named(use_data):
  use_data()
  name = 'a_task_without_a_metric'
  question = text_tasks.ask(FORMATS[0], [('1', '2')], '2', ['3'], 'plus one')
  text_tasks.add_text_task(name, lambda: [question])
  try:
    with pytest.raises(ValueError, match=f'{name} cannot be evaluated'):
      suite.Questions(name, LENGTHS).load()
  finally:
    seqio.TaskRegistry.remove(name)


def test_written_tasks_are_told_apart_by_how_they_postprocess(use_data):
  use_data()
  question = text_tasks.ask(FORMATS[0], [('1', '2')], '2', ['3'], 'plus one')
  functions = (exact_match.first_line, lambda text, **_: text, None)
  names = [f'a_task_with_postprocess_{i}' for i in range(len(functions))]
  try:
    for name, function in zip(names, functions, strict=True):
      text_tasks.add_text_task(
        name,
        lambda: [question],
        metric_fns=[exact_match.exact_match],
        postprocess_fn=function,
      )
    loaded = suite.Questions(names, LENGTHS).load()
  finally:
    for name in names:
      seqio.TaskRegistry.remove(name)
  assert len({task.fingerprint for *_, task in loaded}) == len(functions)
  *_, (*_, without) = loaded
  assert without.postprocess('3', example={}, is_target=True) == '3'
