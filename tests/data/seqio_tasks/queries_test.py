"""Questions read from the flat examples of SeqIO tasks."""

import numpy as np
import pytest

from symbol_tuning.data.seqio_tasks import flat_examples, mixing, queries

LENGTHS = {'inputs': 600, 'targets': 64}


def example(query, option, inputs=(7, 8), targets=(2, 1), is_correct=None):
  return {
    'idx': np.array([query, option]),
    'inputs': np.array(inputs, np.int64),
    'targets': np.array(targets, np.int64),
    'inputs_pretokenized': b'caf\xc3\xa9:',
    'targets_pretokenized': f' {option}'.encode(),
    'is_correct': option == 0 if is_correct is None else is_correct,
  }


def test_the_options_of_a_query_come_together_in_order():
  first, second = queries.grouped(
    [
      example(5, 1, targets=[3, 4, 1]),
      example(3, 0, inputs=[6]),
      example(5, 0),
    ]
  )
  assert (first.index, second.index) == (3, 5)
  assert second.text == 'café:'
  assert second.tokens.tolist() == [7, 8] and second.tokens.dtype == np.int32
  assert [o.text for o in second.options] == [' 0', ' 1']
  assert [o.tokens.tolist() for o in second.options] == [[2, 1], [3, 4, 1]]
  assert second.label == 0


@pytest.mark.parametrize(
  ('second', 'message'),
  [
    (example(3, 1, inputs=[]), 'Query 3, option 1, has no inputs'),
    (example(3, 1, targets=[]), 'Query 3, option 1, has no targets.*empty'),
    (example(3, 1, inputs=[5]), 'Query 3, option 1, stands after another'),
    (example(3, 2), r'Query 3 has the options \(0, 2\)'),
    (example(3, 0), r'Query 3 has the options \(0, 0\)'),
    (example(3, 1, is_correct=True), 'Query 3 has 2 correct options'),
  ],
)
def test_what_is_no_question_is_named(second, message):
  with pytest.raises(ValueError, match=message):
    queries.grouped([example(3, 0), second])


def test_flattened_queries_are_the_queries_again(use_data):
  use_data(evaluation_queries=3, evaluation_exemplars=1)
  task = mixing.get_mixture_or_task('icl_flipped_subj')
  loaded = queries.load(task, LENGTHS)
  assert len(loaded) == 3
  flat = [one for query in loaded for one in flat_examples.of_query(query)]
  for again, query in zip(queries.grouped(flat), loaded, strict=True):
    assert (again.index, again.text) == (query.index, query.text)
    assert again.tokens.tolist() == query.tokens.tolist()
    assert again.label == query.label
    assert [o.text for o in again.options] == [o.text for o in query.options]


def test_open_questions_have_all_accepted_answers(use_data):
  use_data()
  task = mixing.get_mixture_or_task('turing_concepts_at_most_3')
  first = queries.load_open(task, {'inputs': 400, 'targets': 30})[0]
  assert first.target.text.strip() == first.answers[0]
  assert first.origin and 0 < first.num_kept <= first.num_drawn
  flat = flat_examples.of_open_query(first)
  assert tuple(a.decode() for a in flat['answers']) == first.answers


def test_a_task_without_options_is_refused_by_name(use_data):
  use_data()
  task = mixing.get_mixture_or_task('turing_concepts_at_most_3')
  with pytest.raises(ValueError, match='at_most_3 have no feature idx'):
    queries.load(task, {})
