"""Shows prompts and statistics on a terminal, or as plain text elsewhere."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import rich.rule
import rich.table
import rich.text
import seqio

from symbol_tuning.data.prompting import records
from symbol_tuning.inspection.samples import Sample, ShownPrompt
from symbol_tuning.reporting.pages.tables import Cell, Table

_STYLES = {
  records.INSTRUCTION: 'italic magenta',
  records.EXEMPLAR: '',
  records.QUERY: 'bold',
}
_LABEL_STYLES = ('cyan', 'yellow', 'green', 'blue', 'red', 'magenta')
_RIGHT, _WRONG = 'reverse ', 'dim '
_FEATURES = ('inputs', 'targets')
_EOS, _EOS_STYLE = '⟨EOS⟩', 'dim'


def prompt_text(
  shown: ShownPrompt, vocabulary: seqio.Vocabulary
) -> rich.text.Text:
  """Writes a prompt and its targets as the tokens say.

  Exemplars with the same label have it in the same colour, and so has the
  target; of several targets the right one stands out.
  """
  written = rich.text.Text()
  styles: dict[str, int] = {}

  def label_style(label: str) -> str:
    number = styles.setdefault(label.strip(), len(styles))
    return _LABEL_STYLES[number % len(_LABEL_STYLES)]

  query = shown.query
  for piece in _pieces(query, vocabulary):
    is_label = piece.kind == records.LABEL
    style = label_style(piece.text) if is_label else _STYLES[piece.kind]
    written.append(piece.text, _EOS_STYLE if piece.text == _EOS else style)
  for number, target in enumerate(query.options):
    emphasis = _RIGHT if number == query.label else _WRONG
    written.append('\n', '')
    for stretch in _decode(target.tokens, vocabulary):
      is_eos = stretch == _EOS
      style = _EOS_STYLE if is_eos else emphasis + label_style(stretch)
      written.append(stretch, style)
  return written


def _pieces(
  query: records.Query, vocabulary: seqio.Vocabulary
) -> Iterator[records.Piece]:
  """Yields what the tokens of a prompt say, taken apart by its record."""
  for stretch in _decode(query.tokens, vocabulary):
    before, found, after = stretch, '', ''
    if query.prompt:
      before, found, after = stretch.partition(query.prompt.text)
    # Around a prompt there may be a turn of a chat.
    if before:
      kind = records.EXEMPLAR if found else records.QUERY
      yield records.Piece(kind, before)
    if found and query.prompt:
      yield from query.prompt.pieces()
    if after:
      yield records.Piece(records.EXEMPLAR, after)


def _decode(tokens: np.ndarray, vocabulary: seqio.Vocabulary) -> Iterator[str]:
  """Yields the text between ends of sequence, and those as _EOS."""
  ends = np.flatnonzero(tokens == vocabulary.eos_id)
  for number, stretch in enumerate(np.split(tokens, ends)):
    if number:
      yield _EOS
      stretch = stretch[1:]
    if len(stretch):
      yield vocabulary.decode(stretch.tolist())


def heading(shown: ShownPrompt, task: str) -> rich.rule.Rule:
  """Names a prompt's task and says how long it is."""
  lengths = {len(option.tokens) for option in shown.query.options}
  targets = ' or '.join(map(str, sorted(lengths)))
  exemplars = f'{shown.num_exemplars} exemplars'
  if shown.num_exemplars < shown.num_drawn:
    exemplars = f'{shown.num_exemplars} of {shown.num_drawn} exemplars'
  title = rich.text.Text(
    f'{task} · {exemplars} · {len(shown.query.tokens)} + {targets} tokens'
  )
  return rich.rule.Rule(title, align='left')


def prompts_table(samples: Sequence[Sample], shares: Sequence[float]) -> Table:
  """Returns what is counted of each task's prompts.

  Its columns are the task's share of the mixture, the prompts counted, the
  queries dropped because they were too long, the share of prompts that had
  exemplars dropped, the mean number of exemplars and the different labels, or
  symbols, that were seen.

  Args:
    samples: one of each task.
    shares: of the tasks in their mixture.
  """
  rows = []
  for sample, share in zip(samples, shares, strict=True):
    num_prompts = len(sample.prompts)
    row = (
      sample.task,
      f'{share:.1%}',
      f'{num_prompts:,}',
      f'{sample.num_dropped:,}',
      _ratio(sample.num_shortened, num_prompts, '.0%'),
      _ratio(sample.num_exemplars, num_prompts, '.1f'),
      f'{len(sample.labels):,}',
    )
    rows.append(row)
  header = ['task', 'share', 'read', 'dropped', 'shortened', 'shots', 'labels']
  return Table('Prompts', header, _cells(rows))


def tokens_table(
  samples: Sequence[Sample], shares: Sequence[float], limits: Mapping[str, int]
) -> Table:
  """Returns how long the inputs and targets of each task are, in tokens."""
  inputs = [sample.input_lengths for sample in samples]
  targets = [sample.target_lengths for sample in samples]
  rows = [
    (sample.task, *_mean_and_most(i), *_mean_and_most(t))
    for sample, i, t in zip(samples, inputs, targets, strict=True)
  ]
  if len(samples) > 1:
    means = (_mixed_mean(lengths, shares) for lengths in (inputs, targets))
    mean_inputs, mean_targets = (f'{mean:,.0f}' for mean in means)
    rows.append(('mixed by share', mean_inputs, '', mean_targets, ''))
  most = (f'{limits[k]:,}' if k in limits else '–' for k in _FEATURES)
  most_inputs, most_targets = most
  rows.append(('limit', '', most_inputs, '', most_targets))
  header = ('task', 'inputs, mean', 'most', 'targets, mean', 'most')
  return Table('Tokens', header, _cells(rows))


def _mean_and_most(lengths: np.ndarray) -> tuple[str, str]:
  if not len(lengths):
    return '–', '–'
  return f'{lengths.mean():,.0f}', f'{lengths.max():,}'


def _mixed_mean(
  lengths: Sequence[np.ndarray], shares: Sequence[float]
) -> float:
  """The mean over the mixture, of the tasks that have prompts."""
  present = [
    (a.mean(), s) for a, s in zip(lengths, shares, strict=True) if len(a)
  ]
  means, weights = zip(*present, strict=True)
  return float(np.average(means, weights=weights))


def classes_table(samples: Sequence[Sample]) -> Table:
  """Returns how the queries of each task are spread over its classes."""
  rows = []
  for sample in samples:
    counts = sample.class_counts
    total = sum(counts.values())
    balance = ', '.join(
      f'{name} {_ratio(count, total, ".0%")}' for name, count in counts.items()
    )
    if balance:
      rows.append([sample.task, balance])
  return Table('Classes of the queries', ['task', 'share'], _cells(rows))


def _ratio(number: int, of: int, form: str) -> str:
  return format(number / of, form) if of else '–'


def _cells(rows: Sequence[Sequence[str]]) -> list[list[Cell]]:
  return [[Cell(text) for text in row] for row in rows]
