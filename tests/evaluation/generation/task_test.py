"""Tasks whose answers are written: what is compared, and what is recorded."""

import dataclasses
import functools

import numpy as np
import pytest
from made_queries import make_queries

from symbol_tuning.data import vocabularies
from symbol_tuning.data.prompting.records import OpenQuery, Option
from symbol_tuning.evaluation import evaluator, layout, results, suite
from symbol_tuning.evaluation.generation import exact_match, generating
from symbol_tuning.evaluation.generation.decoding import Decoding, End, Written
from symbol_tuning.evaluation.generation.task import WritingTask
from symbol_tuning.evaluation.ranking.task import RankingTask

CHECKPOINT = evaluator.Checkpoint('random', '/a/checkpoint')
DECODING = Decoding(max_new_tokens=6, stop=('\n',))
BYTES = vocabularies.Bytes().load()


def query_of(number, answers, prompt='Input: 1\nOutput:', end_id=1):
  target = [*BYTES.encode(f' {answers[0]}'), end_id]
  return OpenQuery(
    index=number,
    text=prompt,
    tokens=np.array([*BYTES.encode(prompt), 1], np.int32),
    target=Option(f' {answers[0]}', np.array(target, np.int32)),
    answers=tuple(answers),
    origin='plus one',
    num_kept=4,
    num_drawn=5,
  )


def task_of(queries, metric_fns=(exact_match.exact_match,)):
  return WritingTask(
    queries, BYTES, DECODING, exact_match.first_line, metric_fns=metric_fns
  )


@pytest.fixture
def model_writes(monkeypatch):
  """Has the model write given texts; tells of its prompts and their ends."""
  asked = []

  def set_texts(*texts):
    def generate(model, params, prompts, layout, decoding, end, advance):
      asked.append((len(prompts), end.ids))
      return [Written((), text) for text in texts]

    monkeypatch.setattr(generating, 'generate', generate)
    return asked

  return set_texts


@pytest.fixture
def evaluate(byte_model, byte_params, tmp_path):
  def call(tasks):
    return evaluator.evaluate(
      byte_model, byte_params, suite.Suite(tasks), CHECKPOINT, tmp_path
    )

  return call


def test_what_a_model_writes_is_compared_with_all_accepted_answers(
  model_writes,
):
  model_writes(' 2\nInp', ' two', '222222', '')
  answers = [['2', 'two'], ['2', 'two'], ['222222'], ['2']]
  task = task_of([query_of(i, some) for i, some in enumerate(answers)])
  made = task.predictions(None, None, None, None)
  assert [answer.prediction for answer in made] == ['2', 'two', '222222', '']
  assert [answer.is_correct for answer in made] == [True, True, True, False]
  assert made[0] == results.Answer(
    query=0,
    text='Input: 1\nOutput:',
    origin='plus one',
    num_exemplars=4,
    num_exemplars_drawn=5,
    written=' 2\nInp',
    prediction='2',
    answers=('2', 'two'),
    is_correct=True,
  )


def test_the_record_has_every_answer_and_the_share_of_right_ones(
  evaluate, model_writes, tmp_path
):
  model_writes('2', '3', '4', '5')
  queries = [query_of(i, [str(i)]) for i in (2, 3, 4)] + [query_of(5, ['6'])]
  tasks = {'list_functions': {'list_functions_add': task_of(queries)}}
  summary = evaluate(tasks)
  assert results.read_summary(tmp_path) == summary
  mixture = summary.mixtures['list_functions']
  assert (mixture.accuracy, mixture.chance) == (75, 0)
  assert mixture.metrics == {'accuracy': 75}
  task = mixture.tasks['list_functions_add']
  assert (task.dataset, task.num_queries) == ('add', 4)
  made = results.read_predictions(tmp_path / task.predictions)
  text = (tmp_path / task.predictions).read_text()
  assert task == results.task_result(
    made, text, task.dataset, task.predictions, task.fingerprint
  )
  assert made == tasks['list_functions']['list_functions_add'].predictions(
    None, None, None, None
  )


