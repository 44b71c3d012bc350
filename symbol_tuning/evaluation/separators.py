"""Which separator a checkpoint is asked with: the one that is best for it.

A model answers worse behind a separator that it has never seen, and whoever
compares it with one that was tuned on that separator would measure this. So a
checkpoint may be asked with the separator that it does best with ('best'). The
choice is measured on queries that are not reported, others of the validation
splits, over all mixtures of the evaluation alike; datasets that are reported
whole have no other queries and sit out. If all are, the choice is made on the
reported queries, which can only flatter the checkpoint.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from symbol_tuning.data import settings as data_settings
from symbol_tuning.data.prompting import frames
from symbol_tuning.evaluation import results
from symbol_tuning.evaluation.record import Checkpoint
from symbol_tuning.evaluation.suite import Suite

BEST = 'best'

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


def choose(
  load: Callable[[str], Suite],
  load_others: Callable[[str], Suite | None],
  measure: Callable[[Suite, str], results.Summary],
) -> BestSeparator:
  """Measures every separator that the vocabulary supports.

  Args:
    load: loads what is reported, with a separator.
    load_others: loads other queries, with a separator; None if there are none.
    measure: evaluates a suite; also given the name of its separator.

  Returns:
    The separator with the highest accuracy, averaged over mixtures; of equal
    ones the first, and the paper's is before others.
  """
  candidates: dict[str, float] = {}
  asked: dict[str, None] = {}
  for name in frames.supported(data_settings.vocabulary()):
    others = load_others(name)
    suite = others or load(name)
    summary = measure(suite, name)
    mixtures = [summary.mixtures[mixture] for mixture in suite.mixtures]
    candidates[name] = sum(m.accuracy for m in mixtures) / len(mixtures)
    kind = 'not reported' if others else 'reported: there are no others'
    asked[f'{sum(m.num_queries for m in mixtures)}, {kind}'] = None
  best = max(candidates, key=lambda name: candidates[name])
  return BestSeparator(best, candidates, ' / '.join(asked))
