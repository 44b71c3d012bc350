"""From tokenized examples to packed rows of a decoder.

Grain packs examples into rows and keeps the position in the data, so that an
interrupted run goes on where it was. The arrays of a row have the names of
SeqIO's and T5X's decoder features.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping

import grain
import numpy as np
from absl import logging

Example = dict[str, np.ndarray]

_PACKED = (
  'decoder_input_tokens',
  'decoder_target_tokens',
  'decoder_loss_weights',
)
# Which inputs have loss as targets have: int32 [inputs].
INPUTS_LOSS = 'inputs_loss'
# Which task an example is of: int32 [].
TASK = 'task'
# The tasks of the examples of a packed row.
SEGMENT_TASKS = 'segment_tasks'
# The task once for each position with loss, which is what packing counts.
_LOSS_TASKS = 'loss_tasks'


def to_decoder_features(example: Mapping[str, np.ndarray]) -> Example:
  """Joins inputs and targets for a decoder; loss falls on the targets.

  Args:
    example: inputs and targets, int32 [i] and [t]. Inputs may be missing or
      empty: then loss falls on all but the first token. Perhaps inputs_loss,
      int32 [i], which is 1 at inputs that have loss too.

  Returns:
    Arrays int32 [i + t - 1]; position p of the targets is the token that
    follows position p of the inputs. Also one as long as there are positions
    with loss, which holds the example's task, for `pack` to count.
  """
  targets = example['targets']
  inputs = example.get('inputs', targets[:0])
  tokens = np.concatenate([inputs, targets]).astype(np.int32)
  weights = np.arange(1, len(tokens)) >= len(inputs)
  if INPUTS_LOSS in example:
    weights[: len(inputs) - 1] |= example[INPUTS_LOSS][1:] == 1
  features = (tokens[:-1], tokens[1:], weights.astype(np.int32))
  return dict(zip(_PACKED, features, strict=True)) | {
    _LOSS_TASKS: np.full(weights.sum(), example.get(TASK, 0), np.int32)
  }


def pack(
  examples: grain.IterDataset,
  row_length: int,
  loss_positions_per_row: int,
  num_packing_bins: int,
  seed: int,
) -> grain.IterDataset:
  """Packs decoder features into rows [row_length].

  Examples of a row are told apart by decoder_segment_ids, which count from 1;
  0 is padding. decoder_positions restart with each example. At most
  `loss_positions_per_row` positions of a row carry loss: an example that has
  more by itself keeps the loss of its last labels, and the first such example
  is told of. segment_tasks tells the task of each example, int32 [examples].

  Raises:
    ValueError: (when rows are read) if an example by itself is longer than a
      row, or its target has more positions with loss.
  """
  rows = grain.experimental.BestFitPackIterDataset(
    examples.map(
      lambda example: _with_fewer_labels(example, loss_positions_per_row)
    ),
    length_struct=dict.fromkeys(_PACKED, row_length)
    | {_LOSS_TASKS: loss_positions_per_row},
    num_packing_bins=num_packing_bins,
    seed=seed,
  )
  return rows.map(_with_shared_segments)


def _with_fewer_labels(example: Example, most_positions: int) -> Example:
  """Takes the loss from the first labels, so that the others' may stay."""
  weights = example['decoder_loss_weights']
  if weights.sum() <= most_positions:
    return example
  labels = np.flatnonzero(np.diff(weights, prepend=0) == 1)
  for first in labels:
    if weights[first:].sum() <= most_positions:
      break
  else:
    raise ValueError(
      f'The target of an example has loss on {weights[first:].sum()} tokens,'
      f' but a row has it on {most_positions} positions at the most: raise'
      ' LOSS_POSITIONS_PER_ROW.'
    )
  kept = np.where(np.arange(len(weights)) >= first, weights, 0)
  logging.log_first_n(
    logging.WARNING,
    'An example has loss on %d tokens of its labels, but a row has it on %d'
    ' positions at the most (LOSS_POSITIONS_PER_ROW): such examples keep the'
    ' loss of their last labels, here of %d tokens.',
    1,
    weights.sum(),
    most_positions,
    kept.sum(),
  )
  return example | {
    'decoder_loss_weights': kept,
    _LOSS_TASKS: example[_LOSS_TASKS][: kept.sum()],
  }


def _with_shared_segments(row: Example) -> Example:
  first = _PACKED[0]
  loss_segments = row[f'{_LOSS_TASKS}_segment_ids']
  segments, places = np.unique(loss_segments, return_index=True)
  return {name: row[name] for name in _PACKED} | {
    'decoder_positions': row[f'{first}_positions'].astype(np.int32),
    'decoder_segment_ids': row[f'{first}_segment_ids'].astype(np.int32),
    SEGMENT_TASKS: row[_LOSS_TASKS][places[segments > 0]],
  }


class Replayed(grain.IterDataset):
  """A stream of examples that can be read again from its beginning.

  Its position is the number of examples read; going on from it reads them once
  more, in order, and drops them.
  """

  def __init__(self, open_stream: Callable[[], Iterable[Example]]):
    super().__init__()
    self._open = open_stream

  def __iter__(self) -> grain.DatasetIterator:
    return _ReplayedIterator(self._open)


class _ReplayedIterator(grain.DatasetIterator):
  def __init__(self, open_stream: Callable[[], Iterable[Example]]):
    super().__init__()
    self._open = open_stream
    self.set_state({'examples_read': 0})

  def __next__(self) -> Example:
    example = next(self._iterator)
    self._examples_read += 1
    return example

  def get_state(self) -> dict[str, int]:
    return {'examples_read': self._examples_read}

  def set_state(self, state: dict[str, int]) -> None:
    self._examples_read = state['examples_read']
    self._iterator = itertools.islice(self._open(), self._examples_read, None)
