"""Mixtures: tuning stages, in-context settings and the algorithmic tasks.

Tuning datasets are mixed in proportion to their sizes, each capped at
DataSettings.max_examples (Wei et al., 2023, section 3.1). Mixtures of fewer
datasets, by task type, serve to measure what their number matters.
"""

import itertools
from collections.abc import Iterable

import seqio

from symbol_tuning.data import settings
from symbol_tuning.data.algorithmic import list_functions
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.tasks import algorithmic, registration
from symbol_tuning.tasks.registration import number_of_examples

# Mixtures are made of their tasks.
__all__ = ['algorithmic', 'registration']


def symbol_rate(task: seqio.Task) -> float:
  """The rate of a symbol tuning task beside instruction tuning tasks."""
  share = 1 - settings.current().instruction_share
  return share * number_of_examples(task)


def instruction_rate(task: seqio.Task) -> float:
  """The rate of an instruction tuning task beside symbol tuning tasks."""
  share = settings.current().instruction_share
  return share * number_of_examples(task)


def add_tuning(name: str, specs: Iterable[catalog.DatasetSpec]) -> None:
  """Registers `symbol_tuning<name>` and `instruction_tuning<name>`."""
  names = [spec.name for spec in specs]
  for stage in registration.TUNING_STAGES:
    seqio.MixtureRegistry.add(
      f'{stage}{name}',
      [f'{stage}_{dataset}' for dataset in names],
      default_rate=number_of_examples,
    )


def of_many_types(number: int) -> list[catalog.DatasetSpec]:
  """Returns some tuning datasets, of as many task types as there can be.

  They are dealt out type by type, so that fewer are always among more.
  """
  by_type = {}
  for spec in catalog.TUNING_DATASETS:
    by_type.setdefault(spec.task_type, []).append(spec)
  rounds = itertools.zip_longest(*by_type.values())
  dealt = [spec for one in rounds for spec in one if spec is not None]
  return dealt[:number]


add_tuning('', catalog.TUNING_DATASETS)

task_types = tuple(
  dict.fromkeys(spec.task_type for spec in catalog.TUNING_DATASETS)
)
for number, task_type in enumerate(task_types, start=1):
  add_tuning(
    f'_{task_type}',
    [s for s in catalog.TUNING_DATASETS if s.task_type == task_type],
  )
  add_tuning(
    f'_{number}_task_types',
    [s for s in catalog.TUNING_DATASETS if s.task_type in task_types[:number]],
  )

for number in (1, 2, 4, 8, 16):
  add_tuning(f'_{number}_datasets', of_many_types(number))

seqio.MixtureRegistry.add(
  'symbol_and_instruction_tuning',
  [(f'symbol_tuning_{s.name}', symbol_rate) for s in catalog.TUNING_DATASETS]
  + [
    (f'instruction_tuning_{s.name}', instruction_rate)
    for s in catalog.TUNING_DATASETS
  ],
)

for setting in icl_settings.registered():
  registration.add_icl_mixture(setting)

for origin in ('', 'bigbench_'):
  seqio.MixtureRegistry.add(
    f'{origin}list_functions',
    [f'{origin}list_functions_{c}' for c in list_functions.CATEGORIES],
    default_rate=1.0,
  )
  seqio.MixtureRegistry.add(
    f'{origin}turing_concepts',
    [f'{origin}turing_concepts_at_most_3'],
    default_rate=1.0,
  )
