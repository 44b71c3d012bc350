"""The arbitrary symbols that stand for labels: integers, letters and words.

Three categories, each ranked from its plainest member on: 0, 1, 2, …; A, B, …,
Z, AA, AB, …; English words by frequency. The first 10,000 of a category serve
tuning and the next 90,000 evaluation, so that a model is never evaluated on a
symbol it was tuned on. Wei et al. (2023), arXiv 2305.08298, section 2, say so,
and their published generator (github.com/JerryWeiAI/symbol-tuning) draws the
category anew for each label. Its two lists of words are not ours to ship: words
are the pinned `wordfreq`'s (Speer, 2022) unless two files are named.

    table = SymbolTable(inventory('tuning'))
    table.draw(random.Random(0), 2)
    # [Symbol('6311', 'integers'), Symbol('BKM', 'letters')]
"""

import functools
import itertools
import random
import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import wordfreq

from symbol_tuning import files

CATEGORIES = ('integers', 'letters', 'words')

_RANKS = {'tuning': slice(0, 10_000), 'evaluation': slice(10_000, 100_000)}
_NUM_RANKED = 100_000

Inventory = Mapping[str, Sequence[str]]


class Symbol(NamedTuple):
  """What is written in the place of a label, and its category."""

  text: str
  category: str


class SymbolTable:
  """Draws the symbols of a prompt. Large: let one serve many tasks."""

  def __init__(self, inventory: Inventory):
    """Takes the symbols of each category; none may be empty."""
    self._groups = tuple(inventory.items())
    self._num_distinct = len(
      {text.lower() for group in inventory.values() for text in group}
    )

  def draw(self, rng: random.Random, count: int) -> list[Symbol]:
    """Returns `count` symbols that differ in more than case.

    Each symbol's category is drawn first, so the symbols of one prompt may be
    `1839`, `QZP` and `harbor`.

    Raises:
      ValueError: there are fewer symbols than that.
    """
    if count > self._num_distinct:
      raise ValueError(
        f'{count} classes need {count} different symbols, but there are'
        f' {self._num_distinct}: raise DataSettings.symbols_per_category.'
      )
    drawn: dict[str, Symbol] = {}
    while len(drawn) < count:
      # int(random() * n) is four times faster than randrange(n), and as good
      # as uniform for so small an n.
      category, group = self._groups[int(rng.random() * len(self._groups))]
      text = group[int(rng.random() * len(group))]
      drawn.setdefault(text.lower(), Symbol(text, category))
    return list(drawn.values())


def inventory(
  split: str,
  categories: Collection[str] = CATEGORIES,
  reserved: Collection[str] = frozenset(),
  word_files: tuple[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
  """Returns the symbols of one split, by category.

  Args:
    split: `tuning` (10,000 a category) or `evaluation` (90,000).
    categories: which of `CATEGORIES` to give.
    reserved: strings that are no symbols, such as natural labels. Each is left
      out, whatever its case, and the symbols after it move up.
    word_files: two files of words, a word a line: all those of the first serve
      tuning, those that only the second has evaluation, less tuning's integers
      and letters. None for `wordfreq`'s.

  Raises:
    ValueError: a file that is no list of words.
    FileNotFoundError: a file of words is missing.
  """
  reserved = frozenset(word.lower() for word in reserved)
  found = {name: _ranked(name, reserved)[_RANKS[split]] for name in categories}
  if word_files and 'words' in found:
    found['words'] = _words_of_files(split, tuple(word_files), reserved)
  return found


def choose(
  inventory: Inventory, excluded: Collection[str], most: int | None
) -> dict[str, list[str]]:
  """Returns `most` symbols of each category, or all, in their order.

  Which ones is the same random choice in every run; the fewer are among the
  more.

  Args:
    inventory: the symbols of each category.
    excluded: strings in lower case that are not chosen, whatever the case.
    most: how many symbols of a category; None for all.

  Raises:
    ValueError: nothing is left of a category.
  """
  chosen = {}
  for category, group in inventory.items():
    order = np.random.RandomState(0).permutation(len(group))
    kept = [i for i in order if group[i].lower() not in excluded][:most]
    if not kept:
      raise ValueError(
        f'Of the {len(group)} symbols of the category {category!r} each is a'
        ' natural label, or a word of one: none is left.'
      )
    chosen[category] = [group[i] for i in sorted(kept)]
  return chosen


def letter_string(number: int) -> str:
  """Returns the bijective base-26 numeral of a number from 1: A, …, Z, AA."""
  letters = []
  while number:
    number, digit = divmod(number - 1, 26)
    letters.append(string.ascii_uppercase[digit])
  return ''.join(reversed(letters))


@functools.cache
def _ranked(category: str, reserved: frozenset[str]) -> tuple[str, ...]:
  """The symbols of both splits, in order of rank."""
  candidates = {
    'integers': map(str, itertools.count()),
    'letters': map(letter_string, itertools.count(1)),
    'words': _words(),
  }
  allowed = _allowed(candidates[category], reserved)
  return tuple(itertools.islice(allowed, _NUM_RANKED))


def _allowed(
  candidates: Iterable[str], reserved: frozenset[str]
) -> Iterator[str]:
  return (symbol for symbol in candidates if symbol.lower() not in reserved)


def _words() -> Iterator[str]:
  """English words of a–z by frequency."""
  for word in wordfreq.iter_wordlist('en', wordlist='large'):
    if word.isascii() and word.isalpha():
      yield word


@functools.cache
def _words_of_files(
  split: str, paths: tuple[str, str], reserved: frozenset[str]
) -> tuple[str, ...]:
  tuning, evaluation = map(_read_words, paths)
  if split == 'evaluation':
    # "17" and "CIA" are an integer and letters that serve tuning.
    others = [name for name in CATEGORIES if name != 'words']
    ranked = [_ranked(name, reserved)[_RANKS['tuning']] for name in others]
    known = {word.lower() for word in tuning}
    taken = set(itertools.chain(*ranked))
    found = [
      word
      for word in evaluation
      if word.lower() not in known and word not in taken
    ]
  else:
    found = tuning
  allowed = tuple(_allowed(found, reserved))
  if not allowed:
    raise ValueError(f'word_files = {paths}: no word is left for {split}.')
  return allowed


def _read_words(path: str) -> list[str]:
  """The lines of a file, without empty ones and repetitions."""
  try:
    lines = files.path(path).read_bytes().decode('utf-8-sig').splitlines()
  except FileNotFoundError:
    raise FileNotFoundError(f'There is no file of words {path!r}.') from None
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: words must be UTF-8 ({error}).') from None
  for number, line in enumerate(lines, start=1):
    if len(line.split()) > 1:
      raise ValueError(
        f'{path}:{number}: {line.strip()!r} is no word; write one a line.'
      )
  return list(dict.fromkeys(line.strip() for line in lines if line.strip()))
