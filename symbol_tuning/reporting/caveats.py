"""What a reader must know before comparing checkpoints."""

from collections.abc import Callable, Iterator, Sequence

from symbol_tuning.reporting import comparison
from symbol_tuning.reporting.outcomes import (
  Evaluated,
  Outcome,
  RankedOutcome,
  titles,
)
from symbol_tuning.reporting.pages.tables import MISSING, words

_SEPARATOR = 'separator'
# Tell how the separator was chosen.
_NOT_COMPARED = ('separator_candidates', 'separator_queries')


def caveats(checkpoints: Sequence[Evaluated]) -> list[str]:
  """What differs between checkpoints beside their parameters, in sentences."""
  return [
    *_settings(checkpoints),
    *_missing_tasks(checkpoints),
    *_other_queries(checkpoints),
    *_other_exemplars(checkpoints),
    *_few_classes(checkpoints),
    *_dropped(checkpoints),
  ]


def _settings(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
  settings = [one.summary.settings for one in checkpoints]
  for name in dict.fromkeys(name for own in settings for name in own):
    values = [own.get(name) for own in settings]
    if name in _NOT_COMPARED or all(value == values[0] for value in values):
      continue
    told = '; '.join(
      f'{one.label} {words(one.summary.settings.get(name, MISSING))}'
      for one in checkpoints
    )
    if name == _SEPARATOR:
      yield (
        'What stands between prompt and label differs, as each checkpoint is to'
        f' be asked in the way that is best for it: {told}.'
      )
    else:
      yield f'Checkpoints were evaluated with different {name}: {told}.'


def _missing_tasks(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
  for mixture, title in titles(checkpoints).items():
    shared = comparison.shared_tasks(checkpoints, mixture)
    names = comparison.task_names(checkpoints, mixture)
    missing = [name for name in names if name not in shared]
    if missing:
      yield (
        f'The average of {title} leaves out'
        f' {", ".join(missing)}, which not every checkpoint has.'
      )


def _other_queries(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
  for first, other, mixtures in _where(
    lambda one, other: one.queries != other.queries, checkpoints
  ):
    yield (
      f'{first} and {other} had other queries in {mixtures}: their differences'
      ' there cannot be paired, so that their intervals are wider, and part of'
      ' a difference may be due to the queries.'
    )


def _other_exemplars(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
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


def _few_classes(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
  shown = {
    outcome.dataset: (ranked.num_options_Q, ranked.num_classes)
    for outcome in _outcomes(checkpoints)
    if isinstance(outcome, RankedOutcome)
    and (ranked := outcome.ranked)
    and (ranked.num_options_Q < ranked.num_classes).any()
  }
  for dataset, (num_options_Q, num_classes) in shown.items():
    counts = dict.fromkeys([num_options_Q.min(), num_options_Q.max()])
    yield (
      f'Prompts of {dataset} show {"–".join(map(str, counts))} of'
      f' {num_classes} classes, as more do not fit: the options are those that'
      ' are shown, and its accuracy is that of choosing among them.'
    )


def _dropped(checkpoints: Sequence[Evaluated]) -> Iterator[str]:
  counts: dict[str, int] = {}
  for outcome in _outcomes(checkpoints):
    if outcome.num_dropped:
      most = max(outcome.num_dropped, counts.get(outcome.dataset, 0))
      counts[outcome.dataset] = most
  if counts:
    yield (
      'Some queries could not be asked, as they leave no room for an exemplar'
      ' of their class: '
      + ', '.join(f'{name} {count}' for name, count in counts.items())
      + ' (the most in a setting).'
    )


def _outcomes(checkpoints: Sequence[Evaluated]) -> Iterator[Outcome]:
  for one in checkpoints:
    for tasks in one.mixtures.values():
      yield from tasks.values()


def _where(
  differ: Callable[[Outcome, Outcome], bool], checkpoints: Sequence[Evaluated]
) -> Iterator[tuple[str, str, str]]:
  """Yields the first checkpoint, another, and settings in which they differ."""
  first, *others = checkpoints
  for other in others:
    mixtures = [
      title
      for mixture, title in titles([first, other]).items()
      if any(
        differ(first.tasks(mixture)[task], outcome)
        for task, outcome in other.tasks(mixture).items()
        if task in first.tasks(mixture)
      )
    ]
    if mixtures:
      yield first.label, other.label, ', '.join(mixtures)
