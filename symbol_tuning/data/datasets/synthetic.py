"""A tiny world in which every dataset of the catalog has a stand-in.

It lets the whole of symbol tuning run in minutes, offline and on a CPU. It is
no language and imitates no dataset's content; only the shape is real: columns,
template, classes, label names and instruction are the catalog's.

In the tiny world each class of each dataset is a *concept*: eight words out of
a lexicon of made-up ones. The classes of a dataset share no word, those of two
datasets two at the most. A text of a class is a handful of its words, in any
order, now and then with a filler among them that means nothing. Whoever sees
which words occur together can tell the classes of a prompt apart, whatever the
labels are called; whoever also knows what concepts are called can answer
without exemplars.

What they are called stands in `documents`, the text that a tiny model is
pretrained on. It speaks of the held-out datasets too, as the pretraining text
of a large model does: their tasks are held out from tuning, not their words.

Everything follows from its arguments alone; nothing is stored.
"""

import functools
import hashlib
from typing import Any

import numpy as np

from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.datasets.spec import DatasetSpec

LEXICON_SIZE = 656
WORDS_PER_CONCEPT = 8
NUM_FILLERS = 8
FILLER_RATE = 0.1  # how often a word of a text is a filler
WORDS_IN_ONLY_COLUMN = 4
WORDS_PER_COLUMN = 2  # of several
MOST_STATEMENTS = 3  # in a document

_ONSETS = (
  *('bl', 'br', 'bz', 'dl', 'dr', 'dv', 'dz', 'gl', 'gr', 'gv', 'kl', 'kr'),
  *('kv', 'ml', 'mr', 'pl', 'pr', 'sr', 'tl', 'tr', 'vl', 'vr', 'zl', 'zm'),
  'zv',
)
_VOWELS = 'aeiou'


def rows(
  spec: DatasetSpec, split: str, num_examples: int, seed: int
) -> list[dict[str, Any]]:
  """Labelled rows of a dataset's stand-in, the classes in equal shares.

  Args:
    spec: the dataset; rows have its columns and its raw label values.
    split: names another stream of rows from the same concepts.
    num_examples: how many rows.
    seed: of every choice.
  """
  rng = np.random.default_rng([seed, _number(f'{spec.name} {split}')])
  values = spec.label_values or range(spec.num_classes)
  label_ids = rng.permutation(np.arange(num_examples) % spec.num_classes)
  return [
    _text_columns(spec, label_id, rng) | {spec.label_column: values[label_id]}
    for label_id in label_ids
  ]


def documents(num_documents: int, seed: int) -> list[str]:
  """Texts about the concepts of all datasets, to pretrain on.

  A document makes one to three statements about one concept: some of its words
  and what they are called, the natural label of the class.
  """
  rng = np.random.default_rng([seed, _number('documents')])
  classes = [
    (spec, label_id)
    for spec in catalog.CATALOG.values()
    for label_id in range(spec.num_classes)
  ]
  chosen = rng.integers(len(classes), size=num_documents)
  return [
    _document(spec, label_id, rng)
    for spec, label_id in (classes[i] for i in chosen)
  ]


def concept(dataset: str, label_id: int) -> tuple[str, ...]:
  """The words of a class; classes of one dataset share none."""
  start = label_id * WORDS_PER_CONCEPT
  return _ranked_lexicon(dataset)[start : start + WORDS_PER_CONCEPT]


def lexicon() -> tuple[str, ...]:
  """The words that concepts are made of."""
  return _made_up_words('word', LEXICON_SIZE)


def fillers() -> tuple[str, ...]:
  """The words that belong to no concept."""
  return _made_up_words('filler', NUM_FILLERS)


def _text_columns(
  spec: DatasetSpec, label_id: int, rng: np.random.Generator
) -> dict[str, str]:
  several = len(spec.text_columns) > 1
  num_words = WORDS_PER_COLUMN if several else WORDS_IN_ONLY_COLUMN
  return {
    column: _phrase(spec, label_id, num_words, rng)
    for column in spec.text_columns
  }


def _document(
  spec: DatasetSpec, label_id: int, rng: np.random.Generator
) -> str:
  num_words = rng.integers(
    WORDS_PER_COLUMN,
    WORDS_IN_ONLY_COLUMN,
    rng.integers(1, MOST_STATEMENTS + 1),
    endpoint=True,
  )
  return ' '.join(
    f'{_phrase(spec, label_id, n, rng)} is {spec.labels[label_id]}.'
    for n in num_words
  )


def _phrase(
  spec: DatasetSpec, label_id: int, num_words: int, rng: np.random.Generator
) -> str:
  """Different words of a concept, some of them replaced by fillers."""
  words, noise = concept(spec.name, label_id), fillers()
  chosen = rng.permutation(len(words))[:num_words].tolist()
  replaced = rng.integers(len(noise), size=num_words).tolist()
  is_noise = (rng.random(num_words) < FILLER_RATE).tolist()
  return ' '.join(
    noise[filler] if replace else words[word]
    for word, filler, replace in zip(chosen, replaced, is_noise, strict=True)
  )


@functools.cache
def _ranked_lexicon(dataset: str) -> tuple[str, ...]:
  """The lexicon in an order that depends on the dataset's name alone."""
  return tuple(sorted(lexicon(), key=lambda word: _hash(f'{dataset} {word}')))


@functools.cache
def _made_up_words(kind: str, num_words: int) -> tuple[str, ...]:
  return tuple(_made_up_word(f'{kind} {i}') for i in range(num_words))


def _made_up_word(name: str) -> str:
  """Three syllables, chosen by the bytes of a hash."""
  choices = _hash(name)[:6]
  return ''.join(
    _ONSETS[onset % len(_ONSETS)] + _VOWELS[vowel % len(_VOWELS)]
    for onset, vowel in zip(choices[::2], choices[1::2], strict=True)
  )


def _hash(name: str) -> bytes:
  return hashlib.sha256(name.encode()).digest()


def _number(name: str) -> int:
  return int.from_bytes(_hash(name)[:4])
