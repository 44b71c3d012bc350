"""Tests of the sources of labelled examples."""

import dataclasses
import json
import os
import types

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_datasets as tfds

from symbol_tuning.data.datasets import catalog, pools, sources, synthetic
from symbol_tuning.data.datasets.spec import HubLocation

SST2 = catalog.get('sst2')
REVIEWS = [
  {'sentence': 'a dull film', 'label': 0},
  {'sentence': 'a warm film', 'label': 1},
  {'sentence': 'a bright film', 'label': 1},
]


BUILT = pools.Pool(tuple(r['sentence'] for r in REVIEWS), (0, 1, 1), 2)


def write_jsonl(root, dataset, split, rows):
  path = root / dataset / f'{split}.jsonl'
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  return path


def write_parquet(root, dataset, split, rows):
  path = root / dataset / f'{split}.parquet'
  path.parent.mkdir(parents=True, exist_ok=True)
  pq.write_table(pa.Table.from_pylist(rows), path)
  return path


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
  cache = tmp_path / 'cache'
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', str(cache))


# Capping.


@dataclasses.dataclass(frozen=True)
class ManyReviews:
  """A source of numbered examples, every third of them negative."""

  size: int = 300

  def missing(self, spec, split):
    return None

  def load(self, spec, split):
    labels = tuple(int(i % 3 > 0) for i in range(self.size))
    return pools.Pool(tuple(map(str, range(self.size))), labels, 2)


def test_pool_is_capped_in_order_without_repetition():
  capped = sources.pool(ManyReviews(), SST2, 'train', max_examples=100)
  numbers = [int(text) for text in capped.texts]
  assert len(set(numbers)) == 100
  assert numbers == sorted(numbers)
  assert capped.labels == tuple(int(n % 3 > 0) for n in numbers)
  assert max(numbers) > 250


def test_the_choice_is_the_same_on_every_machine():
  capped = sources.pool(ManyReviews(), SST2, 'train', max_examples=6)
  assert capped.texts == ('12', '136', '188', '208', '221', '239')


def test_a_small_pool_is_kept_whole_and_loaded_once():
  whole = sources.pool(ManyReviews(), SST2, 'train')
  assert len(whole) == 300
  assert sources.pool(ManyReviews(), SST2, 'train') is whole


def test_a_cap_that_loses_a_class_is_an_error():
  with pytest.raises(ValueError, match='sst2, train, 1 of 300 examples'):
    sources.pool(ManyReviews(), SST2, 'train', max_examples=1)


def test_an_unknown_split_is_named():
  with pytest.raises(ValueError, match="'test' is none of train, validation"):
    sources.pool(ManyReviews(), SST2, 'test')


# Local files.


@pytest.mark.parametrize('write', [write_jsonl, write_parquet])
def test_local_files_are_read(tmp_path, write):
  write(tmp_path, 'sst2', 'train', REVIEWS)
  source = sources.LocalSource(str(tmp_path))
  assert source.missing(SST2, 'train') is None
  assert source.load(SST2, 'train') == BUILT


def test_files_in_a_bucket_are_read(bucket, tmp_path):
  shard = bucket / 'sst2' / 'data' / 'train-00000-of-00001.parquet'
  written = write_parquet(tmp_path, 'sst2', 'local', REVIEWS)
  shard.write_bytes(written.read_bytes())
  written = write_jsonl(tmp_path, 'sst2', 'local', REVIEWS)
  (bucket / 'sst2' / 'validation.jsonl').write_bytes(written.read_bytes())
  source = sources.LocalSource(str(bucket))
  for split in sources.SPLITS:
    assert source.load(SST2, split) == BUILT
  assert f'{bucket}/cola has no files' in source.missing(
    catalog.get('cola'), 'train'
  )


def test_shards_are_read_one_after_another(tmp_path):
  for i, row in enumerate(REVIEWS):
    write_parquet(tmp_path, 'sst2/data', f'train-{i:05}-of-00003', [row])
  loaded = sources.LocalSource(str(tmp_path)).load(SST2, 'train')
  assert loaded == BUILT


def test_numbers_in_a_csv_file_are_ids(tmp_path):
  (tmp_path / 'sst2').mkdir()
  path = tmp_path / 'sst2' / 'train.csv'
  path.write_text('label,sentence\n0,a dull film\n1,"a warm\nfilm"\n')
  loaded = sources.LocalSource(str(tmp_path)).load(SST2, 'train')
  assert loaded.texts == ('a dull film', 'a warm film')
  assert loaded.labels == (0, 1)


