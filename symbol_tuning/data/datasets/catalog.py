"""The 33 datasets of symbol tuning: 22 to tune on, eleven to evaluate on.

From Wei et al. (2023), arXiv 2305.08298: the choice of datasets, their codes
and their numbers of classes; templates and instructions are ours. To add a
dataset, add its `DatasetSpec` to `catalog_tuning` or `catalog_evaluation`.
"""

import difflib
from collections.abc import Iterable

from symbol_tuning.data.datasets.catalog_evaluation import EVALUATION_DATASETS
from symbol_tuning.data.datasets.catalog_tuning import TUNING_DATASETS
from symbol_tuning.data.datasets.spec import (
  DatasetSpec,
  HubLocation,
  TfdsLocation,
)

__all__ = [
  'CATALOG',
  'DatasetSpec',
  'HubLocation',
  'TfdsLocation',
  'evaluation_datasets',
  'flipped_datasets',
  'get',
  'natural_label_words',
  'random_guess_accuracy',
  'tuning_datasets',
]

CATALOG: dict[str, DatasetSpec] = {
  spec.name: spec for spec in (*TUNING_DATASETS, *EVALUATION_DATASETS)
}


def tuning_datasets() -> tuple[DatasetSpec, ...]:
  """The datasets that models are tuned on."""
  return TUNING_DATASETS


def evaluation_datasets() -> tuple[DatasetSpec, ...]:
  """The held-out datasets of the in-context settings."""
  return EVALUATION_DATASETS


def flipped_datasets() -> tuple[DatasetSpec, ...]:
  """The evaluation datasets of two classes, whose labels can be flipped."""
  return tuple(spec for spec in EVALUATION_DATASETS if spec.num_classes == 2)


def get(name: str) -> DatasetSpec:
  """The dataset of that name.

  Raises:
    ValueError: there is none; the message gives the near names.
  """
  if name in CATALOG:
    return CATALOG[name]
  near = difflib.get_close_matches(name.lower(), CATALOG) or sorted(CATALOG)
  raise ValueError(
    f'The catalog has no dataset {name!r}. Did you mean: {", ".join(near)}?'
  )


def random_guess_accuracy(specs: Iterable[DatasetSpec]) -> float:
  """The mean accuracy (0–1) of guessing a class at random in each dataset."""
  chances = [1 / spec.num_classes for spec in specs]
  return sum(chances) / len(chances)


def natural_label_words() -> frozenset[str]:
  """All natural labels and the words in them: symbols must be none of these."""
  return frozenset().union(*(spec.label_words for spec in CATALOG.values()))
