"""Mixtures: tuning stages, in-context settings and the algorithmic tasks.

Tuning datasets are mixed in proportion to their sizes, each capped at
DataSettings.max_examples (Wei et al., 2023, section 3.1). Mixtures of fewer
datasets, by task type, serve to measure what their number matters.
"""

import itertools

import seqio

from symbol_tuning.data import settings
from symbol_tuning.data.algorithmic import list_functions
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.datasets.catalog_tuning import BY_TASK_TYPE
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.tasks import algorithmic, registration
from symbol_tuning.tasks.registration import (
  add_tuning_mixtures,
  number_of_examples,
)

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


def of_many_types(number: int) -> list[catalog.DatasetSpec]:
  """Returns some tuning datasets, of as many task types as there can be.

  They are dealt out type by type, so that fewer are always among more.
  """
  rounds = itertools.zip_longest(*BY_TASK_TYPE.values())
  dealt = filter(None, itertools.chain(*rounds))
  return list(itertools.islice(dealt, number))


add_tuning_mixtures('', catalog.TUNING_DATASETS)

of_first_types: list[catalog.DatasetSpec] = []
for number, (task_type, specs) in enumerate(BY_TASK_TYPE.items(), 1):
  of_first_types += specs
  add_tuning_mixtures(f'_{task_type}', specs)
  add_tuning_mixtures(f'_{number}_task_types', of_first_types)

for number in (1, 2, 4, 8, 16):
  add_tuning_mixtures(f'_{number}_datasets', of_many_types(number))

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
