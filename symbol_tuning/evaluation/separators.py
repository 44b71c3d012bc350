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
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.suite import Suite

BEST = 'best'
FEWEST_QUERIES = 4  # of a task behind each separator: fewer tell nothing

Separator = str | Mapping[str, str] | None


@dataclasses.dataclass(frozen=True)
class BestSeparator:
  """A separator, and what was measured to choose it.

  Attributes:
    separator: its name, see `settings.DataSettings`.
    candidates: the average accuracy with each, in percent.
    queries: what the candidates were asked.
  """

  separator: str
  candidates: Mapping[str, float]
  queries: str

  def __str__(self) -> str:
    measured = ', '.join(
      f'{name} {accuracy:.1f} %' for name, accuracy in self.candidates.items()
    )
    return f'separator {self.separator} (measured: {measured})'

  @property
  def settings(self) -> dict[str, object]:
    """The choice, for the record of an evaluation."""
    return {
      'separator': self.separator,
      'separator_candidates': dict(self.candidates),
      'separator_queries': self.queries,
    }


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


def announcement(label: str, num_tasks: int, num_queries: int) -> str:
  """Returns a line that says what a choice will cost, and how to skip it.

  Args:
    label: of the checkpoint.
    num_tasks: how many tasks are asked.
    num_queries: of each task, behind each separator.
  """
  names = frames.supported(data_settings.vocabulary())
  return (
    f'{label} · choosing the best separator of {", ".join(names)} by at most'
    f' {len(names)} x {num_tasks} x {num_queries} ='
    f' {len(names) * num_tasks * num_queries} queries;'
    f' --gin.SEPARATOR="\'{names[-1]}\'" skips this'
  )


def choose(
  load: Callable[[str], Suite],
  load_others: Callable[[str], Suite | None],
  measure: Callable[[Suite, str], results.Summary],
  num_queries: int,
) -> BestSeparator:
  """Measures every separator that the vocabulary supports.

  Args:
    load: loads what is reported, with a separator.
    load_others: loads other queries, with a separator; None if there are none.
    measure: evaluates a suite; also given the name of its separator.
    num_queries: the most of each task, where reported ones are asked.

  Returns:
    The separator with the highest accuracy, averaged over mixtures; of equal
    ones the first, and the paper's is before others.
  """
  candidates: dict[str, float] = {}
  asked: dict[str, None] = {}
  for name in frames.supported(data_settings.vocabulary()):
    others = load_others(name)
    suite = others or load(name).first(num_queries)
    summary = measure(suite, name)
    mixtures = [summary.mixtures[mixture] for mixture in suite.mixtures]
    candidates[name] = sum(m.accuracy for m in mixtures) / len(mixtures)
    kind = 'not reported' if others else 'reported: there are no others'
    asked[f'{sum(m.num_queries for m in mixtures)}, {kind}'] = None
  best = max(candidates, key=lambda name: candidates[name])
  return BestSeparator(best, candidates, ' / '.join(asked))
