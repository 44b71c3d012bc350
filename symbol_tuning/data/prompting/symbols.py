"""The arbitrary symbols that stand for labels: integers, letters and words.

Three categories, each ranked from its plainest member on: 0, 1, 2, …; a, b, …,
z, aa, ab, …; English words by frequency. The first 10,000 of a category serve
tuning and the next 90,000 evaluation, so that a model is never evaluated on a
symbol it was tuned on (Wei et al., 2023, arXiv 2305.08298, section 2). Word
frequencies are those of the pinned `wordfreq` (Speer, 2022).

    inventory('tuning')['letters'][:3]  # ('a', 'b', 'c')
"""

import functools
import hashlib
import itertools
import string
from collections.abc import Collection, Iterator, Mapping

import wordfreq

CATEGORIES = ('integers', 'letters', 'words')

_RANKS = {'tuning': slice(0, 10_000), 'evaluation': slice(10_000, 100_000)}
_NUM_RANKED = 100_000


def inventory(
  split: str,
  categories: Collection[str] = CATEGORIES,
  reserved: Collection[str] = frozenset(),
) -> dict[str, tuple[str, ...]]:
  """The symbols of one split, by category; no two are equal.

  Args:
    split: `tuning` (10,000 a category) or `evaluation` (90,000).
    categories: which of `CATEGORIES` to give.
    reserved: strings that are no symbols, such as natural labels. Each is left
      out, whatever its case, and the symbols after it move up.

  Raises:
    ValueError: an unknown split or category.
  """
  if split not in _RANKS:
    raise ValueError(f'split {split!r} is none of {", ".join(_RANKS)}.')
  unknown = [name for name in categories if name not in CATEGORIES]
  if unknown:
    raise ValueError(
      f'categories {unknown} are unknown; choose from {", ".join(CATEGORIES)}.'
    )
  reserved = frozenset(word.lower() for word in reserved)
  return {name: _ranked(name, reserved)[_RANKS[split]] for name in categories}


def fingerprint(symbols: Mapping[str, tuple[str, ...]]) -> str:
  """The SHA-256 (hex) of an inventory: equal inventories, equal prints."""
  lines = (f'{name}: {" ".join(symbols[name])}\n' for name in sorted(symbols))
  return hashlib.sha256(''.join(lines).encode()).hexdigest()


def letter_string(number: int) -> str:
  """The bijective base-26 numeral of a positive integer: a, …, z, aa, ….

  Raises:
    ValueError: `number` is below 1, where there are no numerals.
  """
  if number < 1:
    raise ValueError(f'Letter strings count from 1, not from {number}.')
  letters = []
  while number:
    number, digit = divmod(number - 1, 26)
    letters.append(string.ascii_lowercase[digit])
  return ''.join(reversed(letters))


@functools.cache
def _ranked(category: str, reserved: frozenset[str]) -> tuple[str, ...]:
  """The symbols of both splits, in order of rank."""
  candidates = {
    'integers': _integers,
    'letters': _letters,
    'words': functools.partial(_words, reserved),
  }[category]()
  allowed = (symbol for symbol in candidates if symbol not in reserved)
  return tuple(itertools.islice(allowed, _NUM_RANKED))


def _integers() -> Iterator[str]:
  return map(str, itertools.count())


def _letters() -> Iterator[str]:
  return map(letter_string, itertools.count(1))


def _words(reserved: frozenset[str]) -> Iterator[str]:
  """English words of a–z by frequency, less those that are letter strings."""
  letter_strings = frozenset(_ranked('letters', reserved))
  for word in wordfreq.iter_wordlist('en', wordlist='large'):
    if word.isascii() and word.isalpha() and word not in letter_strings:
      yield word
