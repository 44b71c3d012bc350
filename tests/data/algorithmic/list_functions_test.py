"""Tests of the list functions: hand-written cases, and how they are asked."""

import ast
import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data.algorithmic import list_functions
from symbol_tuning.data.prompting import formats

BY_NAME = {f.name: f for f in list_functions.LIST_FUNCTIONS}

CASES = {
  'remove_first': [([5, 3, 9], [3, 9]), ([4, 4, 4], [4, 4]), ([8], []),
                   ([], [])],
  'remove_last': [([5, 3, 9], [5, 3]), ([4, 4, 4], [4, 4]), ([8], []),
                  ([], [])],
  'remove_first_two': [([5, 3, 9, 1], [9, 1]), ([2, 2, 2], [2]), ([7, 6], []),
                       ([7], []), ([], [])],
  'remove_ends': [([5, 3, 9, 1], [3, 9]), ([2, 2, 2], [2]), ([7, 6], []),
                  ([7], []), ([], [])],
  'keep_first': [([5, 3, 9], [5]), ([4, 4], [4]), ([8], [8]), ([], [])],
  'keep_last': [([5, 3, 9], [9]), ([4, 4], [4]), ([8], [8]), ([], [])],
  'keep_all': [([5, 3, 9], [5, 3, 9]), ([4, 4], [4, 4]), ([], [])],
  'keep_first_two': [([5, 3, 9], [5, 3]), ([4, 4, 4], [4, 4]), ([8], [8]),
                     ([], [])],
  'prepend_7': [([5, 3], [7, 5, 3]), ([7, 7], [7, 7, 7]), ([], [7])],
  'append_3': [([5, 9], [5, 9, 3]), ([3, 3], [3, 3, 3]), ([], [3])],
  'prepend_98_append_37': [([5, 9], [98, 5, 9, 37]), ([37], [98, 37, 37]),
                           ([], [98, 37])],
  'prepend_five_numbers': [([5, 9], [92, 63, 34, 18, 55, 5, 9]),
                           ([92], [92, 63, 34, 18, 55, 92]),
                           ([], [92, 63, 34, 18, 55])],
  'reverse': [([5, 3, 9], [9, 3, 5]), ([1, 1, 2], [2, 1, 1]), ([8], [8]),
              ([], [])],
  'move_first_to_end': [([5, 3, 9], [3, 9, 5]), ([4, 4, 1], [4, 1, 4]),
                        ([8], [8]), ([], [])],
  'swap_second_and_third': [([5, 3, 9, 1], [5, 9, 3, 1]),
                            ([6, 6, 2], [6, 2, 6]), ([5, 3], [5, 3]),
                            ([5], [5]), ([], [])],
  'replace_second_by_8': [([5, 3, 9], [5, 8, 9]), ([3, 3, 3], [3, 8, 3]),
                          ([5], [5]), ([], [])],
  'one_number': [([5, 3], [9]), ([9, 9], [9]), ([], [9])],
  'two_numbers': [([5, 3, 9], [5, 2]), ([2], [5, 2]), ([], [5, 2])],
  'five_numbers': [([5], [18, 42, 77, 20, 36]), ([], [18, 42, 77, 20, 36])],
  'ten_numbers': [([5, 5], [81, 99, 41, 23, 22, 75, 68, 30, 24, 69]),
                  ([], [81, 99, 41, 23, 22, 75, 68, 30, 24, 69])],
}  # fmt: skip


@pytest.mark.parametrize('name', BY_NAME)
def test_functions_do_what_their_names_say(name):
  for numbers, output in CASES[name]:
    given_numbers = list(numbers)
    assert BY_NAME[name].apply(given_numbers) == output
    assert given_numbers == numbers


def test_there_are_four_functions_in_each_of_five_categories():
  sizes = [
    len(list_functions.functions(category))
    for category in list_functions.CATEGORIES
  ]
  assert sizes == [4] * 5
  assert len({f.concept for f in list_functions.LIST_FUNCTIONS}) == 20


