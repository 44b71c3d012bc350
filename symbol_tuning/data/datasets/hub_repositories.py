"""Datasets on the Hugging Face hub: reached within seconds, described by name.

What a repository says of its columns is enough for most of a declaration:

    python -m symbol_tuning.describe_dataset SetFit/subj
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from symbol_tuning.data.datasets.spec import DatasetSpec, HubLocation

_TIMEOUT = 5.0  # seconds to wait for an answer of the hub
_INSTRUCTION = 'Say in your own words what is asked, and name no label.'


@contextlib.contextmanager
def answering(repository: str) -> Iterator[None]:
  """Has `datasets` read its cache at once where the hub does not answer.

  By itself it asks the hub again and again for half a minute.
  """
  import datasets  # Takes seconds.
  import huggingface_hub

  try:
    huggingface_hub.HfApi().dataset_info(repository, timeout=_TIMEOUT)
    is_reached = True
  except huggingface_hub.errors.RepositoryNotFoundError:
    is_reached = True  # `datasets` says it better.
  except Exception:  # of requests, httpx, or the library's own
    is_reached = False
  switches = (vars(datasets.config), vars(huggingface_hub.constants))
  before = [switch['HF_HUB_OFFLINE'] for switch in switches]
  try:
    if not is_reached:
      for switch in switches:
        switch['HF_HUB_OFFLINE'] = True
    yield
  finally:
    for switch, value in zip(switches, before, strict=True):
      switch['HF_HUB_OFFLINE'] = value


def describe(repository: str, configuration: str | None = None) -> DatasetSpec:
  """Returns a declaration from a repository's splits and columns.

  Args:
    repository: `owner/name`, or a folder that is laid out like one.
    configuration: which of its datasets, where it has several.

  Raises:
    ConnectionError: if it cannot be read.
    ValueError: if its columns do not tell which is the label, or which the
      text.
  """
  import datasets

  try:
    with answering(repository):
      loaded = datasets.load_dataset(repository, name=configuration)
  except Exception as error:
    raise ConnectionError(
      f'The hub repository {repository} could not be read'
      f' ({type(error).__name__}: {error}). Without a network, declare the'
      ' dataset by hand (tasks/README.md) and name the folder of its rows in'
      ' SYMBOL_TUNING_DATA_ROOT.'
    ) from error
  features = next(iter(loaded.values())).features
  label, names = _label(repository, features)
  texts = [
    name
    for name, feature in features.items()
    if getattr(feature, 'dtype', None) in ('string', 'large_string')
    and name != label
  ]
  if not texts:
    raise ValueError(
      f'{repository} has no column of text: {_listed(features)}.'
    )
  return DatasetSpec(
    name=re.sub('[^a-z0-9]+', '_', repository.split('/')[-1].lower()).strip(
      '_'
    ),
    template=_template(texts),
    labels=names,
    instruction=_INSTRUCTION,
    label_column=label,
    hub=HubLocation(repository, configuration, _splits(repository, loaded)),
  )


def _label(repository: str, features: Any) -> tuple[str, tuple[str, ...]]:
  import datasets

  found = [
    (name, tuple(feature.names))
    for name, feature in features.items()
    if isinstance(feature, datasets.ClassLabel)
  ]
  if len(found) != 1:
    raise ValueError(
      f'{repository} has {len(found)} columns of class labels, so that which'
      f' one is asked for is yours to say: {_listed(features)}. Declare the'
      ' dataset by hand; tasks/README.md shows how.'
    )
  return found[0]


def _template(texts: list[str]) -> str:
  if len(texts) == 1:
    return f'{{{texts[0]}}}'
  return '\n'.join(
    f'{text.replace("_", " ").capitalize()}: {{{text}}}' for text in texts
  )


def _splits(repository: str, loaded: Any) -> tuple[tuple[str, str], ...]:
  """The split of training and that of evaluation."""
  if 'train' not in loaded:
    raise ValueError(
      f'{repository} has no split "train", but {", ".join(loaded)}.'
    )
  others = [name for name in ('validation', 'dev', 'test') if name in loaded]
  return (('train', 'train'), ('validation', (others or ['train'])[0]))


def _listed(features: Any) -> str:
  return ', '.join(f'{name} ({kind})' for name, kind in features.items())


def source_code(spec: DatasetSpec) -> str:
  """Returns a module that registers a dataset, to be saved and mended."""
  hub = spec.hub
  assert hub is not None
  return f"""from symbol_tuning import tasks
from symbol_tuning.data.spec import DatasetSpec, HubLocation

tasks.register(
  DatasetSpec(
    name={spec.name!r},
    template={spec.template!r},
    labels={spec.labels!r},
    instruction={spec.instruction!r},
    label_column={spec.label_column!r},
    hub=HubLocation(
      {hub.repository!r}, {hub.configuration!r}, splits={hub.splits!r}
    ),
  )
)
"""
