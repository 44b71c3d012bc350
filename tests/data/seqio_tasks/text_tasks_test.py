"""Tests of the tasks that are answered with text, as SeqIO loads them."""

import pytest
import seqio

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.seqio_tasks import mixing, text_tasks
from symbol_tuning.data.seqio_tasks.text_tasks import Question

LENGTHS = {'inputs': 1024, 'targets': 64}


def test_pairs_are_written_in_a_format():
  question = text_tasks.ask(
    FORMATS[0], [('a', 'b'), ('c', '')], 'd', ['e', 'f'], 'origin'
  )
  assert question == Question(
    shots=('Input: a\nOutput: b', 'Input: c\nOutput:'),
    query='Input: d\nOutput:',
    answers=('e', 'f'),
    origin='origin',
  )


def test_pairs_with_the_same_input_as_the_query_are_not_shown():
  pairs = [('a', '1'), ('a', '1'), ('b', '2'), ('c', '3')]
  question = text_tasks.few_shot_questions(pairs, 2, seed=0, origin='f')[0]
  assert set(question.shots) in [
    {form.write('b', '2'), form.write('c', '3')} for form in FORMATS
  ]
  with pytest.raises(ValueError, match="f: 2 pairs beside the input 'a'"):
    text_tasks.few_shot_questions(pairs, 3, seed=0, origin='f')


@pytest.fixture
def add_task():
  """Registers a task of questions and takes it back after the test."""
  names = []

  def add(*questions):
    name = f'text_task_{len(names)}'
    text_tasks.add_text_task(name, lambda: questions)
    names.append(name)
    return name

  yield add
  for name in names:
    seqio.TaskRegistry.remove(name)


QUESTION = Question(
  ('S: 1\nT: 2', 'S: 3\nT: 4'), 'S: 5\nT:', ('6', 'six'), 'f', '[a-z]+|6'
)


@pytest.mark.parametrize('separator', ['eos', 'none'])
def test_features_are_tokens_texts_and_provenance(
  use_data, add_task, separator
):
  use_data(separator=separator)
  vocabulary = seqio.ByteVocabulary()
  name = add_task(QUESTION, Question((), 'Q', ('',), 'g'))
  first, second = mixing.evaluation_examples(name, LENGTHS)

  prompt = 'S: 1\nT: 2\n\nS: 3\nT: 4\n\nS: 5\nT:'
  end = [vocabulary.eos_id] if separator == 'eos' else []
  assert first['inputs'].tolist() == vocabulary.encode(prompt) + end
  assert first['targets'].tolist() == [
    *vocabulary.encode(' 6'),
    vocabulary.eos_id,
  ]
  assert first['inputs_pretokenized'].decode() == prompt
  assert first['targets_pretokenized'] == b' 6'
  assert first['answers'].tolist() == [b'6', b'six']
  assert (first['origin'], first['query_index']) == (b'f', 0)
  assert first['output_regex'] == b'[a-z]+|6'
  assert second['inputs_pretokenized'] == b'Q'
  assert second['targets'].tolist() == [vocabulary.eos_id]
  assert (second['origin'], second['query_index']) == (b'g', 1)
  assert second['output_regex'] == b''


def test_a_long_prompt_loses_its_last_shots(use_data, add_task):
  use_data()
  length = len('S: 1\nT: 2\n\nS: 5\nT:') + 1
  (example,) = mixing.evaluation_examples(
    add_task(QUESTION), {'inputs': length, 'targets': 8}
  )
  assert example['inputs_pretokenized'] == b'S: 1\nT: 2\n\nS: 5\nT:'
  assert len(example['inputs']) == length


@pytest.mark.parametrize(
  'lengths',
  [
    {'inputs': 6, 'targets': 8},
    # The query alone would fit, and could not be answered.
    {'inputs': len('S: 5\nT:') + 1, 'targets': 8},
    {'inputs': 90, 'targets': 2},
  ],
)
def test_a_question_that_cannot_fit_is_an_error(use_data, add_task, lengths):
  use_data()
  name = add_task(QUESTION)
  with pytest.raises(ValueError, match=f'^{name}: a question .*TASK_FEATURE'):
    mixing.evaluation_examples(name, lengths)
