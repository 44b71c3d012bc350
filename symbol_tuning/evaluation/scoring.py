"""The log-likelihood of label options, given their prompts.

The score of an option is the sum of the log-probabilities of its tokens, the
end-of-sequence token included, as T5X and most evaluation suites have it. The
options of a query are scored in one pass over its prompt (see `queries`); that
equals a pass for each option, but for the rounding of sums.

Shape suffixes: B rows of a batch, P target positions in a row.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation import placement, rows
from symbol_tuning.evaluation.queries import Query, grouped
from symbol_tuning.models import decoder, likelihood


def log_likelihoods(
  model: decoder.Decoder,
  params: Any,
  examples: Sequence[layout_lib.Example],
  layout: layout_lib.Layout,
  advance: Callable[[int], None] = lambda num_tokens: None,
) -> np.ndarray:
  """Scores the targets of examples, given their inputs.

  The computation is sharded as the parameters are; the rows of a batch are
  spread over the axes 'data' and 'fsdp' of their mesh. On several hosts, all
  of them call this with the same arguments.

  Args:
    model: the decoder.
    params: its parameters.
    examples: with `inputs` and `targets`, one-dimensional int arrays, and
      `idx`, the query and the option.
    layout: the shapes of the batches.
    advance: is called after every batch with its tokens, without padding.

  Returns:
    For every example the sum of log p(token) over its target tokens, float64;
    exactly the same for options of a query that are the same tokens.

  Raises:
    ValueError: if an example has no inputs or targets, a query does not fit the
      layout or has options after different prompts, or the model does not know
      a token.
  """
  for feature in ('inputs', 'targets'):
    tokens = [example[feature] for example in examples]
    placement.check_tokens(feature, tokens, model.config.vocab_size)
  queries = grouped(examples)
  sharding = placement.batch_sharding(params)
  sums = np.zeros(len(examples))
  computing = None
  for batch in rows.batches(queries, layout):
    features = {
      name: placement.put(array, sharding)
      for name, array in batch.features.items()
    }
    values_BP = _target_log_likelihoods(
      model, params, features, layout.num_targets
    )
    if computing:
      _collect(*computing, sums, advance)
    computing = batch, values_BP
  if computing:
    _collect(*computing, sums, advance)
  _share(queries, sums)
  return sums


@functools.partial(jax.jit, static_argnames=('model', 'num_positions'))
def _target_log_likelihoods(model, params, features, num_positions):
  return likelihood.weighted_log_likelihoods(
    model, params, features, num_positions
  ).values_BP


def _collect(
  batch: rows.Batch,
  values_BP: jax.Array,
  sums: np.ndarray,
  advance: Callable[[int], None],
) -> None:
  """Waits for a batch and adds its log-likelihoods to those of their owners."""
  values_BP = multihost_utils.process_allgather(values_BP, tiled=True)
  owned_BP = batch.owners_BP >= 0
  np.add.at(sums, batch.owners_BP[owned_BP], values_BP[owned_BP])
  advance(np.count_nonzero(batch.features['decoder_segment_ids']))


def _share(queries: Sequence[Query], sums: np.ndarray) -> None:
  """Gives the score of an option to all examples that own it."""
  for query in queries:
    for first, *others in query.owners:
      sums[others] = sums[first]
