"""Tests that rows become the texts and classes that they say."""

import dataclasses
import decimal
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data.datasets import catalog, pools

SST2 = catalog.get('sst2')
REVIEWS = [
  {'sentence': 'a dull film', 'label': 0},
  {'sentence': 'a warm film', 'label': 1},
  {'sentence': 'a bright film', 'label': 1},
]


def build(rows, spec=SST2, **options):
  numbered = ((f'rows:{i}', row) for i, row in enumerate(rows, start=1))
  return pools.build_pool(pools.StoredRows('rows', numbered, **options), spec)


def test_rows_become_texts_and_class_ids():
  assert build(REVIEWS) == pools.Pool(
    texts=('a dull film', 'a warm film', 'a bright film'),
    labels=(0, 1, 1),
    num_classes=2,
  )


def test_the_template_joins_several_columns():
  rows = [
    {'goal': 'boil  an egg\n', 'sol1': 'ice', 'sol2': 'heat', 'label': i}
    for i in (0, 1)
  ]
  built = build(rows, catalog.get('piqa'))
  assert built.texts[0] == (
    'Goal: boil an egg\nSolution 1: ice\nSolution 2: heat'
  )


def test_empty_columns_leave_no_blank_lines():
  spec = dataclasses.replace(SST2, template='{title}\n{body}\n{end}')
  rows = [
    {'title': 'a', 'body': ' ', 'end': 'b', 'label': 0},
    {'title': '', 'body': 'c', 'end': '', 'label': 1},
  ]
  assert build(rows, spec).texts == ('a\nb', 'c')


@given(st.text(alphabet='a \n\r\t\x0b\u2028', max_size=12))
def test_a_text_never_holds_the_separator_of_examples(middle):
  rows = [{'sentence': f'a{middle}b', 'label': i} for i in (0, 1)]
  (line,) = build(rows).texts[0].splitlines()
  assert line.split() == f'a{middle}b'.split()


@pytest.mark.parametrize(
  'value, text',
  [
    (7, '7'),
    (1.5, '1.5'),
    (np.int64(7), '7'),
    (decimal.Decimal('1.50'), '1.50'),
    ('caf\u00e9', 'caf\u00e9'),
    ('caf\u00e9'.encode(), 'caf\u00e9'),
    ('nan', 'nan'),
  ],
)
def test_a_text_column_takes_text_and_numbers(value, text):
  rows = [*REVIEWS, {'sentence': value, 'label': 1}]
  assert build(rows).texts[-1] == text


@pytest.mark.parametrize(
  'value, message',
  [
    (True, 'rows:4: sentence is True, a bool; a text column holds text'),
    (['a film'], r"rows:4: sentence is \['a film'\], a list"),
    ({'a': 'film'}, r"rows:4: sentence is \{'a': 'film'\}, a dict"),
    (math.inf, 'rows:4: sentence is inf, a float'),
    (b'caf\xe9', 'rows:4: sentence holds bytes that are not UTF-8'),
    ('\ud83d', 'rows:4: sentence: the text has half of a character'),
    (None, 'rows:4: no value in column sentence; the row has label'),
    (math.nan, 'rows:4: no value in column sentence; the row has label'),
    (np.float32('nan'), 'rows:4: no value in column sentence'),
    (decimal.Decimal('nan'), 'rows:4: no value in column sentence'),
  ],
)
def test_what_is_no_text_is_refused_with_its_place(value, message):
  with pytest.raises(ValueError, match=message):
    build([*REVIEWS, {'sentence': value, 'label': 1}])


@pytest.mark.parametrize(
  'label, message',
  [
    (None, 'rows:4: no value in column label; the row has sentence'),
    (math.nan, 'rows:4: no value in column label'),
    (' ', 'rows:4: no value in column label'),
    ([1], r'rows:4: label is \[1\], which is no text, number or truth value'),
    ('so-so', "rows:4: label is 'so-so', but sst2 has the labels negative, p"),
  ],
)
def test_what_is_no_label_is_refused_with_its_place(label, message):
  with pytest.raises(ValueError, match=message):
    build([*REVIEWS, {'sentence': 'a film', 'label': label}])


def test_a_missing_column_is_named():
  with pytest.raises(ValueError, match=r'rows:1: .*column sentence.*has text'):
    build([{'text': 'a film', 'label': 1}])


def test_columns_may_be_called_otherwise_than_in_the_spec():
  rows = [{'phrase': 'dull', 'y': 0}, {'phrase': 'warm', 'y': 1}]
  columns = {'sentence': 'phrase', 'label': 'y'}
  built = build(rows, columns=columns)
  assert built.texts == ('dull', 'warm')
  assert built.labels == (0, 1)


def test_rows_that_are_no_plain_examples_are_counted(caplog):
  rows = [
    {'sentence': 'a film', 'label': -1},
    *REVIEWS,
    {'sentence': ' ', 'label': 1},
    {'sentence': 'a  dull film', 'label': 0},
    {'sentence': 'a warm film', 'label': 0},
  ]
  with caplog.at_level('WARNING', logger='absl'):
    built = build(rows)
  assert len(built) == 5 and built.texts[3:] == ('a dull film', 'a warm film')
  assert (
    'rows: of 7 rows, 1 skipped without a label, 1 skipped without text, 2'
    ' repeat the text of another row, 1 texts have several labels.'
  ) in caplog.text


@pytest.mark.parametrize('text', ['NA', '<NA>', 'NULL', 'null', 'None'])
def test_texts_that_may_stand_for_none_are_kept_and_counted(caplog, text):
  spec = dataclasses.replace(SST2, template='{sentence} {more}')
  columns = {'more': 'rest'}
  rows = [
    {'sentence': text, 'rest': 'ends', 'label': 'negative', 'id': 'x'},
    {'sentence': 'A film', 'rest': text, 'label': 'positive', 'id': 'x'},
    {'sentence': f'{text} of it', 'rest': '', 'label': 'positive', 'id': text},
  ]
  with caplog.at_level('WARNING', logger='absl'):
    built = build(rows, spec, columns=columns, is_typed=False)
    assert 'of 3 rows, 2 hold NA, NULL or the like, which is' in caplog.text
    caplog.clear()
    # JSON and Parquet have a null of their own.
    assert built == build(rows, spec, columns=columns)
  assert built.texts[:2] == (f'{text} ends', f'A film {text}')
  assert not caplog.records


def test_nothing_is_said_of_plain_rows(caplog):
  with caplog.at_level('WARNING', logger='absl'):
    build(REVIEWS)
  assert not caplog.records


def test_a_class_without_examples_is_named():
  with pytest.raises(ValueError, match="no examples of 'negative'"):
    build(REVIEWS[1:])
