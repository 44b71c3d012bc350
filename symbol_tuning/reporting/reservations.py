"""What a reader must know before comparing checkpoints."""

from collections.abc import Callable, Iterator, Sequence

from symbol_tuning.reporting import comparison
from symbol_tuning.reporting.outcomes import Checkpoint, Outcome
from symbol_tuning.reporting.tables import MISSING, words

# May differ: a checkpoint is asked in the way that is best for it.
_OWN_CHOICE = 'separator'
_NOT_COMPARED = frozenset(
  {_OWN_CHOICE, 'separator_candidates', 'separator_queries'}
)


def reservations(checkpoints: Sequence[Checkpoint]) -> list[str]:
  """What differs between checkpoints beside their parameters, in sentences."""
  return [
    *_settings(checkpoints),
    *_separators(checkpoints),
    *_missing_tasks(checkpoints),
    *_other_queries(checkpoints),
    *_other_exemplars(checkpoints),
  ]


def _settings(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
  names = dict.fromkeys(
    name for one in checkpoints for name in one.run.summary.settings
  )
  for name in names:
    if name not in _NOT_COMPARED and _differs(checkpoints, name):
      yield (
        f'Checkpoints were evaluated with different {name}:'
        f' {_by_checkpoint(checkpoints, name)}.'
      )


def _separators(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
  if _differs(checkpoints, _OWN_CHOICE):
    yield (
      'What stands between prompt and label differs, as each checkpoint is to'
      ' be asked in the way that is best for it:'
      f' {_by_checkpoint(checkpoints, _OWN_CHOICE)}.'
    )


def _differs(checkpoints: Sequence[Checkpoint], name: str) -> bool:
  first, *others = (one.run.summary.settings.get(name) for one in checkpoints)
  return any(value != first for value in others)


def _by_checkpoint(checkpoints: Sequence[Checkpoint], name: str) -> str:
  return '; '.join(
    f'{one.label} {words(one.run.summary.settings.get(name, MISSING))}'
    for one in checkpoints
  )


def _missing_tasks(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
  for mixture in comparison.mixtures_of(checkpoints):
    shared = comparison.shared_tasks(checkpoints, mixture)
    names = comparison.task_names(checkpoints, mixture)
    missing = [name for name in names if name not in shared]
    if missing:
      yield (
        f'The average of {comparison.setting_name(mixture)} leaves out'
        f' {", ".join(missing)}, which not every checkpoint has.'
      )


def _other_queries(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
  for first, other, mixtures in _where(
    lambda one, other: one.queries != other.queries, checkpoints
  ):
    yield (
      f'{first} and {other} had other queries in {mixtures}: their differences'
      ' there cannot be paired, so that their intervals are wider, and part of'
      ' a difference may be due to the queries.'
    )


def _other_exemplars(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
  for first, other, mixtures in _where(
    lambda one, other: (
      one.queries == other.queries and one.prompts != other.prompts
    ),
    checkpoints,
  ):
    yield (
      f'{first} and {other} read other prompts to the same queries in'
      f' {mixtures}: part of a difference may be due to the exemplars.'
    )


def _where(
  differ: Callable[[Outcome, Outcome], bool], checkpoints: Sequence[Checkpoint]
) -> Iterator[tuple[str, str, str]]:
  """Yields the first checkpoint, another, and settings in which they differ."""
  first, *others = checkpoints
  for other in others:
    mixtures = [
      comparison.setting_name(mixture)
      for mixture in comparison.mixtures_of([first, other])
      if any(
        differ(first.tasks(mixture)[task], outcome)
        for task, outcome in other.tasks(mixture).items()
        if task in first.tasks(mixture)
      )
    ]
    if mixtures:
      yield first.label, other.label, ', '.join(mixtures)
