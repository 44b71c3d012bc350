"""Tests of describing datasets of the hub, on folders that are laid out so."""

import time

import datasets
import huggingface_hub
import pytest
import seqio

from symbol_tuning.data import settings, vocabularies
from symbol_tuning.data.datasets import catalog, hub_repositories, sources
from symbol_tuning.data.datasets.sources import HubSource

NAMES = ['praise', 'complaint']


@pytest.fixture
def repository(tmp_path, monkeypatch):
  """A folder as the hub stores it, and a cache of its own."""
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', tmp_path / 'cache')
  folder = tmp_path / 'My-Reviews'
  rows = {
    'title': [f'title {i}' for i in range(8)],
    'body': [f'body {i}' for i in range(8)],
    'verdict': [0, 1] * 4,
  }
  features = datasets.Features(
    title=datasets.Value('string'),
    body=datasets.Value('string'),
    verdict=datasets.ClassLabel(names=NAMES),
  )
  table = datasets.Dataset.from_dict(rows, features=features)
  for split in ('train', 'test'):
    (folder / 'data').mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / 'data' / f'{split}-00000-of-00001.parquet')
  return folder


def test_columns_and_names_become_a_declaration_that_can_be_pasted(repository):
  description = hub_repositories.describe(str(repository))
  spec = description.spec
  assert not description.remarks
  assert spec.name == 'my_reviews'
  assert spec.template == 'Title: {title}\nBody: {body}'
  assert (spec.label_column, spec.labels) == ('verdict', tuple(NAMES))
  assert dict(spec.hub.splits) == {'train': 'train', 'validation': 'test'}
  exec(hub_repositories.source_code(description), {})
  task = seqio.TaskRegistry.get('symbol_tuning_my_reviews')
  with settings.using(settings.DataSettings(vocabularies.Bytes(), HubSource())):
    assert task.source.spec == spec
    pool = sources.pool(HubSource(), spec, 'train')
  assert pool.texts[1] == 'Title: title 1\nBody: body 1'
  assert pool.labels[:2] == (0, 1)


def test_columns_that_are_no_input_are_left_out_and_told(tmp_path, monkeypatch):
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', tmp_path / 'cache')
  verdicts = [0, 1] * 4
  columns = {
    'text': [f'it was so {i // 4}' for i in range(8)],
    'word': [['tea', 'cup'][i // 4] for i in range(8)],
    'en': ['fine thing', 'bad thing', *['a thing'] * 6],
    'title': [f'title{i}' if i < 7 else 'none' for i in range(8)],
    'label_text': ['Praise', 'complaint', None, ' '] * 2,
    'annotator': ['praise'] * 8,
    'auf_deutsch': ['Lob ist es', 'Klage'] * 4,
    'pairID': ['a', 'b', 'b', 'c'] * 2,
    'id': [f'x{i // 2}' for i in range(8)],
    'tweet_id': ['7'] * 8,
    'key': [f'{i}-a:b.c' for i in range(8)],
    'grid': ['2x2', '3x3'] * 2 + ['3x3', '2x2'] * 2,
    'index': [f'the index of {i}' for i in range(8)],
  }
  features = dict.fromkeys(columns, datasets.Value('string'))
  features['verdict'] = datasets.ClassLabel(names=NAMES)
  table = datasets.Dataset.from_dict(
    columns | {'verdict': verdicts}, datasets.Features(features)
  )
  table.to_parquet(tmp_path / 'train.parquet')
  description = hub_repositories.describe(str(tmp_path))
  assert description.spec.text_columns == (
    'text', 'word', 'en', 'title', 'grid', 'index',
  )  # fmt: skip
  code = hub_repositories.source_code(description)
  assert [line for line in code.splitlines() if line.startswith('#')] == [
    '# No validation or test split is there: evaluation is on training rows.',
    "# Left out: the column 'label_text', which holds names of the labels.",
    "# Left out: the column 'annotator', which holds names of the labels.",
    "# Left out: the column 'auf_deutsch', which has a value for each label.",
    "# Left out: the column 'pairID', which looks like an id.",
    "# Left out: the column 'id', which looks like an id.",
    "# Left out: the column 'tweet_id', which looks like an id.",
    "# Left out: the column 'key', which looks like an id.",
  ]
  compile(code, 'described', 'exec')


def test_a_repository_of_labels_alone_has_no_text(tmp_path, monkeypatch):
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', tmp_path / 'cache')
  features = datasets.Features(
    label=datasets.ClassLabel(names=NAMES), label_text=datasets.Value('string')
  )
  rows = {'label': [0, 1], 'label_text': NAMES}
  table = datasets.Dataset.from_dict(rows, features)
  table.to_parquet(tmp_path / 'train.parquet')
  with pytest.raises(
    ValueError, match=r"no column of text.*column 'label_text'"
  ):
    hub_repositories.describe(str(tmp_path))


def test_columns_that_do_not_tell_the_label_are_listed(tmp_path):
  table = datasets.Dataset.from_dict({'text': ['a', 'b'], 'label': [0, 1]})
  table.to_parquet(tmp_path / 'train.parquet')
  with pytest.raises(ValueError, match=r'0 columns of class labels.*label \('):
    hub_repositories.describe(str(tmp_path))


def test_a_hub_that_is_out_of_reach_is_said_within_seconds(monkeypatch):
  def unreachable(*args, **kwargs):
    raise OSError('no route to host')

  monkeypatch.setattr(huggingface_hub.HfApi, 'dataset_info', unreachable)
  start = time.monotonic()
  with pytest.raises(ConnectionError, match='SYMBOL_TUNING_DATA_ROOT'):
    sources.pool(HubSource(), catalog.get('subj'), 'train')
  with pytest.raises(ConnectionError, match='SYMBOL_TUNING_DATA_ROOT'):
    hub_repositories.describe('nobody/nothing')
  assert time.monotonic() - start < 20
