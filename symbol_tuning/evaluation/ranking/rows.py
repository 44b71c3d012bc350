"""Queries, with all of their label options, laid out in rows.

Several queries share a row, as segments, where a row has room for them: they
are packed by best-fit decreasing (Johnson, 1974), which is at most a few
percent worse than the best packing.

Shape suffixes: B rows of a batch, L tokens in a row, F features.
"""

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.ranking.branches import Branches

FEATURES = (
  'input_tokens',
  'target_tokens',
  'loss_weights',
  'positions',
  'segment_ids',
  'branch_ids',
)

Row = list[int]  # Numbers of queries.


@dataclasses.dataclass(frozen=True)
class Batch:
  """Queries laid out in rows.

  Attributes:
    features: the arrays that a decoder is trained with, int32 [B, L]:
      decoder_input_tokens, decoder_target_tokens, decoder_loss_weights,
      decoder_positions, decoder_segment_ids and decoder_branch_ids.
    rows: the numbers of the queries in each row, in order; the last rows of a
      batch can be empty and have no list.
  """

  features: Mapping[str, np.ndarray]
  rows: Sequence[Row]


def plan(
  queries: Sequence[Branches],
  budget: layout_lib.Budget,
  batch_multiple: int = 1,
) -> layout_lib.Layout:
  """Chooses the shapes for queries.

  Args:
    queries: all queries, of all tasks.
    budget: what the shapes are chosen by.
    batch_multiple: see `Layout`.

  Returns:
    Of the layouts tried, the one whose rows are read fastest.

  Raises:
    ValueError: if there are no queries.
  """
  if not queries:
    raise ValueError('There are no queries to lay out: the tasks are empty.')
  lengths = [query.num_tokens for query in queries]
  layouts = [
    layout_lib.Layout(
      row_lengths,
      _num_targets(queries, row_lengths[-1]),
      budget.batch_tokens,
      batch_multiple,
    )
    for row_lengths in layout_lib.candidates(lengths, budget)
  ]
  return min(layouts, key=lambda layout: _cost(queries, layout, budget))


def fits(query: Branches, layout: layout_lib.Layout) -> bool:
  """Whether some rows are long enough for a query."""
  return (
    query.num_tokens <= layout.row_lengths[-1]
    and query.num_targets <= layout.num_targets
  )


def _num_targets(queries: Sequence[Branches], row_length: int) -> int:
  """Enough for the query with the most, and for a row of average ones."""
  tokens = sum(query.num_tokens for query in queries)
  targets = sum(query.num_targets for query in queries)
  return max(
    max(query.num_targets for query in queries),
    -(-targets * row_length // tokens),
  )


def _cost(
  queries: Sequence[Branches],
  layout: layout_lib.Layout,
  budget: layout_lib.Budget,
) -> float:
  """What reading the rows costs, in tokens without attention."""
  used = [_used(row, queries) for row in packed(queries, layout)]
  lengths = map(layout.row_length, used)
  return sum(n * (1 + n / budget.attention_length) for n in lengths)


def packed(queries: Sequence[Branches], layout: layout_lib.Layout) -> list[Row]:
  """Puts queries into rows, the longest first, each where it fits best.

  A query that fits into no row opens one, which is as long as it needs.
  """
  rows: list[Row] = []
  num_targets: list[int] = []  # of each row
  # (tokens left, number of the row), ascending
  by_room: list[tuple[int, int]] = []
  longest_first = sorted(
    range(len(queries)), key=lambda number: -queries[number].num_tokens
  )
  for number in longest_first:
    query = queries[number]
    targets_left = layout.num_targets - query.num_targets
    first = bisect.bisect_left(by_room, (query.num_tokens, 0))
    place = next(
      (
        place
        for place in range(first, len(by_room))
        if num_targets[by_room[place][1]] <= targets_left
      ),
      None,
    )
    if place is None:
      room, row = layout.row_length(query.num_tokens), len(rows)
      rows.append([])
      num_targets.append(0)
    else:
      room, row = by_room.pop(place)
    rows[row].append(number)
    num_targets[row] += query.num_targets
    bisect.insort(by_room, (room - query.num_tokens, row))
  return rows


def _used(row: Row, queries: Sequence[Branches]) -> int:
  return sum(queries[number].num_tokens for number in row)


def batches(
  queries: Sequence[Branches], layout: layout_lib.Layout
) -> Iterator[Batch]:
  """Lays queries out in batches, from the shortest rows to the longest.

  Args:
    queries: the queries.
    layout: the shapes.

  Yields:
    Batches, in which every query is once.

  Raises:
    ValueError: if a query does not fit.
  """
  for number, query in enumerate(queries):
    if not fits(query, layout):
      raise ValueError(
        f'Query number {number} takes {query.num_tokens} tokens with its'
        f' options, {query.num_targets} of them targets, but the longest row'
        f' has room for {layout.row_lengths[-1]} and {layout.num_targets}: plan'
        ' the layout with this query among its queries.'
      )
  rows = packed(queries, layout)
  lengths = [_used(row, queries) for row in rows]
  for row_length, members in layout_lib.numbers_of_batches(lengths, layout):
    own = [rows[member] for member in members]
    shape = (layout.num_rows(row_length), row_length)
    yield Batch(_features(own, queries, shape), own)


def _features(
  rows: Sequence[Row], queries: Sequence[Branches], shape: tuple[int, int]
) -> dict[str, np.ndarray]:
  features = {f'decoder_{name}': np.zeros(shape, np.int32) for name in FEATURES}
  for place, row in enumerate(rows):
    segments = [
      _segment(queries[number], segment_id)
      for segment_id, number in enumerate(row, start=1)
    ]
    values_FL = np.concatenate(segments, axis=1)
    for name, values_L in zip(FEATURES, values_FL, strict=True):
      features[f'decoder_{name}'][place, : len(values_L)] = values_L
  return features


def _segment(query: Branches, segment_id: int) -> np.ndarray:
  """The values of FEATURES at each of a query's positions, [F, L]."""
  shared, last = query.prompt[:-1], query.prompt[-1:]
  inputs = [shared]
  inputs += [np.concatenate([last, option[:-1]]) for option in query.options]
  targets = [query.prompt[1:], *query.options]
  lengths = [len(branch) for branch in inputs]
  branch_ids = np.repeat(np.arange(len(lengths)), lengths)
  in_option = branch_ids > 0
  positions = np.concatenate([np.arange(length) for length in lengths])
  positions += in_option * len(shared)
  return np.stack(
    [
      np.concatenate(inputs),
      np.concatenate(targets),
      in_option,
      positions,
      np.full_like(branch_ids, segment_id),
      branch_ids,
    ]
  )
