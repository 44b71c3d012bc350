"""Queries, with all of their label options, laid out in rows.

Several queries share a row, as segments, where a row has room for them: they
are packed by best-fit decreasing (Johnson, 1974), which is at most a few
percent worse than the best packing.

Shape suffixes: B rows of a batch, L tokens in a row, P target positions in a
row.
"""

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.queries import Query

FEATURES = (
  'input_tokens',
  'target_tokens',
  'loss_weights',
  'positions',
  'segment_ids',
  'branch_ids',
)

Row = list[Query]


@dataclasses.dataclass(frozen=True)
class Batch:
  """Queries laid out in rows.

  Attributes:
    features: the arrays that a decoder is trained with, int32 [B, L]:
      decoder_input_tokens, decoder_target_tokens, decoder_loss_weights,
      decoder_positions, decoder_segment_ids and decoder_branch_ids.
    owners_BP: for each position with loss weight, in the order of the row, the
      number of the first example it belongs to; -1 where a row has fewer.
  """

  features: Mapping[str, np.ndarray]
  owners_BP: np.ndarray


def plan(
  queries: Sequence[Query],
  budget: layout_lib.Budget,
  multiple: int = 32,
  batch_multiple: int = 1,
) -> layout_lib.Layout:
  """Chooses the shapes for queries.

  Args:
    queries: all queries, of all tasks.
    budget: what the shapes are chosen by.
    multiple: row lengths are multiples of this.
    batch_multiple: see `Layout`.

  Returns:
    Of the layouts tried, the one whose rows are read fastest.

  Raises:
    ValueError: if there are no queries.
  """
  if not queries:
    raise ValueError('There are no examples to lay out: the tasks are empty.')
  candidates = layout_lib.candidates(
    [query.num_tokens for query in queries], budget.num_row_lengths, multiple
  )
  layouts = [
    layout_lib.Layout(
      row_lengths=row_lengths,
      num_targets=_num_targets(queries, row_lengths[-1]),
      batch_tokens=budget.batch_tokens,
      batch_multiple=batch_multiple,
    )
    for row_lengths in candidates
  ]
  return min(layouts, key=lambda layout: _cost(queries, layout, budget))


def _num_targets(queries: Sequence[Query], row_length: int) -> int:
  """Enough for the query with the most, and for a row of average ones."""
  tokens = sum(query.num_tokens for query in queries)
  targets = sum(query.num_targets for query in queries)
  return max(
    max(query.num_targets for query in queries),
    -(-targets * row_length // tokens),
  )


def _cost(
  queries: Sequence[Query],
  layout: layout_lib.Layout,
  budget: layout_lib.Budget,
) -> float:
  """What reading the rows costs, in tokens without attention."""
  lengths = [layout.row_length(_used(row)) for row in packed(queries, layout)]
  return sum(n * (1 + n / budget.attention_length) for n in lengths)


def packed(queries: Sequence[Query], layout: layout_lib.Layout) -> list[Row]:
  """Puts queries into rows, the longest first, each where it fits best.

  A query that fits into no row opens one, which is as long as it needs.
  """
  rows = []
  by_room = []  # (tokens left, number of the row), ascending
  for query in sorted(queries, key=lambda query: -query.num_tokens):
    place = _best_place(by_room, rows, query, layout.num_targets)
    if place is None:
      room, number = layout.row_length(query.num_tokens), len(rows)
      rows.append([])
    else:
      room, number = by_room.pop(place)
    rows[number].append(query)
    bisect.insort(by_room, (room - query.num_tokens, number))
  return rows


def _best_place(
  by_room: Sequence[tuple[int, int]],
  rows: Sequence[Row],
  query: Query,
  num_targets: int,
) -> int | None:
  """Which of the rows has the least room that is enough; None if none has."""
  first = bisect.bisect_left(by_room, (query.num_tokens, 0))
  for place in range(first, len(by_room)):
    row = rows[by_room[place][1]]
    if sum(other.num_targets for other in row) + query.num_targets <= (
      num_targets
    ):
      return place
  return None


def _used(row: Row) -> int:
  return sum(query.num_tokens for query in row)


def batches(
  queries: Sequence[Query], layout: layout_lib.Layout
) -> Iterator[Batch]:
  """Lays queries out in batches, from the shortest rows to the longest.

  Args:
    queries: the queries.
    layout: the shapes.

  Yields:
    Batches; the last rows of a batch can be empty.

  Raises:
    ValueError: if a query does not fit.
  """
  for query in queries:
    _check(query, layout)
  rows = packed(queries, layout)
  lengths = [_used(row) for row in rows]
  for row_length, numbers in layout_lib.numbers_of_batches(lengths, layout):
    yield _batch([rows[number] for number in numbers], row_length, layout)


def _batch(
  rows: Sequence[Row], row_length: int, layout: layout_lib.Layout
) -> Batch:
  num_rows = layout.num_rows(row_length)
  features = {
    f'decoder_{name}': np.zeros((num_rows, row_length), np.int32)
    for name in FEATURES
  }
  owners_BP = np.full((num_rows, layout.num_targets), -1, np.int32)
  for number, row in enumerate(rows):
    segments = [_segment(query, i) for i, query in enumerate(row, start=1)]
    values_FL = np.concatenate(segments, axis=1)
    for name, values_L in zip(FEATURES, values_FL, strict=True):
      features[f'decoder_{name}'][number, : len(values_L)] = values_L
    owners = [
      owners[0]
      for query in row
      for option, owners in zip(query.options, query.owners, strict=True)
      for _ in option
    ]
    owners_BP[number, : len(owners)] = owners
  return Batch(features, owners_BP)


def _segment(query: Query, segment_id: int) -> np.ndarray:
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


def _check(query: Query, layout: layout_lib.Layout) -> None:
  for what, needed, most in (
    ('tokens', query.num_tokens, layout.row_lengths[-1]),
    ('target tokens', query.num_targets, layout.num_targets),
  ):
    if needed > most:
      raise ValueError(
        f'Example {query.owners[0][0]} and the other options of its query take'
        f' {needed} {what}, but the longest row has room for {most}: plan the'
        ' layout with this query among its queries.'
      )