def test_the_root_may_hold_variables(tmp_path, monkeypatch):
  monkeypatch.setenv('SOME_ROOT', str(tmp_path))
  write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  assert sources.LocalSource('$SOME_ROOT').missing(SST2, 'train') is None


@pytest.mark.parametrize(
  'name, split, file, is_found',
  [
    ('sst2', 'train', 'test', False),
    ('sst2', 'train', 'validation', False),
    ('sst2', 'validation', 'test', False),
    ('sst2', 'validation', 'train', False),
    ('mnli', 'validation', 'validation_matched', True),
    ('subj', 'validation', 'test', True),
    ('subj', 'train', 'test', False),
    ('or', 'validation', 'train', True),
  ],
)
def test_only_the_split_that_the_spec_names_serves_as_another(
  tmp_path, name, split, file, is_found
):
  spec = catalog.get(name)
  (tmp_path / spec.local).mkdir()
  (tmp_path / spec.local / f'{file}.jsonl').write_text('not read\n')
  source = sources.LocalSource(str(tmp_path))
  assert (source.missing(spec, split) is None) == is_found
  with pytest.raises(ValueError if is_found else FileNotFoundError):
    source.load(spec, split)


def test_another_split_serves_where_it_is_told_to(tmp_path):
  write_jsonl(tmp_path, 'sst2', 'test', REVIEWS)
  source = sources.LocalSource(str(tmp_path), stand_ins=(('train', 'test'),))
  assert source.load(SST2, 'train') == BUILT
  assert source.missing(SST2, 'validation')
  write_jsonl(tmp_path, 'sst2', 'train', REVIEWS[:2])
  assert len(source.load(SST2, 'train')) == 2


@pytest.mark.parametrize(
  ('names', 'labels'),
  [
    ({'gold': (1, 0), 'label': (0, 1), 'text': 'ab'}, (1, 0)),
    ({'gold': (1, 0), 'sentence': 'ab'}, (1, 0)),
    ({'label': (0, 1), 'text': 'ab'}, (0, 1)),
    ({'label': (0, 1), 'sentence': 'ab'}, (0, 1)),
  ],
)
def test_files_may_have_the_columns_of_the_hub_or_of_the_spec(
  tmp_path, hub_cache, names, labels
):
  columns = (('label', 'gold'), ('sentence', 'text'))
  hub = HubLocation(str(tmp_path / 'sst2'), columns=columns)
  spec = dataclasses.replace(SST2, hub=hub)
  rows = [{name: values[i] for name, values in names.items()} for i in (0, 1)]
  write_parquet(tmp_path, 'sst2', 'train', rows)
  loaded = sources.LocalSource(str(tmp_path)).load(spec, 'train')
  assert loaded == pools.Pool(('a', 'b'), labels, 2)
  if {'gold', 'text'} <= set(names):
    assert loaded == sources.HubSource().load(spec, 'train')


@pytest.mark.parametrize('root', ['', ' ', '$UNSET', '${UNSET}'])
def test_an_empty_root_is_no_folder_and_not_the_hub(monkeypatch, root):
  monkeypatch.setenv('UNSET', '')
  with pytest.raises(FileNotFoundError, match='is a variable not set'):
    sources.LocalSource(root).missing(SST2, 'train')
  monkeypatch.setenv(sources.DATA_ROOT_VARIABLE, os.path.expandvars(root))
  with pytest.raises(ValueError, match=r'ROOT is set to .* or unset it'):
    sources.from_environment()
  monkeypatch.delenv(sources.DATA_ROOT_VARIABLE)
  assert sources.from_environment() == sources.HubSource()


def test_a_missing_root_is_named(tmp_path):
  source = sources.LocalSource(str(tmp_path / 'nowhere'))
  with pytest.raises(FileNotFoundError, match=r"nowhere' is no folder"):
    source.missing(SST2, 'train')


def test_a_missing_folder_is_named(tmp_path):
  write_jsonl(tmp_path, 'cola', 'train', REVIEWS)
  source = sources.LocalSource(str(tmp_path))
  assert 'sst2; it has: no such folder' in source.missing(SST2, 'train')
  with pytest.raises(FileNotFoundError, match=r'sst2 has no files of train'):
    source.load(SST2, 'train')


