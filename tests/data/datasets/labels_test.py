"""Tests that a stored label is read as the class that it means, or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data.datasets import catalog, labels
from symbol_tuning.data.datasets.spec import DatasetSpec


def spec(*names, **fields):
  return DatasetSpec(
    name='claims',
    template='{text}',
    labels=names,
    instruction='Judge the claim.',
    **fields,
  )


def read(dataset, values, **options):
  """The classes of the values of a column; None where there is no label."""
  stored = [labels.StoredLabel.of(value) for value in values]
  places = {label: f'file:{i}' for i, label in enumerate(stored, start=1)}
  ids = labels.LabelReader(dataset, **options).class_ids(places, 'label')
  return [ids.get(label) for label in stored]


SST2 = catalog.get('sst2')


@pytest.mark.parametrize(
  'spelling', [int, str, float, np.int64, lambda i: SST2.labels[i].upper()]
)
def test_labels_may_be_numbers_or_names(spelling):
  assert read(SST2, [spelling(i) for i in (0, 1, 1)]) == [0, 1, 1]


def test_truth_values_are_read_by_name():
  assert read(spec('true', 'false'), [True, False]) == [0, 1]
  assert read(spec('False', 'True'), [True, False]) == [1, 0]
  assert read(spec('true', 'false'), [np.True_, np.False_]) == [0, 1]


@pytest.mark.parametrize('names', [('yes', 'no'), ('bad', 'good')])
def test_truth_values_of_no_name_are_refused(names):
  with pytest.raises(ValueError, match=r'is true, but .*\(False, True\)'):
    read(spec(*names), [True, False])


def test_one_and_zero_are_no_ids_where_they_may_be_true_and_false():
  assert read(spec('false', 'true'), [1, 0]) == [1, 0]
  assert read(spec('true', 'false', 'mixed'), [0, 1, 2]) == [0, 1, 2]
  for values, is_typed in (([1, 0], True), (['1', '0'], False)):
    with pytest.raises(ValueError, match=r"by which '?1'? is 'false'"):
      read(spec('true', 'false'), values, is_typed=is_typed)
  assert read(spec('true', 'false', label_values=(1, 0)), [1, 0]) == [0, 1]


def test_truth_values_are_those_that_the_spec_declares():
  declared = spec('yes', 'no', label_values=(True, False))
  assert read(declared, [True, False]) == [0, 1]
  assert read(declared, ['False', 'True']) == [1, 0]
  assert read(declared, [1, 0]) == [0, 1]
  wic = catalog.get('wic')
  assert read(wic, [True, False]) == [1, 0]
  assert read(wic, [0, 1]) == [0, 1]


def test_names_made_of_digits_are_names_where_all_values_are():
  assert read(spec('1', '0'), ['1', '0']) == [0, 1]
  stars = spec('1', '2', '3', '4', '5')
  assert read(stars, [1, 2, 3, 4, 5]) == [0, 1, 2, 3, 4]
  assert read(stars, ['5', '4', '3', '2', '1']) == [4, 3, 2, 1, 0]
  assert read(stars, ['1', '2', '5'], is_typed=False) == [0, 1, 4]


def test_numbers_are_ids_where_not_all_of_them_are_names():
  stars = spec('1', '2', '3', '4', '5')
  assert read(stars, [0, 1, 2, 3, 4]) == [0, 1, 2, 3, 4]
  assert read(stars, list('01234'), is_typed=False) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
  'values, is_typed', [((1, 0), True), (('1', '0'), False), ((1.0, 0), True)]
)
def test_numbers_that_may_be_names_or_ids_are_refused(values, is_typed):
  message = r"file:1: label holds '?1'?, '?0'?: .*numbers of classes.* is '0'"
  with pytest.raises(ValueError, match=message):
    read(spec('1', '0'), values, is_typed=is_typed)


def test_declared_values_settle_what_numbers_are():
  assert read(spec('1', '0', label_values=(1, 0)), [1, 0]) == [0, 1]
  stars = spec('1', '2', '3', label_values=(0, 1, 2))
  assert read(stars, [1, 2]) == [1, 2]


def test_digits_that_are_names_and_ids_of_the_same_classes_are_clear():
  assert read(spec('0', '1', '2'), [2, 1, 0]) == [2, 1, 0]


def test_declared_values_may_count_from_one():
  overruling = catalog.get('or')
  assert read(overruling, [1, 2]) == [0, 1]
  assert read(overruling, ['2', '1'], is_typed=False) == [1, 0]
  with pytest.raises(ValueError, match='file:1: label is 0'):
    read(overruling, [0, 1, 2])


def test_declared_names_are_read_and_ids_all_the_same():
  rt = catalog.get('rt')
  assert read(rt, ['pos', 'neg']) == [1, 0]
  assert read(rt, ['positive', 'negative']) == [1, 0]
  assert read(rt, [1, 0]) == [1, 0]


def test_words_of_a_name_may_be_joined_in_any_way():
  rte = catalog.get('rte')
  assert read(rte, ['not_entailment', 'entailment']) == [1, 0]
  assert read(rte, ['Not-Entailment', 'ENTAILMENT ']) == [1, 0]
  assert read(catalog.get('copa'), ['choice2', 'choice1']) == [1, 0]


def test_names_that_differ_in_signs_only_stay_apart():
  assert read(spec('c', 'c++', 'c#'), ['c#', 'c++', 'c']) == [2, 1, 0]
  assert read(spec('1', '-1'), ['-1', '1']) == [1, 0]
  assert read(spec('a b', 'ab'), ['ab', 'a b']) == [1, 0]


@pytest.mark.parametrize('stored', ['log_in', 'log-in', 'Log_In'])
@pytest.mark.parametrize(
  'dataset',
  [
    spec('log in', 'login', 'sign up'),
    spec('a', 'b', 'c', label_values=('log in', 'login', 'sign up')),
  ],
)
def test_words_are_joined_only_where_that_tells_the_label(dataset, stored):
  assert read(dataset, ['log in', 'login', 'sign_up']) == [0, 1, 2]
  with pytest.raises(
    ValueError, match=r'file:2: label is .log.in., but claims'
  ):
    read(dataset, ['log in', stored])


def test_minus_one_is_no_label_unless_it_is_one():
  assert read(SST2, [0, -1, 1]) == [0, None, 1]
  assert read(SST2, ['negative', '-1', -1]) == [0, None, None]
  assert read(spec('-1', '0', '1'), [-1, 0, 1]) == [0, 1, 2]
  polar = spec('bad', 'good', label_values=(-1, 1))
  assert read(polar, [-1, 1]) == [0, 1]


def test_names_and_ids_in_one_column_are_read_where_they_are_clear():
  assert read(SST2, ['negative', 1, 0]) == [0, 1, 0]
  grades = spec('1', '0', 'high')
  assert read(grades, [0, 1, 'high']) == [1, 0, 2]
  with pytest.raises(ValueError, match="file:2: label holds 2, 0, 'high'"):
    read(grades, [2, 0, 'high'])


def test_an_unknown_value_is_named_with_what_is_known():
  message = (
    "file:2: label is 'neg', but sst2 has the labels negative, positive,"
    ' stored as such or as 0, 1. If they are stored otherwise, write how into'
    " DatasetSpec.label_values, in the order of the labels, as in ('neg', …)."
  )
  with pytest.raises(ValueError) as error:
    read(SST2, ['positive', 'neg'])
  assert str(error.value) == message
  with pytest.raises(ValueError, match=r'file:1: label is 0\.5'):
    read(SST2, [0.5])


@given(st.permutations(['0', '1', '2', '3']), st.booleans(), st.booleans())
def test_digit_names_are_never_taken_for_other_classes(names, as_text, typed):
  """Each order of names either is read by name, or refused."""
  dataset = spec(*names)
  values = names if as_text or not typed else [int(name) for name in names]
  try:
    assert read(dataset, values, is_typed=typed) == [0, 1, 2, 3]
  except ValueError:
    assert names != sorted(names) and not (as_text and typed)


@pytest.mark.parametrize(
  'value', [['a'], {'a': 1}, float('inf'), b'positive', object()]
)
def test_what_can_be_no_label_is_refused(value):
  with pytest.raises(ValueError, match='is no text, number or truth value'):
    labels.StoredLabel.of(value)
