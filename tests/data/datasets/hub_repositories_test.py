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
  spec = hub_repositories.describe(str(repository))
  assert spec.name == 'my_reviews'
  assert spec.template == 'Title: {title}\nBody: {body}'
  assert (spec.label_column, spec.labels) == ('verdict', tuple(NAMES))
  assert dict(spec.hub.splits) == {'train': 'train', 'validation': 'test'}
  exec(hub_repositories.source_code(spec), {})
  task = seqio.TaskRegistry.get('symbol_tuning_my_reviews')
  with settings.using(settings.DataSettings(vocabularies.Bytes(), HubSource())):
    assert task.source.spec == spec
    pool = sources.pool(HubSource(), spec, 'train')
  assert pool.texts[1] == 'Title: title 1\nBody: body 1'
  assert pool.labels[:2] == (0, 1)


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
