"""Labels rows that have no label, by exemplars that have one.

The output has one JSON line for each row, in the order of the rows. A line has
`row` (its number, from 1), `text`, `label`, `probabilities` by label, with
symbols also `symbols` (what stood for each label), and the columns that are
kept. Where no label could be asked for, `label` is null and `reason` says why.
Probabilities are those of the label options among each other, by the sum of the
log-probabilities of their tokens, as the evaluation ranks them.

A job that was stopped goes on with the first part that is missing, see
`labelled_file`.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from symbol_tuning import files, watchdog
from symbol_tuning.data.prompting.records import NATURAL, Query
from symbol_tuning.evaluation import checkpoint_queue, metrics, placement
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation.countdown import Countdown, print_line
from symbol_tuning.evaluation.evaluator import DEFAULT_BUDGET
from symbol_tuning.evaluation.jobs import Partitioner, reader
from symbol_tuning.evaluation.labelled_file import Output, Record
from symbol_tuning.evaluation.ranking import rows as rows_lib
from symbol_tuning.evaluation.ranking import scoring
from symbol_tuning.evaluation.ranking.branches import Branches
from symbol_tuning.evaluation.record import Checkpoint, fingerprint
from symbol_tuning.evaluation.unlabelled import (
  RowAsker,
  RowQuestions,
  UnlabelledRow,
)
from symbol_tuning.models import decoder


def label_rows(
  model: decoder.Decoder,
  checkpoint: str,
  questions: RowQuestions,
  output_path: str,
  rows_per_part: int = 256,
  partitioner: Partitioner | None = None,
  budget: layout_lib.Budget = DEFAULT_BUDGET,
  hang_seconds: float | None = None,
) -> dict[str, int]:
  """Labels the rows of a file.

  Args:
    model: the decoder.
    checkpoint: its parameters: MODEL_DIR of a run, one of its steps, a Hugging
      Face folder or a GGUF file.
    questions: the rows, and how they are asked about.
    output_path: the file of JSON lines to write.
    rows_per_part: rows that are labelled before they are written.
    partitioner: spreads the model over devices; None: one device.
    budget: what the shapes of batches are chosen by.
    hang_seconds: the longest that reading everything, or a batch, may take
      until the job is taken for hung, see `watchdog`; None: for ever.

  Returns:
    How many rows have each label; under '' those without one.

  Raises:
    FileNotFoundError: if a file or the checkpoint is missing.
    FileExistsError: if there is another file at `output_path`.
    BlockingIOError: if another process writes it.
    ValueError: if a row, the dataset, the setting or the model do not fit
      together, or the output was begun with something else.
  """
  output = Output(files.path(output_path))
  with contextlib.ExitStack() as stack:
    stack.enter_context(watchdog.Watchdog(hang_seconds))
    asker, source, params = _read(
      model, checkpoint, questions, output, partitioner
    )
    made_by = {
      'path': source.path,
      'step': source.step,
      'fingerprint': fingerprint(model, params),
    }
    parts = [
      asker.rows[start : start + rows_per_part]
      for start in range(0, len(asker.rows), rows_per_part)
    ]
    if jax.process_index() == 0:
      stack.enter_context(output.only_writer())
    if partitioner:
      stack.enter_context(partitioner.activate())
    output.begin(
      asker.record() | {'checkpoint': made_by, 'rows_per_part': rows_per_part}
    )
    _label_parts(_Labeller(model, params, asker, budget), parts, output)
    counts = output.finish(len(parts))
  _say_counts(counts, len(asker.rows), output)
  return counts


def _say_counts(
  counts: Mapping[str, int], num_rows: int, output: Output
) -> None:
  said = ', '.join(
    f'{count:,} {label or "without a label (see reason)"}'
    for label, count in sorted(counts.items(), reverse=True)
  )
  print_line(f'Labelled {num_rows:,} rows: {said}. {output.path}')


def dry_run(
  model: decoder.Decoder,
  checkpoint: str,
  questions: RowQuestions,
  output_path: str,
  partitioner: Partitioner | None = None,
  **others: Any,
) -> None:
  """Reads all that `label_rows` does and shows the first prompt.

  Args:
    model: see `label_rows`, as for the others.
    checkpoint: is read.
    questions: the rows, and how they are asked about.
    output_path: where labels would go.
    partitioner: spreads the model over devices.
    **others: what only the labelling needs.
  """
  del others
  output = Output(files.path(output_path))
  asker, *_ = _read(model, checkpoint, questions, output, partitioner)
  (query,) = asker.ask(asker.rows[:1])
  print_line(query.text if isinstance(query, Query) else f'Row 1: {query}.')
  print_line(
    f'Dry run: labels would go to {output_path}. Nothing was compiled or'
    ' written.'
  )


def _read(
  model: decoder.Decoder,
  checkpoint: str,
  questions: RowQuestions,
  output: Output,
  partitioner: Partitioner | None,
) -> tuple[RowAsker, Checkpoint, Any]:
  """Reads all that is needed, the parameters last; says what is asked."""
  output.check()
  asker = questions.load()
  (source,) = checkpoint_queue.named(checkpoint)
  _say_what_is_asked(asker, questions, source)
  return asker, source, reader(model, partitioner)(source.path)


def _say_what_is_asked(
  asker: RowAsker, questions: RowQuestions, source: Checkpoint
) -> None:
  print_line(
    f'{len(asker.rows):,} rows of {questions.input_path}, labels of'
    f' {asker.spec.name}: {", ".join(asker.spec.labels)}'
  )
  if source.step is None and questions.separator is None:
    print_line(
      f'{source.path} was not trained here and is asked with the separator'
      f' {asker.separator!r} of the settings; a model that never saw it may do'
      " better with SEPARATOR = 'none' or 'chat'."
    )


def _label_parts(
  labeller: '_Labeller',
  parts: Sequence[Sequence[UnlabelledRow]],
  output: Output,
) -> None:
  done = output.finished(len(parts))
  total = sum(map(len, parts))
  countdown = Countdown(total, f'labelling {total:,} rows', 'rows')
  countdown.skip(sum(map(len, itertools.compress(parts, done))))
  if any(done):
    print_line(f'{countdown.done:,.0f} of {total:,} rows are labelled already.')
  for number, part in enumerate(parts):
    if not done[number]:
      output.write(number, labeller.label(part, countdown.advance))
      watchdog.finished(f'part {number + 1} of {len(parts)}')


@dataclasses.dataclass
class _Labeller:
  """Has a model label rows.

  Attributes:
    model: the decoder.
    params: its parameters.
    asker: asks about the rows.
    budget: what the shapes of batches are chosen by.
    layout: the shapes so far.
  """

  model: decoder.Decoder
  params: Any
  asker: RowAsker
  budget: layout_lib.Budget
  layout: layout_lib.Layout | None = None

  def label(
    self, rows: Sequence[UnlabelledRow], advance: Callable[[float], None]
  ) -> list[Record]:
    """Returns the line of each row; `advance` is told of rows, and of parts."""
    asked = self.asker.ask(rows)
    queries = [query for query in asked if isinstance(query, Query)]
    scores = iter(self._scores(queries, advance) if queries else [])
    advance(len(rows) - len(queries))
    return [
      self._record(row, query, next(scores))
      if isinstance(query, Query)
      else _line(row, label=None, reason=query)
      for row, query in zip(rows, asked, strict=True)
    ]

  def _scores(
    self, queries: Sequence[Query], advance: Callable[[float], None]
  ) -> list[np.ndarray]:
    branches = [Branches.of(query) for query in queries]
    tokens_per_row = sum(one.num_tokens for one in branches) / len(queries)
    # Each shape is compiled once: they are kept while rows fit.
    known = self.layout
    if not known or not all(rows_lib.fits(one, known) for one in branches):
      multiple = placement.batch_multiple(self.params)
      known = self.layout = rows_lib.plan(branches, self.budget, multiple)
    return scoring.log_likelihoods(
      self.model,
      self.params,
      queries,
      known,
      lambda num_tokens: advance(num_tokens / tokens_per_row),
    )

  def _record(
    self, row: UnlabelledRow, query: Query, scores: np.ndarray
  ) -> Record:
    metrics.check_finite(query.index, scores.tolist())
    odds = np.exp(scores - scores.max())
    names = self.asker.spec.labels
    options = query.prompt.options if query.prompt else ()
    probabilities = {
      names[option.label]: float(p)
      for option, p in zip(options, odds / odds.sum(), strict=True)
    }
    symbols = {
      names[option.label]: option.text
      for option in options
      if option.category != NATURAL
    }
    best = names[options[int(np.argmax(scores))].label]
    line = _line(row, label=best, probabilities=probabilities)
    return line | {'symbols': symbols} if symbols else line


def _line(row: UnlabelledRow, **found: Any) -> Record:
  return {'row': row.number, **row.kept, 'text': row.text, **found}
