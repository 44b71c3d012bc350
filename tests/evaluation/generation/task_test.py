"""Tasks whose answers are written: what is compared, and what is recorded."""

import json

import jax
import numpy as np
import pytest

from symbol_tuning.data import vocabularies
from symbol_tuning.data.prompting.records import OpenQuery, Option
from symbol_tuning.evaluation import (
  countdown,
  evaluator,
  results,
  suite,
)
from symbol_tuning.evaluation.generation import exact_match, generating
from symbol_tuning.evaluation.generation.decoding import Decoding, End, Written
from symbol_tuning.evaluation.generation.task import WritingTask
from symbol_tuning.evaluation.ranking.task import RankingTask
from symbol_tuning.models import config, decoder, parameters

CHECKPOINT = evaluator.Checkpoint('random', '/a/checkpoint')
DECODING = Decoding(max_new_tokens=6, stop=('\n',))
BYTES = vocabularies.Bytes().load()


@pytest.fixture(scope='module')
def model():
  return decoder.Decoder(
    config.DecoderConfig(
      vocab_size=BYTES.vocab_size,
      num_layers=2,
      embed_dim=16,
      num_heads=2,
      num_kv_heads=1,
      head_dim=8,
      mlp_dim=32,
      conv_width=2,
    )
  )


@pytest.fixture(scope='module')
def params(model):
  return parameters.init_params(model, jax.random.key(0))


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
  """Has the model write given texts, and counts how often it is asked."""
  asked = []

  def set_texts(texts):
    def generate(model, params, prompts, *args):
      asked.append(len(prompts))
      return [Written((), text) for text in texts]

    monkeypatch.setattr(generating, 'generate', generate)
    return asked

  return set_texts


def evaluate(model, params, tasks, directory):
  return evaluator.evaluate(
    model,
    params,
    suite.Suite(tasks),
    CHECKPOINT,
    directory,
    countdown=countdown.Countdown(0, write=lambda _: None),
  )


def test_what_a_model_writes_is_compared_with_all_accepted_answers(
  model_writes,
):
  model_writes([' 2\nInp', ' two', '222222', ''])
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
  model, params, model_writes, tmp_path
):
  model_writes(['2', '3', '4', '5'])
  queries = [query_of(i, [str(i)]) for i in (2, 3, 4)] + [query_of(5, ['6'])]
  tasks = {'list_functions': {'list_functions_add': task_of(queries)}}
  summary = evaluate(model, params, tasks, tmp_path)
  assert results.read_summary(tmp_path) == summary
  mixture = summary.mixtures['list_functions']
  assert (mixture.accuracy, mixture.chance) == (75, 0)
  assert mixture.metrics == {'accuracy': 75}
  task = mixture.tasks['list_functions_add']
  assert (task.dataset, task.num_queries) == ('add', 4)
  made = results.read_predictions(tmp_path / task.predictions)
  assert task == results.task_result(
    made, task.dataset, task.predictions, task.fingerprint
  )
  lines = (tmp_path / task.predictions).read_text().splitlines()
  assert json.loads(lines[3]) == {
    'query': 5,
    'text': 'Input: 1\nOutput:',
    'origin': 'plus one',
    'num_exemplars': 4,
    'num_exemplars_drawn': 5,
    'written': '5',
    'prediction': '5',
    'answers': ['6'],
    'is_correct': False,
  }


def test_only_new_tasks_are_asked(
  model, params, model_writes, make_queries, tmp_path
):
  asked = model_writes(['2'])
  ranked = {'icl_flipped': {'icl_flipped_subj': RankingTask(make_queries(2))}}
  one = {'a': {'a_b': task_of([query_of(0, ['2'])])}}
  evaluate(model, params, ranked | one, tmp_path)
  summary = evaluate(model, params, ranked | one, tmp_path)
  assert asked == [1]
  assert not summary.unfinished
  other = {'a': {'a_b': task_of([query_of(0, ['3'])])}}
  assert evaluate(model, params, other, tmp_path).mixtures['a'].accuracy == 0
  assert asked == [1, 1]


def test_the_token_that_ends_targets_ends_answers_too(monkeypatch):
  """That of a turn, where models are asked in a chat template."""
  turn_id = 9
  query = query_of(0, ['2'], end_id=turn_id)
  ends = []

  def generate(model, params, prompts, layout, decoding, end, advance):
    ends.append(end.ids)
    return [Written((), ' 2')]

  monkeypatch.setattr(generating, 'generate', generate)
  (answer,) = task_of([query]).predictions(None, None, None, None)
  assert answer.is_correct
  assert ends == [(BYTES.eos_id, turn_id)]


def test_a_task_without_exact_match_is_refused(model_writes):
  model_writes(['2'])

  def length(targets, predictions):
    return {'length': len(predictions)}

  task = task_of([query_of(0, ['2'])], metric_fns=(length,))
  with pytest.raises(
    ValueError, match='are length; none is called exact_match'
  ):
    task.predictions(None, None, None, None)


def test_a_model_answers_a_registered_task(model, params, use_data, tmp_path):
  use_data()
  loaded = suite.load('turing_concepts', {'inputs': 400, 'targets': 20})
  (task,) = loaded.mixtures['turing_concepts'].values()
  few = suite.Suite(
    {
      'turing_concepts': {
        'turing_concepts_at_most_3': task_of(task.queries[:5])
      }
    }
  )
  summary = evaluate(model, params, few.mixtures, tmp_path)
  result = summary.mixtures['turing_concepts'].tasks[
    'turing_concepts_at_most_3'
  ]
  assert result.num_queries == 5
  made = results.read_predictions(tmp_path / result.predictions)
  prompts = [query.tokens for query in task.queries[:5]]
  layout = generating.plan(prompts, 6)
  written = generating.generate(
    model,
    params,
    prompts,
    layout,
    DECODING,
    End((1,), BYTES.decode),
  )
  assert [answer.written for answer in made] == [w.text for w in written]
  assert all(answer.origin and answer.answers for answer in made)
