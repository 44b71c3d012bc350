"""Tokens of the fragments of prompts, made once and joined many times.

A prompt is a concatenation of fragments, most of which many prompts share: the
texts of a dataset, its labels, the words of a format. A table keeps the tokens
of each fragment from its first use on, so that tokenizing a prompt is copying.

That is only right where the fragments' tokens, joined, are those of the whole
prompt. `data.fragments` knows when; a table tells it for each prompt.
Shape suffixes: B prompts, P fragments of a prompt, M some fragments.
"""

import itertools
import threading

import numpy as np

from symbol_tuning.data import fragments


class TokenTable:
  """The tokens of a list of fragments; may be used by several threads.

  A fragment goes by its number in the list.
  """

  def __init__(
    self, texts: np.ndarray, encoder: fragments.FragmentEncoder
  ) -> None:
    """Takes the fragments, str [n], and what tokenizes them."""
    self._texts = texts
    self._encoder = encoder
    self._tokens = np.empty(1024, np.int32)
    self._num_tokens = 0
    self._starts = np.zeros(len(texts), np.int64)
    self._lengths = np.full(len(texts), -1, np.int32)
    self._costs = np.zeros(len(texts))
    self._reaches = np.zeros(len(texts))
    self._lock = threading.Lock()

  def lengths(self, numbers: np.ndarray) -> np.ndarray:
    """Returns how many tokens fragments have, int32 of the same shape."""
    self._load(numbers)
    return self._lengths[numbers]

  def is_exact(self, numbers_BP: np.ndarray) -> np.ndarray:
    """Whether joining gives the tokens of the whole prompt, bool [B]."""
    self._load(numbers_BP)
    cost_BP = self._costs[numbers_BP]
    before_BP = np.cumsum(cost_BP, axis=1) - cost_BP
    return (before_BP <= self._reaches[numbers_BP]).all(axis=1)

  def join(self, numbers_BP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joins the tokens of fragments.

    Returns:
      The tokens of all prompts, int32, and how many each has, int64 [B].
    """
    lengths_BP = self.lengths(numbers_BP)
    lengths_M = lengths_BP.ravel()
    ends_M = np.cumsum(lengths_M)
    shift_M = self._starts[numbers_BP.ravel()] - (ends_M - lengths_M)
    place = np.repeat(shift_M, lengths_M)
    place += np.arange(len(place))
    return self._tokens[place], lengths_BP.sum(axis=1)

  def _load(self, numbers: np.ndarray) -> None:
    """Tokenizes those fragments that have not been used yet."""
    if (self._lengths[numbers] >= 0).all():
      return
    with self._lock:
      missing_M = np.unique(numbers[self._lengths[numbers] < 0])
      encoded = self._encoder.encode(self._texts[missing_M].tolist())
      lengths_M = np.array([len(e.tokens) for e in encoded], np.int64)
      ends_M = self._num_tokens + np.cumsum(lengths_M)
      self._append(encoded)
      self._starts[missing_M] = ends_M - lengths_M
      self._costs[missing_M] = [e.cost for e in encoded]
      self._reaches[missing_M] = [e.reach for e in encoded]
      # Last, for others read without the lock what has a length.
      self._lengths[missing_M] = lengths_M

  def _append(self, encoded: list[fragments.Encoded]) -> None:
    rows = (e.tokens for e in encoded)
    new = np.fromiter(itertools.chain.from_iterable(rows), np.int32)
    size = self._num_tokens + len(new)
    if size > len(self._tokens):
      grown = np.empty(max(size, 2 * len(self._tokens)), np.int32)
      grown[: self._num_tokens] = self._tokens[: self._num_tokens]
      self._tokens = grown
    self._tokens[self._num_tokens : size] = new
    self._num_tokens = size
