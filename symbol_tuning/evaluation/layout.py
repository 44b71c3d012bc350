"""The shapes of an evaluation's batches: rows of few lengths.

Every shape is compiled once, which takes long for a large model, and every
padding token costs as much as a real one. So the row lengths are chosen for
all tasks together.

Whether rows are best as long as the longest entry or hold many of them depends
on what attention costs, which grows with the length of a row: longer rows are
filled better, shorter ones are read faster. Both are tried.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

# Rows that hold many entries are this many times as long as the longest.
_LONG_ROWS = (2, 4)


@dataclasses.dataclass(frozen=True)
class Budget:
  """What the shapes of an evaluation's batches are chosen by.

  Attributes:
    batch_tokens: tokens in a batch whose options are ranked, about. A CPU of
      two cores was fastest at 1024, where the scores of attention fit its
      cache; accelerators want tens of thousands.
    writing_batch_tokens: tokens in a batch whose answers are written, about,
      those to be written included. A step reads every parameter to write one
      token in each row, so the more rows the better, while their caches fit.
    num_row_lengths: the most row lengths, hence compiled functions.
    attention_length: the row length at which attention takes as long as the
      rest of the model; where it is large, rows hold several prompts.
    length_multiple: row lengths, or the room for prompts whose answers are
      written, are multiples of this.
  """

  batch_tokens: int = 1024
  writing_batch_tokens: int = 8192
  num_row_lengths: int = 4
  attention_length: int = 1024
  length_multiple: int = 32


@dataclasses.dataclass(frozen=True)
class Layout:
  """The shapes that entries are laid out in.

  Attributes:
    row_lengths: tokens in a row, ascending.
    num_targets: target tokens in a row, at the most.
    batch_tokens: tokens in a batch, about: batches of short rows have more
      rows.
    batch_multiple: the number of rows is a multiple of this, for the devices
      that share a batch.
  """

  row_lengths: tuple[int, ...]
  num_targets: int
  batch_tokens: int = 2048
  batch_multiple: int = 1

  def num_rows(self, row_length: int) -> int:
    """The number of rows in a batch of rows of this length."""
    shares = self.batch_tokens // (row_length * self.batch_multiple)
    return self.batch_multiple * max(1, shares)

  def row_length(self, num_tokens: int) -> int:
    """The shortest rows that hold this many tokens."""
    return next(n for n in self.row_lengths if n >= num_tokens)


def candidates(lengths: Sequence[int], budget: Budget) -> list[tuple[int, ...]]:
  """Row lengths to choose from, for entries of these lengths."""
  found = [
    least_padding(lengths, num, budget.length_multiple)
    for num in range(1, budget.num_row_lengths + 1)
  ]
  [longest] = found[0]
  return found + [(times * longest,) for times in _LONG_ROWS]


def least_padding(
  lengths: Sequence[int], num_row_lengths: int, multiple: int
) -> tuple[int, ...]:
  """Returns the row lengths that hold `lengths` in the fewest tokens.

  Args:
    lengths: of what stands in rows of its own.
    num_row_lengths: the most row lengths.
    multiple: row lengths are multiples of this.
  """
  steps = -(-np.array(lengths) // multiple)
  steps, counts = np.unique(steps, return_counts=True)
  candidates = [int(step) * multiple for step in steps]
  below = np.concatenate([[0], np.cumsum(counts)])

  @functools.cache
  def best(end: int, num: int) -> tuple[float, tuple[int, ...]]:
    """Tokens and row lengths for the candidates before `end`."""
    if end == 0:
      return 0, ()
    if num == 0:
      return math.inf, ()
    options = []
    for start in range(end):
      tokens, chosen = best(start, num - 1)
      last = candidates[end - 1]
      tokens += last * int(below[end] - below[start])
      options.append((tokens, (*chosen, last)))
    return min(options)

  return best(len(candidates), num_row_lengths)[1]


def numbers_of_batches(
  lengths: Sequence[int], layout: Layout
) -> Iterator[tuple[int, list[int]]]:
  """Yields of each batch the row length, and what stands in its rows.

  They come from the shortest to the longest. What is left over of the short
  ones, when it is less than a batch of longer rows, shares a batch with longer
  ones.

  Args:
    lengths: the tokens that number 0, 1, … take in a row; they must fit.
    layout: the shapes.
  """
  waiting = sorted(range(len(lengths)), key=lengths.__getitem__)
  num_rows_of = [layout.num_rows(length) for length in layout.row_lengths]
  for row_length, num_rows, num_longer in zip(
    layout.row_lengths, num_rows_of, (*num_rows_of[1:], 0), strict=True
  ):
    now = sum(lengths[i] <= row_length for i in waiting)
    left_over = now % num_rows
    if now < len(waiting) and left_over < num_longer:
      now -= left_over
    for start in range(0, now, num_rows):
      yield row_length, waiting[start : min(start + num_rows, now)]
    waiting = waiting[now:]
