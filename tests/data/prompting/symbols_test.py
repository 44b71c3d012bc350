"""Tests of the symbol inventories."""

import itertools
import random

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
    number = 26 * number + ord(letter) - ord('A') + 1
  return number


@given(st.integers(1, 10**12))
def test_letter_string_is_a_numeral_of_its_number(number):
  assert letter_number(symbols.letter_string(number)) == number


@given(st.text('ABCDEFGHIJKLMNOPQRSTUVWXYZ', min_size=1, max_size=8))
def test_every_string_of_letters_is_a_letter_string(numeral):
  assert symbols.letter_string(letter_number(numeral)) == numeral


def test_letter_strings_follow_one_another():
  assert [symbols.letter_string(n) for n in (1, 26, 27, 52, 702, 703)] == [
    'A', 'Z', 'AA', 'AZ', 'ZZ', 'AAA',
  ]  # fmt: skip


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
  sizes = {name: len(group) for name, group in inventory.items()}
  assert sizes == dict.fromkeys(symbols.CATEGORIES, size)


def test_no_two_symbols_are_equal_within_or_across_splits():
  groups = (*TUNING.values(), *EVALUATION.values())
  everything = list(itertools.chain.from_iterable(groups))
  assert len(everything) == len(set(everything)) == 300_000


def test_inventories_are_the_same_on_every_machine():
  assert TUNING['letters'][-1] == 'NTP'
  assert EVALUATION['letters'][0] == 'NTQ'
  assert EVALUATION['letters'][-1] == 'EQXD'
  assert TUNING['words'][:5] == ('the', 'to', 'and', 'of', 'a')
  assert TUNING['words'][-1] == 'alison'
  assert EVALUATION['words'][0] == 'amusing'
  assert EVALUATION['words'][-1] == 'secondo'


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
  assert not {symbol.lower() for symbol in everything} & {
    word.lower() for word in reserved
  }


def test_only_the_categories_asked_for_are_given():
  assert list(symbols.inventory('tuning', ('words',))) == ['words']


def test_the_category_is_drawn_for_each_symbol():
  table = symbols.SymbolTable(TUNING)
  drawn = table.draw(random.Random(1), 3_000)
  counts = dict.fromkeys(symbols.CATEGORIES, 0)
  for symbol in drawn:
    assert symbol.text in TUNING[symbol.category]
    counts[symbol.category] += 1
  assert all(900 < count < 1_100 for count in counts.values())
  prompts = [table.draw(random.Random(seed), 3) for seed in range(100)]
  assert any(len({one.category for one in three}) == 3 for three in prompts)


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_symbols_of_a_prompt_differ_in_more_than_case(rng, count):
  table = symbols.SymbolTable(
    {'letters': ('A', 'B', 'WAS'), 'words': ('was', 'b', 'so', 'it', 'up')}
  )
  drawn = table.draw(rng, count)
  assert len({symbol.text.lower() for symbol in drawn}) == count


def test_a_seed_draws_the_same_symbols_and_fewer_are_the_first_of_more():
  table = symbols.SymbolTable(EVALUATION)
  six = table.draw(random.Random(7), 6)
  assert table.draw(random.Random(7), 6) == six
  assert table.draw(random.Random(7), 2) == six[:2]
  assert table.draw(random.Random(8), 6) != six


def test_more_symbols_than_there_are_is_refused():
  table = symbols.SymbolTable({'letters': ('A', 'IT'), 'words': ('it',)})
  with pytest.raises(ValueError, match=r'3 classes need 3 .* there are 2'):
    table.draw(random.Random(0), 3)


def test_fewer_symbols_are_chosen_from_the_more_and_keep_their_order():
  hundred, ten = (symbols.choose(TUNING, {'nt'}, most) for most in (100, 10))
  for category, group in TUNING.items():
    assert len(hundred[category]) == 100 and len(ten[category]) == 10
    assert set(ten[category]) < set(hundred[category]) < set(group)
    assert sorted(ten[category], key=group.index) == ten[category]
  assert 'NT' not in symbols.choose(TUNING, {'nt'}, None)['letters']


def test_two_files_of_words_take_the_place_of_the_frequent_ones(tmp_path):
  tuning, evaluation = tmp_path / 'short.txt', tmp_path / 'long.txt'
  tuning.write_bytes('\ufeffthe\r\nhate\r\n\r\nriver\r\nthe\r\n'.encode())
  evaluation.write_text('The\nriver\nharbor\nUSA\n')
  files = (str(tuning), str(evaluation))
  expected = {'tuning': ('the', 'river'), 'evaluation': ('harbor', 'USA')}
  for split, words in expected.items():
    found = symbols.inventory(split, reserved={'Hate'}, word_files=files)
    assert found['words'] == words
    assert found['letters'] == symbols.inventory(split)['letters']


def test_integers_and_letters_of_tuning_are_no_words_of_evaluation(tmp_path):
  files = (tmp_path / 'short.txt', tmp_path / 'long.txt')
  files[0].write_text('river\n')
  files[1].write_text('17\nCIA\ncia\n')
  found = symbols.inventory('evaluation', word_files=tuple(map(str, files)))
  assert found['words'] == ('cia',)


def test_a_category_of_natural_labels_alone_is_refused():
  with pytest.raises(ValueError, match=r"category 'words'.* none is left"):
    symbols.choose({'words': ['Praise']}, {'praise'}, None)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'one\ntwo words\n', r"words\.txt:2: 'two words' is no word"),
    (b'one\n', 'no word is left for evaluation'),
    (b'caf\xe9\n', r'words\.txt: words must be UTF-8'),
  ],
)
def test_a_file_that_is_no_list_of_words_is_named(tmp_path, content, message):
  files = (str(tmp_path / 'words.txt'),) * 2
  with pytest.raises(FileNotFoundError, match=r'words\.txt'):
    symbols.inventory('evaluation', word_files=files)
  (tmp_path / 'words.txt').write_bytes(content)
  with pytest.raises(ValueError, match=message):
    symbols.inventory('evaluation', word_files=files)
