"""Tests of the reader of BIG-bench's task files, against files made here."""

import json

import gin
import pytest

from symbol_tuning.data.algorithmic import (
  bigbench,
  list_functions,
  turing_concepts,
)
from symbol_tuning.data.prompting.formats import FORMATS


@pytest.fixture
def folder(tmp_path):
  """Makes a folder like benchmark_tasks, with a file for each function."""
  for f in list_functions.LIST_FUNCTIONS:
    pairs = [([n, n + 1, n + 2], f.apply([n, n + 1, n + 2])) for n in range(7)]
    write(
      tmp_path / 'list_functions' / f.concept,
      examples=[{'input': str(x), 'target': str(y)} for x, y in pairs],
      task_prefix='Apply a function.',
    )
  return tmp_path


def write(path, **content):
  path.mkdir(parents=True, exist_ok=True)
  (path / 'task.json').write_text(json.dumps(content), encoding='utf-8')


def write_turing(folder, examples, **content):
  write(
    folder / bigbench.TURING_TASK,
    examples=examples,
    example_input_prefix='',
    example_output_prefix='',
    output_regex="('.*?')",
    **content,
  )


def test_a_task_is_read_with_its_prefixes(tmp_path):
  write(
    tmp_path,
    examples=[
      {'input': '[1]', 'target': ' [2]', 'comment': 'one'},
      {'input': '[3]', 'target': ['[4]', '[5]']},
    ],
    task_prefix='Add one.',
    example_input_prefix='\nIn: ',
  )
  task = bigbench.read_task(tmp_path)
  assert [e.targets for e in task.examples] == [('[2]',), ('[4]', '[5]')]
  assert task.zero_shot(task.examples[1]) == 'Add one.\nIn: [3]\nA:'
  assert task.output_regex == ''


def test_a_missing_file_says_what_the_folder_is_to_be(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'task\.json.*benchmark_tasks'):
    bigbench.read_task(tmp_path)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('{"examples": [', 'is not JSON'),
    ('[1, 2]', 'no "examples"'),
    ('{"name": "list_functions"}', 'folder of one of them'),
    ('{"examples": []}', 'no "examples"'),
    ('{"examples": [{"target": "x"}]}', 'example 0 has no text as "input"'),
    ('{"examples": [{"input": "x"}]}', 'example 0 has no text or list'),
    (
      '{"examples": [{"input": "x", "target": "y"},'
      ' {"input": "x", "target_scores": {"y": 1}}]}',
      'example 1 .* not multiple choice',
    ),
    ('{"examples": [{"input": "x", "target": [1]}]}', r'\[1\]'),
    (
      '{"examples": [{"input": "x", "target": "y"}], "output_regex": "("}',
      r"output_regex '\(' is no regular expression",
    ),
  ],
)
def test_other_files_are_refused_with_the_place(tmp_path, text, message):
  (tmp_path / 'task.json').write_text(text, encoding='utf-8')
  with pytest.raises(ValueError, match=message) as error:
    bigbench.read_task(tmp_path)
  assert str(tmp_path / 'task.json') in str(error.value)


def test_official_list_functions_are_asked_with_other_examples(folder):
  questions = bigbench.BigBench(str(folder)).list_functions('modify')
  assert len(questions) == 4 * 7
  first = questions[0]
  assert first.origin == 'reverse'
  form = next(f for f in FORMATS if first.query.endswith(f']{f.infix}'))
  assert first.query == f'{form.prefix}[0, 1, 2]{form.infix}'
  assert first.answers == ('[2, 1, 0]',)
  assert len(set(first.shots)) == 4
  assert not any(shot.startswith(first.query) for shot in first.shots)
  shown = {
    form.write(f'[{n}, {n + 1}, {n + 2}]', f'[{n + 2}, {n + 1}, {n}]')
    for n in range(1, 7)
  }
  assert set(first.shots) <= shown


@pytest.mark.parametrize('quote', ['', "'"])
def test_official_turing_questions_about_short_concepts_are_kept(
  tmp_path, quote
):
  def prompt(*pairs):
    return '\n'.join(
      f'Input: {quote}{bits}{quote}\nOutput: {quote}{output}{quote}'
      for bits, output in pairs
    )

  def example(query, target, *pairs):
    text = f'{prompt(*pairs)}\nInput: {quote}{query}{quote}\nOutput: '
    return {'input': text, 'target': f'{quote}{target}{quote}'}

  write_turing(
    tmp_path,
    [
      example('111', '1', ('01', '1'), ('0', ''), ('10', '0')),  # second bit
      example('0', '', ('01', '1'), ('11', '1'), ('10', '0')),
      example('111', '111', ('01', '01'), ('0', '0')),  # copy: four steps
    ],
  )
  questions = bigbench.BigBench(str(tmp_path)).turing_concepts()
  assert [q.origin for q in questions] == ['>o', '>o']
  assert [q.output_regex for q in questions] == ["('.*?')"] * 2
  assert questions[0].answers == (f'{quote}1{quote}',)
  assert questions[1].answers == (f'{quote}{quote}',)
  assert questions[0].query.startswith(f'Input: {quote}01{quote}\nOutput: ')
  assert questions[0].query.endswith(f'Input: {quote}111{quote}\nOutput:')


def test_our_turing_questions_are_recognized_as_official_ones(tmp_path):
  ours = turing_concepts.questions()
  examples = [
    {'input': '\n\n'.join([*q.shots, q.query]), 'target': q.answers[0]}
    for q in ours
  ]
  write_turing(tmp_path, examples)
  read = bigbench.BigBench(str(tmp_path)).turing_concepts()
  assert [q.origin for q in read] == [q.origin for q in ours]
  assert [q.answers for q in read] == [q.answers for q in ours]
  assert [q.output_regex for q in read] == [q.output_regex for q in ours]


def test_turing_questions_in_an_unknown_form_are_an_error(tmp_path):
  write_turing(tmp_path, [{'input': '10 -> 1, 11 ->', 'target': '110110'}])
  with pytest.raises(ValueError, match='none is about a concept'):
    bigbench.BigBench(str(tmp_path)).turing_concepts()


def test_the_folder_is_set_in_gin(folder):
  with pytest.raises(ValueError, match='No copy of BIG-bench'):
    bigbench.current()
  with gin.unlock_config():
    gin.parse_config(f"""
      from __gin__ import dynamic_registration
      from symbol_tuning.data.algorithmic import bigbench
      bigbench.BigBench.folder = '{folder}'
    """)
  try:
    assert bigbench.current() == bigbench.BigBench(str(folder))
  finally:
    gin.clear_config()
