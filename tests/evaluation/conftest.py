"""A tiny decoder and hand-made queries."""

import jax
import numpy as np
import pytest

import symbol_tuning.tasks  # noqa: F401  # Registers the tasks.
from symbol_tuning.data.prompting.records import Option, Query
from symbol_tuning.models import config, decoder, parameters

VOCAB_SIZE = 40


@pytest.fixture(scope='session')
def model():
  return decoder.Decoder(
    config.DecoderConfig(
      vocab_size=VOCAB_SIZE,
      num_layers=2,
      embed_dim=16,
      num_heads=2,
      num_kv_heads=1,
      head_dim=8,
      mlp_dim=32,
      conv_width=3,
    )
  )


@pytest.fixture(scope='session')
def params(model):
  return parameters.init_params(model, jax.random.key(0))


def make_query(index, prompt, options, label=0):
  """A query of token ids, whose texts name it."""
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
  """Queries of random tokens, some with a prompt of one."""
  rng = np.random.default_rng(seed)
  return [
    make_query(
      index,
      rng.integers(2, VOCAB_SIZE, rng.choice([1, 40])),
      [
        [*rng.integers(2, VOCAB_SIZE, rng.integers(1, 3)), 1]
        for _ in range(num_options)
      ],
      label=int(rng.integers(num_options)),
    )
    for index in range(num_queries)
  ]


@pytest.fixture(name='make_query', scope='session')
def make_query_fixture():
  return make_query


@pytest.fixture(name='make_queries', scope='session')
def make_queries_fixture():
  return make_queries