def test_an_unknown_category_is_named_with_the_known_ones():
  with pytest.raises(ValueError, match=r"'sort'; there are remove, keep, add"):
    list_functions.functions('sort')


functions = st.sampled_from(list_functions.LIST_FUNCTIONS)
seeds = st.integers(0, 2**31)


@settings(max_examples=60, deadline=None)
@given(functions, seeds)
def test_examples_are_distinct_and_in_the_range_of_the_original(f, seed):
  examples = list_functions.examples(f, 32, seed)
  assert examples == list_functions.examples(f, 32, seed)
  assert len({str(numbers) for numbers, _ in examples}) == 32
  for numbers, output in examples:
    assert f.shortest <= len(numbers) <= 10
    assert all(0 <= number <= f.largest_number for number in numbers)
    assert output == f.apply(numbers)


def test_inputs_have_the_range_of_the_original():
  """The shortest inputs are those of the examples in Rule's files."""
  ranges = {n: (f.largest_number, f.shortest) for n, f in BY_NAME.items()}
  assert ranges == {
    'remove_first': (9, 1), 'remove_last': (9, 1), 'remove_first_two': (9, 2),
    'remove_ends': (9, 2), 'keep_all': (9, 0), 'keep_first': (9, 2),
    'keep_last': (9, 2), 'keep_first_two': (9, 3), 'prepend_7': (9, 0),
    'append_3': (9, 0), 'prepend_98_append_37': (99, 0),
    'prepend_five_numbers': (99, 0), 'reverse': (99, 2),
    'move_first_to_end': (9, 2), 'swap_second_and_third': (99, 3),
    'replace_second_by_8': (9, 2), 'one_number': (9, 0),
    'two_numbers': (9, 0), 'five_numbers': (99, 0), 'ten_numbers': (99, 0),
  }  # fmt: skip
  drawn = list_functions.examples(BY_NAME['append_3'], 300)
  assert {n for numbers, _ in drawn for n in numbers} == set(range(10))
  assert {len(numbers) for numbers, _ in drawn} == set(range(11))


def test_the_identity_is_asked_for():
  assert BY_NAME['keep_all'].concept == 'c045'
  for numbers, output in list_functions.examples(BY_NAME['keep_all']):
    assert output == numbers


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(list_functions.CATEGORIES), st.integers(0, 6), seeds)
def test_questions_show_other_examples_of_the_same_function(
  category, num_shots, seed
):
  questions = list_functions.questions(category, num_shots, 12, seed)
  assert questions == list_functions.questions(category, num_shots, 12, seed)
  assert len(questions) == 4 * 12
  for question in questions:
    f = BY_NAME[question.origin]
    assert f.category == category
    form = format_of(question)
    query = parse(question.query + ' []', form)[0]
    assert question.answers == (str(f.apply(query)),)
    shown = [parse(shot, form) for shot in question.shots]
    assert len({str(numbers) for numbers, _ in shown}) == num_shots
    assert query not in [numbers for numbers, _ in shown]
    assert all(output == f.apply(numbers) for numbers, output in shown)


def format_of(question):
  (form,) = [
    form
    for form in formats.FORMATS
    if question.query.endswith(f']{form.infix}')
    and question.query.startswith(f'{form.prefix}[')
  ]
  return form


def parse(shot, form):
  numbers, output = shot.removeprefix(form.prefix).split(f'{form.infix} ')
  return ast.literal_eval(numbers), ast.literal_eval(output)


def test_questions_are_written_in_all_formats_by_their_seed():
  questions = list_functions.questions('add')
  counts = collections.Counter(map(format_of, questions))
  assert counts.keys() == set(formats.FORMATS)
  assert max(counts.values()) < 30


def test_two_seeds_ask_different_questions():
  assert list_functions.questions('add', seed=0) != (
    list_functions.questions('add', seed=1)
  )
