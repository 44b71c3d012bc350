"""The 33 datasets of symbol tuning: 22 to tune on, eleven to evaluate on.

From Wei et al. (2023), arXiv 2305.08298: the choice of datasets, their codes
and their numbers of classes; templates and instructions are ours. To add a
dataset, add its `DatasetSpec` to `catalog_tuning` or `catalog_evaluation`.
"""

import difflib

from symbol_tuning.data.datasets.catalog_evaluation import EVALUATION_DATASETS
from symbol_tuning.data.datasets.catalog_tuning import TUNING_DATASETS
from symbol_tuning.data.datasets.spec import DatasetSpec

CATALOG: dict[str, DatasetSpec] = {
  spec.name: spec for spec in (*TUNING_DATASETS, *EVALUATION_DATASETS)
}


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


def natural_label_words() -> frozenset[str]:
  """All natural labels and the words in them: symbols must be none of these."""
  return frozenset().union(*(spec.label_words for spec in CATALOG.values()))
