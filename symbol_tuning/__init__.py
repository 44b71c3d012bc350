"""Symbol tuning: finetune language models to learn better in context.

The method is that of Wei et al. (2023), "Symbol tuning improves in-context
learning in language models", arXiv 2305.08298.

From Python, without gin (`help(symbol_tuning.api)` has an example):

    dataset    a dataset of the catalog, or one of your own
    prompts    its evaluation prompts in one of five settings
    load       a checkpoint: ours, Hugging Face's or GGUF
    score      has a model rank the label options of prompts
    evaluate   evaluates models on mixtures and writes the results
    report     tables and figures of results

Whole runs are programs with gin files: `python -m symbol_tuning.train`, `eval`,
`report`, `infer`, `convert`, `cache_tasks`, `inspect_tasks`, `precompile`,
`export_mixture` and `export_lm_eval`.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = '0.1.0'

# What `api` offers; it is imported when the first of it is used.
_API = [
  'Dataset', 'DatasetSpec', 'FirstAvailable', 'HubSource', 'LocalSource',
  'Model', 'Prediction', 'Prompt', 'Query', 'Report', 'Results', 'Source',
  'SyntheticSource', 'TfdsSource', 'dataset', 'evaluate', 'load', 'prompts',
  'report', 'score',
]  # fmt: skip

if TYPE_CHECKING:
  from symbol_tuning.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
  """Finds the functions of `api` when they are first used.

  Programs that need neither TensorFlow nor SeqIO import this package too.
  """
  if name in _API:
    return getattr(importlib.import_module('symbol_tuning.api'), name)
  raise AttributeError(f'symbol_tuning has no {name!r}.')


def __dir__() -> list[str]:
  return [*globals(), *_API]
