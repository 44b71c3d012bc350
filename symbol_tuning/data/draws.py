"""Random draws that depend on nothing but the seed of their row.

Each row of a batch has a seed of its own, so that a prompt is the same
whichever batch it is composed in. Shape suffixes: B rows, K draws of a row.
"""

import numpy as np

# The step of SplitMix64, odd and near to 2^64 over the golden ratio.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def numbers(seed_B2: np.ndarray, count: int) -> np.ndarray:
  """Returns random numbers, int64 [B, count] in [0, 2^31).

  This is SplitMix64 (Steele et al., 2014), its state mixed from both seeds of
  a row.

  Args:
    seed_B2: integers, of which the lowest 32 bits count.
    count: how many for each row.
  """
  seed_B2 = seed_B2.astype(np.uint64) & np.uint64(0xFFFFFFFF)
  first_B1, second_B1 = seed_B2[:, :1], seed_B2[:, 1:]
  state_B1 = _mixed(_mixed(first_B1 + _GOLDEN) + second_B1)
  steps_K = np.arange(1, count + 1, dtype=np.uint64)
  mixed_BK = _mixed(state_B1 + steps_K * _GOLDEN)
  return (mixed_BK >> np.uint64(33)).astype(np.int64)


def _mixed(x: np.ndarray) -> np.ndarray:
  """Scrambles each uint64, one to one."""
  for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
    x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
  return x ^ (x >> np.uint64(31))


def distinct(numbers: np.ndarray, size: np.ndarray | int) -> np.ndarray:
  """Draws K of range(size) without replacement, whatever the size.

  The remainders of the numbers are a Lehmer code: each is the rank of a draw
  among those that are left by the draws before it.

  Args:
    numbers: random int [..., K].
    size: int, broadcasts to that shape and is equal within the last axis.

  Returns:
    Int [..., K]. Where K exceeds the size, the draws beyond it repeat.
  """
  num_draws = numbers.shape[-1]
  drawn = numbers % np.maximum(size - np.arange(num_draws), 1)
  for turn in reversed(range(num_draws - 1)):
    drawn[..., turn + 1 :] += drawn[..., turn + 1 :] >= drawn[..., turn, None]
  return np.minimum(drawn, size - 1)


def ranks(values_BK: np.ndarray) -> np.ndarray:
  """Returns the rank of each value in its row, 0 for the smallest."""
  return np.argsort(np.argsort(values_BK, axis=1, kind='stable'), axis=1)
