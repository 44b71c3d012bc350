"""Tests of the symbol inventories."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data.prompting import symbols

TUNING = symbols.inventory('tuning')
EVALUATION = symbols.inventory('evaluation')


def letter_number(numeral: str) -> int:
  """The inverse of `symbols.letter_string`."""
  number = 0
  for letter in numeral:
    number = 26 * number + ord(letter) - ord('a') + 1
  return number


@given(st.integers(1, 10**12))
def test_letter_string_is_a_numeral_of_its_number(number):
  assert letter_number(symbols.letter_string(number)) == number


@given(st.text('abcdefghijklmnopqrstuvwxyz', min_size=1, max_size=8))
def test_every_string_of_letters_is_a_letter_string(numeral):
  assert symbols.letter_string(letter_number(numeral)) == numeral


def test_letter_strings_follow_one_another():
  assert [symbols.letter_string(n) for n in (1, 26, 27, 52, 702, 703)] == [
    'a', 'z', 'aa', 'az', 'zz', 'aaa',
  ]  # fmt: skip


def test_letter_string_rejects_numbers_without_a_numeral():
  with pytest.raises(ValueError, match='not from 0'):
    symbols.letter_string(0)


def test_integers_and_letters_are_the_ranges_of_the_paper():
  assert TUNING['integers'] == tuple(map(str, range(10_000)))
  assert EVALUATION['integers'] == tuple(map(str, range(10_000, 100_000)))
  numbers = [letter_number(s) for s in TUNING['letters']]
  assert numbers == list(range(1, 10_001))
  numbers = [letter_number(s) for s in EVALUATION['letters']]
  assert numbers == list(range(10_001, 100_001))


def test_words_are_lower_case_english_with_the_frequent_ones_for_tuning():
  for word in TUNING['words'] + EVALUATION['words']:
    assert word.isascii() and word.isalpha() and word.islower()
  assert {'people', 'house', 'music'} <= set(TUNING['words'])
  assert {'beverage', 'technician', 'beads'} <= set(EVALUATION['words'])


@pytest.mark.parametrize(
  'inventory, size', [(TUNING, 10_000), (EVALUATION, 90_000)]
)
def test_every_category_has_its_size(inventory, size):
  assert {name: len(group) for name, group in inventory.items()} == {
    'integers': size,
    'letters': size,
    'words': size,
  }


def test_no_two_symbols_are_equal_within_or_across_splits():
  groups = (*TUNING.values(), *EVALUATION.values())
  everything = list(itertools.chain.from_iterable(groups))
  assert len(everything) == len(set(everything)) == 300_000


def test_inventories_are_the_same_on_every_machine():
  assert symbols.fingerprint(TUNING) == (
    'e54c3f69b0bf989ed3e0955a493c6c77b46687ce9488ae9f751f371752a9a9ae'
  )
  assert symbols.fingerprint(EVALUATION) == (
    '0206e8e6e7cd7a5eabb114d00b45dfd751f9ebd5d8297f95865ba750fa3e2a21'
  )


def test_fingerprint_tells_inventories_apart():
  other = TUNING | {'letters': TUNING['letters'][::-1]}
  assert symbols.fingerprint(other) != symbols.fingerprint(TUNING)


@settings(max_examples=4, deadline=None)
@given(
  st.sets(
    st.sampled_from(
      TUNING['letters'] + EVALUATION['words'] + TUNING['integers']
    ),
    min_size=1,
    max_size=50,
  )
)
def test_reserved_strings_are_replaced_by_later_symbols(reserved):
  splits = [
    symbols.inventory(split, reserved={word.upper() for word in reserved})
    for split in ('tuning', 'evaluation')
  ]
  groups = [group for split in splits for group in split.values()]
  everything = set(itertools.chain.from_iterable(groups))
  assert len(everything) == sum(map(len, groups)) == 300_000
  assert not everything & reserved


def test_only_the_categories_asked_for_are_given():
  assert list(symbols.inventory('tuning', ('words',))) == ['words']


def test_unknown_split_and_category_are_named():
  with pytest.raises(ValueError, match="'test' is none of tuning, evaluation"):
    symbols.inventory('test')
  with pytest.raises(ValueError, match=r"\['colours'\] are unknown"):
    symbols.inventory('tuning', ('words', 'colours'))
