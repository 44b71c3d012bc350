"""The log-likelihood of label options, given their prompts.

The score of an option is the sum of the log-probabilities of its tokens, the
end-of-sequence token included, as T5X and most evaluation suites have it. The
options of a query are scored in one pass over its prompt (see `branches`); that
equals a pass for each option, but for the rounding of sums.

Shape suffixes: B rows of a batch, P target positions in a row, T target
positions of a query.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning.data.prompting.records import Query
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation import placement
from symbol_tuning.evaluation.ranking import rows
from symbol_tuning.evaluation.ranking.branches import Branches
from symbol_tuning.models import decoder, likelihood

T = TypeVar('T')


def log_likelihoods(
  model: decoder.Decoder,
  params: Any,
  queries: Sequence[Query],
  layout: layout_lib.Layout,
  advance: Callable[[int], None] = lambda num_tokens: None,
) -> list[np.ndarray]:
  """Scores the options of queries.

  The computation is sharded as the parameters are; the rows of a batch are
  spread over the axes 'data' and 'fsdp' of their mesh. On several hosts, all
  of them call this with the same arguments.

  Args:
    model: the decoder.
    params: its parameters.
    queries: prompts with their options.
    layout: the shapes of the batches.
    advance: is called after every batch with its tokens, without padding.

  Returns:
    For every query the sum of log p(token) over the tokens of each option,
    float64 [options]; exactly the same for options that are the same tokens.

  Raises:
    ValueError: if a prompt or an option has no tokens, a query does not fit the
      layout, or the model does not know a token.
  """
  _check_tokens(queries, model.config.vocab_size)
  branches = [Branches.of(query) for query in queries]
  scores = [np.empty(0)] * len(queries)
  # The next batch is handed to the device before the last one is waited for.
  results = _computed(model, params, branches, layout)
  for batch, values_BP in _one_ahead(results):
    values_BP = multihost_utils.process_allgather(values_BP, tiled=True)
    for row, values_P in zip(batch.rows, values_BP, strict=False):
      ends = np.cumsum([branches[number].num_targets for number in row])
      for number, values_T in zip(row, np.split(values_P, ends), strict=False):
        scores[number] = _sums(values_T, branches[number])
    advance(int(np.count_nonzero(batch.features['decoder_segment_ids'])))
  return scores


def _one_ahead(results: Iterator[T]) -> Iterator[T]:
  """Yields results, each when the next has been begun."""
  waiting = next(results, None)
  if waiting is None:
    return
  for result in results:
    yield waiting
    waiting = result
  yield waiting


def _check_tokens(queries: Sequence[Query], vocab_size: int) -> None:
  options = [option for query in queries for option in query.options]
  for name, records in (('inputs', queries), ('targets', options)):
    tokens = [record.tokens for record in records]
    placement.check_tokens(name, tokens, vocab_size)


def _computed(
  model: decoder.Decoder,
  params: Any,
  branches: Sequence[Branches],
  layout: layout_lib.Layout,
) -> Iterator[tuple[rows.Batch, jax.Array]]:
  """Yields batches and the log-likelihoods of their targets, float32 [B, P]."""
  sharding = placement.batch_sharding(params)
  for batch in rows.batches(branches, layout):
    features = {
      name: placement.put(array, sharding)
      for name, array in batch.features.items()
    }
    yield batch, _target_values(model, params, features, layout.num_targets)


@functools.partial(jax.jit, static_argnames=('model', 'num_positions'))
def _target_values(model, params, features, num_positions):
  return likelihood.weighted_log_likelihoods(
    model, params, features, num_positions
  ).values_BP


def _sums(values_T: np.ndarray, branches: Branches) -> np.ndarray:
  """The sum over each option of a query, float64 [options]."""
  ends = np.cumsum([len(option) for option in branches.options])
  parts = np.split(values_T.astype(np.float64), ends[:-1])
  return np.array([parts[place].sum() for place in branches.branch_of_option])