def test_files_of_other_names_are_told_with_the_names_looked_for(tmp_path):
  write_jsonl(tmp_path, 'sst2', 'training', REVIEWS)
  write_jsonl(tmp_path, 'sst2/more', 'train', REVIEWS)
  reason = sources.LocalSource(str(tmp_path)).missing(SST2, 'train')
  assert reason.startswith(
    f'{tmp_path}/sst2 has no files of train of sst2; it has:'
    ' more/train.jsonl, training.jsonl. Looked for <split>.jsonl, .csv'
  )
  assert reason.endswith("where <split> is 'train'.")
  subj = catalog.get('subj')
  reason = sources.LocalSource(str(tmp_path)).missing(subj, 'validation')
  assert reason.endswith("where <split> is 'validation' or 'test'.")


def test_a_bad_row_is_named_with_its_file_and_line(tmp_path):
  bad = {'sentence': 'a film', 'label': 9}
  write_jsonl(tmp_path, 'sst2', 'train', [*REVIEWS, bad])
  with pytest.raises(ValueError, match=r'train\.jsonl:4: label is 9'):
    sources.LocalSource(str(tmp_path)).load(SST2, 'train')


# The hub, TFDS and synthetic rows.


def test_a_converted_branch_is_read_by_the_folder_of_a_configuration(
  tmp_path, hub_cache, monkeypatch
):
  """A folder laid out as such a branch stands for the hub."""
  opinions = [
    {'Sentence': 'We affirm.', 'Label': 1, 'ID': 0},
    {'Sentence': 'We overrule Smith.', 'Label': 2, 'ID': 1},
  ]
  unlabelled = [{'Sentence': 'We remand.', 'Label': 0, 'ID': 2}]
  branch = tmp_path / 'raft'
  write_parquet(branch, 'overruling/train', '0000', opinions)
  write_parquet(branch, 'overruling/test', '0000', unlabelled)
  write_parquet(branch, 'terms_of_service/train', '0000', unlabelled)
  spec = catalog.get('or')
  load_dataset = datasets.load_dataset

  def load_branch(repository, revision, **kwargs):
    assert (repository, revision) == ('ought/raft', 'refs/convert/parquet')
    return load_dataset(str(branch), **kwargs)

  monkeypatch.setattr(datasets, 'load_dataset', load_branch)
  loaded = sources.HubSource().load(spec, 'validation')
  assert loaded.texts == ('We affirm.', 'We overrule Smith.')
  assert loaded.labels == (0, 1)


def test_hub_rows_are_asked_for_by_configuration_and_split(monkeypatch):
  asked = {}

  def load_dataset(repository, **kwargs):
    asked.update(kwargs, repository=repository)
    rows = [
      {'premise': 'p', 'hypothesis': 'h', 'label': i} for i in (-1, 0, 1, 2)
    ]
    return datasets.Dataset.from_list(rows)

  monkeypatch.setattr(datasets, 'load_dataset', load_dataset)
  loaded = sources.HubSource().load(catalog.get('mnli'), 'validation')
  assert loaded.labels == (0, 1, 2)
  assert asked == {
    'repository': 'nyu-mll/glue',
    'name': 'mnli',
    'revision': None,
    'split': 'validation_matched',
  }


def test_hub_labels_are_read_by_the_names_of_the_repository(monkeypatch):
  """Whichever their order, and though ours are called otherwise."""
  rows = {'text': ['fine', 'dull', 'odd'], 'label': [0, 1, -1]}

  def load_dataset(repository, **kwargs):
    label = datasets.ClassLabel(names=['pos', 'neg'])
    features = datasets.Features(
      {'text': datasets.Value('string'), 'label': label}
    )
    return datasets.Dataset.from_dict(rows, features)

  monkeypatch.setattr(datasets, 'load_dataset', load_dataset)
  loaded = sources.HubSource().load(catalog.get('rt'), 'train')
  assert loaded == pools.Pool(('fine', 'dull'), (1, 0), 2)


def test_a_dataset_without_a_repository_is_named():
  spec = dataclasses.replace(SST2, hub=None)
  assert 'sst2 names no hub' in sources.HubSource().missing(spec, 'train')
  with pytest.raises(ValueError, match='sst2 names no hub repository'):
    sources.HubSource().load(spec, 'train')


def test_a_split_that_the_spec_does_not_name_is_missing():
  hub = dataclasses.replace(SST2.hub, splits=(('train', 'train'),))
  spec = dataclasses.replace(SST2, hub=hub)
  assert sources.HubSource().missing(spec, 'train') is None
  with pytest.raises(ValueError, match='sst2 names no validation split in Hub'):
    sources.HubSource().load(spec, 'validation')


