"""Queries of token ids, made by hand or drawn."""

import numpy as np
from tiny_models import PRIMER

from symbol_tuning.data.prompting.records import Option, Query


def make_query(index, prompt, options, label=0):
  """A query whose texts name it."""
  return Query(
    index=index,
    text=f'prompt {index} …',
    tokens=np.array(prompt, np.int32),
    options=tuple(
      Option(f' option {number}', np.array(tokens, np.int32))
      for number, tokens in enumerate(options)
    ),
    label=label,
  )


def make_queries(num_queries, num_options=2, seed=0):
  """Queries of random tokens of PRIMER, some with a prompt of one."""
  rng = np.random.default_rng(seed)

  def tokens(size):
    return rng.integers(2, PRIMER.vocab_size, size)

  return [
    make_query(
      index,
      tokens(rng.choice([1, 40])),
      [[*tokens(rng.integers(1, 3)), 1] for _ in range(num_options)],
      label=int(rng.integers(num_options)),
    )
    for index in range(num_queries)
  ]