def test_only_new_tasks_are_asked(evaluate, model_writes):
  asked = model_writes('2')
  ranked = {'icl_flipped': {'icl_flipped_subj': RankingTask(make_queries(2))}}
  one = {'a': {'a_b': task_of([query_of(0, ['2'])])}}
  evaluate(ranked | one)
  summary = evaluate(ranked | one)
  assert len(asked) == 1
  assert not summary.unfinished
  other = {'a': {'a_b': task_of([query_of(0, ['3'])])}}
  assert evaluate(other).mixtures['a'].accuracy == 0
  assert [num_prompts for num_prompts, _ in asked] == [1, 1]


def last_line(text, example=None, is_target=False):
  lines = exact_match.first_line(text, example, is_target)
  return lines if is_target else text.splitlines()[-1].strip()


def any_case(targets, predictions, fold=str.lower):
  folded = [tuple(map(fold, answers)) for answers in targets]
  return exact_match.exact_match(folded, list(map(fold, predictions)))


@pytest.mark.parametrize(
  'change',
  [
    {'queries': [dataclasses.replace(query_of(0, ['2']), output_regex=r'\d')]},
    {'queries': [dataclasses.replace(query_of(0, ['2']), origin='times two')]},
    {'postprocess': last_line},
    {'metric_fns': (any_case,)},
    {'metric_fns': (functools.partial(any_case, fold=str.upper),)},
  ],
)
def test_answers_are_marked_anew_where_that_is_done_otherwise(
  evaluate, model_writes, change
):
  asked = model_writes('so 2\n2')
  task = task_of([query_of(0, ['2'])])
  evaluate({'a': {'a_b': task}})
  changed = dataclasses.replace(task, **change)
  kept = evaluate({'a': {'a_b': changed}})
  assert len(asked) == 2
  assert evaluate({'a': {'a_b': dataclasses.replace(changed)}}) == kept
  assert len(asked) == 2


def test_partial_functions_are_told_apart_by_what_they_bind(model_writes):
  def fingerprint(**bound):
    metric = functools.partial(any_case, **bound)
    return task_of([query_of(0, ['2'])], metric_fns=(metric,)).fingerprint

  lower, upper = fingerprint(fold=str.lower), fingerprint(fold=str.upper)
  assert len({lower, upper, fingerprint()}) == 3
  assert fingerprint(fold=str.lower) == lower


def test_the_token_that_ends_targets_ends_answers_too(model_writes):
  """That of a turn, where models are asked in a chat template."""
  turn_id = 9
  asked = model_writes(' 2')
  task = task_of([query_of(0, ['2'], end_id=turn_id)])
  (answer,) = task.predictions(None, None, None, None)
  assert answer.is_correct
  assert asked == [(1, (BYTES.eos_id, turn_id))]


def test_a_task_without_exact_match_is_refused(model_writes):
  model_writes('2')

  def length(targets, predictions):
    return {'length': len(predictions)}

  task = task_of([query_of(0, ['2'])], metric_fns=(length,))
  message = 'are length; none is called exact_match'
  with pytest.raises(ValueError, match=message):
    task.predictions(None, None, None, None)


def test_a_model_answers_a_registered_task(
  evaluate, byte_model, byte_params, use_data, tmp_path
):
  use_data()
  mixture, name = 'turing_concepts', 'turing_concepts_at_most_3'
  loaded = suite.Questions(mixture, {'inputs': 400, 'targets': 20}).load()
  task = task_of(loaded.mixtures[mixture][name].queries[:5])
  summary = evaluate({mixture: {name: task}})
  result = summary.mixtures[mixture].tasks[name]
  assert result.num_queries == 5
  made = results.read_predictions(tmp_path / result.predictions)
  prompts = [query.tokens for query in task.queries]
  written = generating.generate(
    byte_model,
    byte_params,
    prompts,
    generating.plan(prompts, 6, layout.Budget()),
    DECODING,
    End((1,), BYTES.decode),
  )
  assert [answer.written for answer in made] == [w.text for w in written]
  assert all(answer.origin and answer.answers for answer in made)
