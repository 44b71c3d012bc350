"""Tests of exact match."""

import pytest

from symbol_tuning.evaluation.generation import exact_match


@pytest.mark.parametrize(
  ('written', 'prediction'),
  [
    (' [1, 2]', '[1, 2]'),
    (' [1, 2] \n\nInput: [3]\nOutput: [4]', '[1, 2]'),
    ('', ''),
    ('\n[1]', ''),
  ],
)
def test_a_prediction_is_the_first_line(written, prediction):
  assert exact_match.first_line(written, is_target=False) == prediction


@pytest.mark.parametrize(
  ('pattern', 'written', 'prediction'),
  [
    (b"('.*?')", " '01'", "'01'"),
    ("('.*?')", "01\n\nIt is '01' or '10'.", "'01'"),
    ("('.*?')", " ''\n", "''"),
    ("('.*?')", ' 01', ''),
    (r'[-+]?\d+', ' eight, or 8 or 9', '8'),
    ('', ' a\nb', 'a'),
  ],
)
def test_a_prediction_is_what_the_regular_expression_finds_first(
  pattern, written, prediction
):
  example = {'answers': [b'x'], 'output_regex': pattern}
  assert exact_match.first_line(written, example) == prediction
  assert exact_match.first_line('x', example, is_target=True) == ('x',)


def test_a_target_is_every_accepted_answer():
  example = {'answers': [b'two', '2']}
  assert exact_match.first_line('two', example, is_target=True) == ('two', '2')


def test_any_accepted_answer_counts_and_only_the_whole_of_it():
  targets = [('[1, 2]',), ('two', '2'), ('',), ('[7]',)]
  predictions = ['[1, 2]', '2', '', '[7, 7]']
  assert exact_match.exact_match(targets, predictions) == {'exact_match': 75}
  assert exact_match.exact_match([('ab',)], ['a']) == {'exact_match': 0}


@pytest.mark.parametrize(
  ('targets', 'predictions', 'message'),
  [([], [], 'empty'), ([('a',)], [], '1 targets, but 0 predictions')],
)
def test_missing_predictions_are_an_error(targets, predictions, message):
  with pytest.raises(ValueError, match=message):
    exact_match.exact_match(targets, predictions)
