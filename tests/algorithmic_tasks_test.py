"""Tests of the algorithmic tasks and mixtures, as they are registered."""

import numpy as np
import pytest
import seqio

from symbol_tuning.data.algorithmic import list_functions
from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.evaluation.generation import exact_match
from symbol_tuning.tasks import algorithmic

LENGTHS = {'inputs': 1024, 'targets': 64}


@pytest.mark.parametrize('category', list_functions.CATEGORIES)
def test_list_function_tasks_ask_all_questions_of_a_category(
  use_data, category
):
  use_data()
  name = f'list_functions_{category}'
  examples = mixing.evaluation_examples(name, LENGTHS)
  questions = list_functions.questions(category)
  assert len(examples) == len(questions) == 4 * 32
  for example, question in zip(examples, questions, strict=True):
    prompt = '\n\n'.join([*question.shots, question.query])
    assert example['inputs_pretokenized'].decode() == prompt
    assert prompt.count('\n\n') == 4
    assert example['origin'].decode() == question.origin
    assert example['targets'].dtype == np.int32


def test_the_turing_task_asks_85_questions(use_data):
  use_data()
  (task,) = mixing.available_tasks('turing_concepts')
  examples = mixing.evaluation_examples(task.name, LENGTHS)
  assert len(examples) == 17 * 5
  assert len({e['inputs_pretokenized'] for e in examples}) == 17 * 5


@pytest.mark.parametrize('prefix', ['', 'bigbench_'])
def test_mixtures_hold_the_algorithmic_tasks(prefix):
  names = {
    task.name
    for mixture in ('list_functions', 'turing_concepts')
    for task in mixing.get_mixture_or_task(prefix + mixture).tasks
  }
  assert names == {
    *(f'{prefix}list_functions_{c}' for c in list_functions.CATEGORIES),
    f'{prefix}turing_concepts_at_most_3',
  }


def test_official_tasks_say_what_they_miss(use_data):
  use_data()
  for task in mixing.available_tasks('bigbench_list_functions'):
    with pytest.raises(ValueError, match=r'bigbench\.BigBench\.folder'):
      mixing.evaluation_examples(task.name, LENGTHS)
  with pytest.raises(ValueError, match=r'bigbench\.BigBench\.folder'):
    algorithmic.official_turing_concepts()


def test_tasks_score_generated_text_by_exact_match(use_data):
  use_data()
  task = seqio.TaskRegistry.get('list_functions_remove')
  assert task.predict_metric_fns == [exact_match.exact_match]
  examples = mixing.evaluation_examples(task.name, LENGTHS)
  targets = [
    task.postprocess_fn('', example=e, is_target=True) for e in examples
  ]
  written = [
    task.postprocess_fn(
      e['targets_pretokenized'].decode() + '\n\nInput: [1]',
      example=e,
      is_target=False,
    )
    for e in examples
  ]
  (metric,) = task.predict_metric_fns
  assert metric(targets, written) == {'exact_match': 100}
  assert metric(targets, ['[-1]'] * len(written)) == {'exact_match': 0}
