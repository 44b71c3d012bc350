"""Datasets on the Hugging Face hub: reached within seconds, described by name.

What a repository says of its columns is enough for most of a declaration:

    python -m symbol_tuning.describe_dataset SetFit/subj
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from symbol_tuning.data.datasets.spec import DatasetSpec, HubLocation

_TIMEOUT = 5.0  # seconds to wait for an answer of the hub
_INSTRUCTION = 'Say in your own words what is asked, and name no label.'
_ONLY_TRAIN = (
  'No validation or test split is there: evaluation is on training rows.'
)
_TEXTS = ('string', 'large_string')
# The names of columns of ids, such as tweet_id, pairID and idx; an id's text.
_ID = r'(?i:^|[_\W])(?i:id|idx|index|uid|uuid|guid)$|[a-z](?:Id|ID)$'
_CODE = r'(?a:[\w.:#-]*\d[\w.:#-]*)'


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


class Description(NamedTuple):
  """A declaration, and what its reader is to be told of it, in sentences."""

  spec: DatasetSpec
  remarks: list[str]


def describe(repository: str, configuration: str | None = None) -> Description:
  """Returns a declaration from a repository's splits and columns.

  Columns of text that give the label away, or are ids, are left out of the
  template.

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
  splits, remarks = _splits(repository, loaded)
  train = loaded['train']
  label, names = _label(repository, train.features)
  texts = []
  for name, feature in train.features.items():
    if name == label or getattr(feature, 'dtype', None) not in _TEXTS:
      continue
    if reason := _no_input(name, train[name], train[label], names):
      remarks.append(f'Left out: the column {name!r}, which {reason}.')
    else:
      texts.append(name)
  if not texts:
    raise ValueError(
      f'{repository} has no column of text: {_listed(train.features)}.'
      + ' '.join(['', *remarks])
    )
  spec = DatasetSpec(
    name=re.sub('[^a-z0-9]+', '_', repository.split('/')[-1].lower()).strip(
      '_'
    ),
    template=_template(texts),
    labels=names,
    instruction=_INSTRUCTION,
    label_column=label,
    hub=HubLocation(repository, configuration, splits),
  )
  return Description(spec, remarks)


def _no_input(
  name: str,
  values: Iterable[str | None],
  classes: Iterable[int],
  names: Iterable[str],
) -> str | None:
  """Says why a column of text is nothing to classify by; None if it may be."""
  rows = [
    (' '.join(value.split()).lower(), class_id)
    for value, class_id in zip(values, classes, strict=True)
    if value and value.strip()
  ]
  texts = {text for text, _ in rows}
  if texts and texts <= {name.lower() for name in names}:
    return 'holds names of the labels'
  num_pairs = len(set(rows))
  num_classes = len({class_id for _, class_id in rows})
  # Where no text comes again, each has its label in any case.
  if 1 < len(texts) == num_classes == num_pairs < len(rows):
    return 'has a value for each label'
  is_named_id = re.search(_ID, name) and not any(' ' in t for t in texts)
  are_codes = all(re.fullmatch(_CODE, text) for text in texts)
  if is_named_id or (are_codes and 1 < len(texts) == len(rows)):
    return 'looks like an id'
  return None


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


def _splits(
  repository: str, loaded: Any
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
  """The split of training and that of evaluation, and what to say of them."""
  if 'train' not in loaded:
    raise ValueError(
      f'{repository} has no split "train", but {", ".join(loaded)}.'
    )
  others = [name for name in ('validation', 'dev', 'test') if name in loaded]
  remarks = [] if others else [_ONLY_TRAIN]
  other = (others or ['train'])[0]
  return (('train', 'train'), ('validation', other)), remarks


def _listed(features: Any) -> str:
  return ', '.join(f'{name} ({kind})' for name, kind in features.items())


def source_code(description: Description) -> str:
  """Returns a module that registers a dataset, to be saved and mended."""
  spec, remarks = description
  hub = spec.hub
  assert hub is not None
  comments = ''.join(f'# {remark}\n' for remark in remarks)
  return f"""{comments}from symbol_tuning import tasks
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
