"""Benchmarks of which the catalog has several datasets, and where they are.

Each function returns what the `DatasetSpec` of a member begins with.
"""

from typing import Any

from symbol_tuning.data.datasets.spec import (
  CONVERTED,
  SAME_SPLITS,
  HubLocation,
  Pairs,
  TfdsLocation,
)

TEST_AS_VALIDATION = (('train', 'train'), ('validation', 'test'))
MATCHED = (('train', 'train'), ('validation', 'validation_matched'))


def glue(task: str, splits: Pairs = SAME_SPLITS) -> dict[str, Any]:
  """GLUE (Wang et al., 2018, arXiv 1804.07461)."""
  return {
    'name': task,
    'hub': HubLocation('nyu-mll/glue', task, splits),
    'tfds': TfdsLocation(f'glue/{task}', splits),
  }


def super_glue(name: str, task: str) -> dict[str, Any]:
  """SuperGLUE (Wang et al., 2019, arXiv 1905.00537)."""
  return {
    'name': name,
    'hub': HubLocation('aps/super_glue', task),
    'tfds': TfdsLocation(f'super_glue/{task}'),
  }


def tweet_eval(name: str, task: str) -> dict[str, Any]:
  """TweetEval (Barbieri et al., 2020, arXiv 2010.12421)."""
  return {
    'name': name,
    'hub': HubLocation('cardiffnlp/tweet_eval', task),
    'local': f'tweet_eval_{task}',
    'template': '{text}',
  }


def raft(name: str, task: str, *labels: str) -> dict[str, Any]:
  """RAFT (Alex et al., 2021, arXiv 2109.14076).

  Its test labels are not public: its 50 labelled training rows are all there
  is, and serve as the validation split too. It counts labels from 1; 0 is
  "Unlabeled".
  """
  splits = (('train', 'train'), ('validation', 'train'))
  return {
    'name': name,
    'hub': HubLocation('ought/raft', task, splits, revision=CONVERTED),
    'local': task,
    'labels': labels,
    'label_column': 'Label',
    'label_values': tuple(range(1, len(labels) + 1)),
  }