def test_an_unreachable_hub_is_explained(monkeypatch):
  def load_dataset(*args, **kwargs):
    raise OSError('no route to host')

  monkeypatch.setattr(datasets, 'load_dataset', load_dataset)
  message = r'nyu-mll/glue/sst2 .*no route.*<root>/sst2/.*SYMBOL_TUNING_DATA'
  with pytest.raises(ConnectionError, match=message):
    sources.HubSource().load(SST2, 'train')


def test_tfds_rows_are_decoded_renamed_and_read_by_class_name(monkeypatch):
  rows = [
    {'text': b'Who?', 'label-coarse': np.int64(i), 'label-fine': np.int64(0)}
    for i in range(6)
  ]
  loaded = types.SimpleNamespace(as_numpy_iterator=lambda: iter(rows))
  names = ['DESC', 'ENTY', 'ABBR', 'HUM', 'NUM', 'LOC']
  features = {'label-coarse': tfds.features.ClassLabel(names=names)}
  info = types.SimpleNamespace(features=features)
  monkeypatch.setattr(tfds, 'load', lambda *args, **kwargs: (loaded, info))
  built = sources.TfdsSource().load(catalog.get('trec'), 'train')
  assert built.texts[0] == 'Who?'
  assert built.labels == (2, 1, 0, 3, 5, 4)


def test_tfds_says_what_it_does_not_have():
  assert sources.TfdsSource().missing(SST2, 'train') is None
  subj = catalog.get('subj')
  assert 'TFDS has no subj' in sources.TfdsSource().missing(subj, 'train')
  with pytest.raises(ValueError, match='TFDS has no subj'):
    sources.TfdsSource().load(subj, 'train')


def test_synthetic_rows_are_asked_for_by_split_and_seed(monkeypatch):
  asked = []

  def rows(spec, split, num_examples, seed):
    asked.append((spec.name, split, num_examples, seed))
    return REVIEWS

  monkeypatch.setattr(synthetic, 'rows', rows)
  source = sources.SyntheticSource(seed=7, num_train=30, num_validation=20)
  assert source.load(SST2, 'train') == BUILT
  source.load(SST2, 'validation')
  assert asked == [('sst2', 'train', 30, 7), ('sst2', 'validation', 20, 7)]


@pytest.mark.parametrize('name', catalog.CATALOG)
def test_every_dataset_has_synthetic_examples(name):
  source = sources.SyntheticSource(num_train=40, num_validation=40)
  spec = catalog.get(name)
  train, validation = (source.load(spec, split) for split in sources.SPLITS)
  assert train.num_classes == validation.num_classes == spec.num_classes
  assert train.texts != validation.texts


# Sources of sources.


def test_the_first_source_that_has_a_dataset_gives_it(tmp_path):
  write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  local = sources.LocalSource(str(tmp_path))
  both = sources.FirstAvailable([local, ManyReviews()])
  assert len(both.load(SST2, 'train')) == 3
  assert len(both.load(catalog.get('cola'), 'train')) == 300
  assert len(sources.pool(both, SST2, 'train')) == 3


def test_a_dataset_that_no_source_has_is_named(tmp_path):
  local = sources.FirstAvailable((sources.LocalSource(str(tmp_path)),))
  assert 'sst2 has no files of train' in local.missing(SST2, 'train')
  with pytest.raises(FileNotFoundError, match=r'No source has train of sst2'):
    local.load(SST2, 'train')


def test_going_on_to_the_next_source_is_said(tmp_path, caplog):
  write_jsonl(tmp_path, 'sst2', 'training', REVIEWS)
  local = sources.LocalSource(str(tmp_path))
  both = sources.FirstAvailable([local, ManyReviews()])
  with caplog.at_level('INFO', logger='absl'):
    both.load(SST2, 'train')
  assert 'it has: training.jsonl' in caplog.text


@pytest.mark.skipif(
  'SYMBOL_TUNING_DATA_ROOT' not in os.environ,
  reason='SYMBOL_TUNING_DATA_ROOT names no folder of real datasets',
)
def test_real_files_fit_their_specs():
  source = sources.LocalSource('$SYMBOL_TUNING_DATA_ROOT')
  found = [
    (spec, split)
    for spec in catalog.CATALOG.values()
    for split in sources.SPLITS
    if source.missing(spec, split) is None
  ]
  assert found
  for spec, split in found:
    loaded = sources.pool(source, spec, split)
    assert loaded.num_classes == spec.num_classes
    assert all(loaded.texts)
