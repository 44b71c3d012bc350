"""Which separator a checkpoint is asked with: the one that is best for it.

A model answers worse behind a separator that it has never seen, and whoever
compares it with one that was tuned on that separator would measure this. So a
checkpoint may be asked with the separator that it does best with ('best'). The
choice is measured on queries that are not reported, others of the validation
splits, over all mixtures of the evaluation alike; datasets that are reported
whole have no other queries and sit out. If all are, the choice is made on the
reported queries, which can only flatter the checkpoint. All separators together
are asked about as many queries as are reported, and no more.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from symbol_tuning.data import settings as data_settings
from symbol_tuning.data.prompting import frames
from symbol_tuning.evaluation import results
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.suite import Suite

BEST = 'best'
FEWEST_QUERIES = 4  # of a task behind each separator: fewer tell nothing

Separator = str | Mapping[str, str] | None


def check(separator: Separator, labels: Sequence[str] | None) -> None:
  """Refuses what cannot be asked, before anything is loaded.

  Args:
    separator: see `wanted`.
    labels: of the checkpoints; None if they are not known.

  Raises:
    ValueError: if a name is unknown, the vocabulary does not support it, or a
      checkpoint has none.
  """
  if isinstance(separator, Mapping):
    if labels is None:
      raise ValueError(
        'SEPARATOR is given by label, but the labels of the checkpoints to'
        ' come are not known: give one name for all.'
      )
    if set(separator) != set(labels):
      raise ValueError(
        f'SEPARATOR names the labels {", ".join(separator)}, and the'
        f' checkpoints are {", ".join(labels)}: name each once.'
      )
  names = separator if isinstance(separator, Mapping) else {'': separator}
  for name in names.values():
    if name is not None and name != BEST:
      frames.of(name, data_settings.vocabulary())


def wanted(separator: Separator, checkpoint: Checkpoint) -> str:
  """Returns the separator that a checkpoint is to be asked with, or 'best'.

  Args:
    separator: a name, or names by the labels of checkpoints. None means that
      of the data settings for checkpoints of this framework's training, which
      were tuned with it, and 'best' for all others.
    checkpoint: the one asked.
  """
  if isinstance(separator, Mapping):
    return separator[checkpoint.label]
  if separator is not None:
    return separator
  return BEST if checkpoint.step is None else data_settings.current().separator


def queries_of_task(most: int) -> int:
  """Returns how many queries of a task are asked behind each separator.

  So few that all separators together are asked no more of a task than is
  reported of it, but at least `FEWEST_QUERIES`.

  Args:
    most: the most, however many are reported.
  """
  reported = data_settings.current().evaluation_queries
  share = reported // len(frames.supported(data_settings.vocabulary()))
  return min(most, max(share, FEWEST_QUERIES))


def choose(
  label: str,
  num_tasks: int,
  most: int,
  load: Callable[[str], Suite],
  load_others: Callable[[str, int], Suite | None],
  measure: Callable[[Suite, str], results.Summary],
) -> Suite:
  """Measures every separator that the vocabulary supports.

  What that will cost, how it is skipped and what was found is printed.

  Args:
    label: of the checkpoint, which lines begin with.
    num_tasks: how many tasks are asked.
    most: the most queries of each task, see `queries_of_task`.
    load: loads what is reported, with a separator.
    load_others: loads other queries, with a separator and the most of a task;
      None if there are none.
    measure: evaluates a suite; also given the name of its separator.

  Returns:
    What is reported, with the separator of the highest accuracy, averaged over
    mixtures; of equal ones the first, and the paper's is before others. Its
    settings tell the accuracy with each, and what was asked.
  """
  names = frames.supported(data_settings.vocabulary())
  num_queries = queries_of_task(most)
  print_line(
    f'{label} · choosing the best separator of {", ".join(names)} by at most'
    f' {len(names)} x {num_tasks} x {num_queries} ='
    f' {len(names) * num_tasks * num_queries} queries;'
    f' --gin.SEPARATOR="\'{names[-1]}\'" skips this'
  )
  candidates: dict[str, float] = {}
  asked: dict[str, None] = {}
  for name in names:
    others = load_others(name, num_queries)
    suite = others or load(name).first(num_queries)
    summary = measure(suite, name)
    mixtures = [summary.mixtures[mixture] for mixture in suite.mixtures]
    candidates[name] = sum(m.accuracy for m in mixtures) / len(mixtures)
    kind = 'not reported' if others else 'reported: there are no others'
    asked[f'{sum(m.num_queries for m in mixtures)}, {kind}'] = None
  best = max(candidates, key=candidates.__getitem__)
  told = ', '.join(f'{name} {one:.1f} %' for name, one in candidates.items())
  print_line(f'{label} · separator {best} (measured: {told})')
  suite = load(best)
  choice = {
    'separator_candidates': candidates,
    'separator_queries': ' / '.join(asked),
  }
  return dataclasses.replace(suite, settings={**suite.settings, **choice})
