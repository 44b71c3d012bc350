"""Tests of the sources of labelled examples."""

import dataclasses
import json
import os
import sys
import types

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data.datasets import catalog, sources

SST2 = catalog.get('sst2')
REVIEWS = [
  {'sentence': 'a dull film', 'label': 0},
  {'sentence': 'a warm film', 'label': 1},
  {'sentence': 'a bright film', 'label': 1},
]


def write_jsonl(root, dataset, split, rows):
  folder = root / dataset
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f'{split}.jsonl'
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  return path


def write_parquet(root, dataset, split, rows):
  folder = root / dataset
  folder.mkdir(parents=True, exist_ok=True)
  pq.write_table(pa.Table.from_pylist(rows), folder / f'{split}.parquet')


def build(rows, spec=SST2, **table):
  numbered = enumerate(rows, start=1)
  return sources.build_pool(sources.Table('rows', numbered, **table), spec)


# Rows to pools.


def test_rows_become_texts_and_class_ids():
  assert build(REVIEWS) == sources.Pool(
    texts=('a dull film', 'a warm film', 'a bright film'),
    labels=(0, 1, 1),
    num_classes=2,
  )


def test_the_template_joins_several_columns():
  rows = [
    {'goal': 'boil  an egg\n', 'sol1': 'ice', 'sol2': 'heat', 'label': i}
    for i in (0, 1)
  ]
  built = build(rows, catalog.get('piqa'))
  assert built.texts[0] == (
    'Goal: boil an egg\nSolution 1: ice\nSolution 2: heat'
  )


@given(st.text(alphabet='a \n\r\t\x0b\u2028', max_size=12))
def test_a_text_never_holds_the_separator_of_examples(middle):
  rows = [{'sentence': f'a{middle}b', 'label': i} for i in (0, 1)]
  (line,) = build(rows).texts[0].splitlines()
  assert line.split() == f'a{middle}b'.split()


@pytest.mark.parametrize(
  'spelling', [int, str, float, np.int64, bool, lambda i: SST2.labels[i]]
)
def test_labels_may_be_numbers_strings_or_names(spelling):
  rows = [row | {'label': spelling(row['label'])} for row in REVIEWS]
  assert build(rows).labels == (0, 1, 1)


def test_labels_may_count_from_one():
  rows = [
    {'Sentence': 'We affirm.', 'Label': 1},
    {'Sentence': 'We overrule Smith.', 'Label': 2},
  ]
  assert build(rows, catalog.get('or')).labels == (0, 1)


def test_a_raw_value_wins_over_a_label_name():
  spec = dataclasses.replace(SST2, labels=('1', '0'))
  assert build(REVIEWS, spec).labels == (0, 1, 1)


def test_columns_and_labels_may_differ_from_the_spec():
  rows = [{'phrase': 'dull', 'y': 7}, {'phrase': 'warm', 'y': 5}]
  columns = {'sentence': 'phrase', 'label': 'y'}
  built = build(rows, columns=columns, label_values=(7, 5))
  assert built.texts == ('dull', 'warm')
  assert built.labels == (0, 1)


def test_rows_of_no_label_or_text_are_skipped_and_counted(caplog):
  unlabelled = {'sentence': 'a film', 'label': -1}
  empty = {'sentence': ' ', 'label': 1}
  rows = [unlabelled, *REVIEWS, empty]
  with caplog.at_level('INFO', logger='absl'):
    assert build(rows) == build(REVIEWS)
  assert 'skipped 2 rows' in caplog.text


def test_a_label_outside_the_spec_is_named():
  rows = [*REVIEWS, {'sentence': 'a film', 'label': 'so-so'}]
  with pytest.raises(ValueError, match=r"rows:4: label is 'so-so'.*negative"):
    build(rows)


def test_a_missing_column_is_named():
  with pytest.raises(ValueError, match=r'rows:1: .*column sentence.*has text'):
    build([{'text': 'a film', 'label': 1}])


def test_an_empty_value_counts_as_missing():
  with pytest.raises(ValueError, match='rows:1: no value in column label'):
    build([{'sentence': 'a film', 'label': None}])


def test_a_class_without_examples_is_named():
  with pytest.raises(ValueError, match="no examples of 'negative'"):
    build(REVIEWS[1:])


# Capping.


@dataclasses.dataclass(frozen=True)
class ManyReviews:
  """A source of numbered examples, every third of them negative."""

  size: int = 300

  def available(self, spec):
    return True

  def load(self, spec, split):
    labels = tuple(int(i % 3 > 0) for i in range(self.size))
    return sources.Pool(tuple(map(str, range(self.size))), labels, 2)


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
  assert source.available(SST2)
  assert source.load(SST2, 'train') == build(REVIEWS)


def test_blank_lines_are_no_rows(tmp_path):
  path = write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  path.write_text(path.read_text().replace('\n', '\n\n'))
  loaded = sources.LocalSource(str(tmp_path)).load(SST2, 'train')
  assert loaded == build(REVIEWS)


def test_the_root_may_hold_variables(tmp_path, monkeypatch):
  monkeypatch.setenv('SOME_ROOT', str(tmp_path))
  write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  assert sources.LocalSource('$SOME_ROOT').available(SST2)


@pytest.mark.parametrize(
  'name, split, file, served',
  [
    ('sst2', 'validation', 'test', True),
    ('sst2', 'train', 'test', True),
    ('sst2', 'validation', 'train', False),
    ('mnli', 'validation', 'validation_matched', True),
    ('or', 'validation', 'train', True),
  ],
)
def test_another_file_may_serve_as_a_split(tmp_path, name, split, file, served):
  spec = catalog.get(name)
  (tmp_path / spec.local).mkdir()
  (tmp_path / spec.local / f'{file}.jsonl').write_text('not read\n')
  source = sources.LocalSource(str(tmp_path))
  error = ValueError if served else FileNotFoundError
  with pytest.raises(error):
    source.load(spec, split)


def test_a_missing_root_is_named(tmp_path):
  source = sources.LocalSource(str(tmp_path / 'nowhere'))
  with pytest.raises(FileNotFoundError, match=r"nowhere' is no folder"):
    source.available(SST2)


def test_a_missing_dataset_is_named_with_what_is_there(tmp_path):
  write_jsonl(tmp_path, 'cola', 'train', REVIEWS)
  source = sources.LocalSource(str(tmp_path))
  assert not source.available(SST2)
  with pytest.raises(FileNotFoundError, match=r'train.jsonl.*sst2.*has cola'):
    source.load(SST2, 'train')


def test_a_missing_split_is_named_with_what_is_there(tmp_path):
  write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  source = sources.LocalSource(str(tmp_path))
  with pytest.raises(FileNotFoundError, match=r'validation.*has train\.jsonl'):
    source.load(SST2, 'validation')


@pytest.mark.parametrize(
  'line, message',
  [
    ('{"sentence": "a film", "label": 9}', r'train\.jsonl:4: label is .9'),
    ('{"sentence": "a film"', r'train\.jsonl:4: not JSON'),
    ('["a film", 1]', r'train\.jsonl:4: not a JSON object'),
    (r'{"sentence": "\ud83d", "label": 1}', r'train\.jsonl:4: .* half of a'),
  ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
  path = write_jsonl(tmp_path, 'sst2', 'train', REVIEWS)
  path.write_text(path.read_text() + line + '\n')
  with pytest.raises(ValueError, match=message):
    sources.LocalSource(str(tmp_path)).load(SST2, 'train')


# The hub, TFDS and synthetic rows.


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
  cache = tmp_path / 'cache'
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', str(cache))


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


def test_an_unreachable_hub_is_explained(monkeypatch):
  def load_dataset(*args, **kwargs):
    raise OSError('no route to host')

  monkeypatch.setattr(datasets, 'load_dataset', load_dataset)
  message = r'nyu-mll/glue/sst2 .*no route.*<root>/sst2/.*LocalSource'
  with pytest.raises(ConnectionError, match=message):
    sources.HubSource().load(SST2, 'train')


def test_tfds_rows_are_decoded_renamed_and_renumbered(monkeypatch):
  rows = [
    {'text': b'Who?', 'label-coarse': np.int64(i), 'label-fine': np.int64(0)}
    for i in range(6)
  ]
  loaded = types.SimpleNamespace(as_numpy_iterator=lambda: iter(rows))
  monkeypatch.setattr(tfds, 'load', lambda *args, **kwargs: loaded)
  built = sources.TfdsSource().load(catalog.get('trec'), 'train')
  assert built.texts[0] == 'Who?'
  assert built.labels == (2, 1, 0, 3, 5, 4)


def test_tfds_says_what_it_does_not_have():
  assert sources.TfdsSource().available(SST2)
  subj = catalog.get('subj')
  assert not sources.TfdsSource().available(subj)
  with pytest.raises(ValueError, match='TFDS has no subj'):
    sources.TfdsSource().load(subj, 'train')


def test_synthetic_rows_are_asked_for_by_split_and_seed(monkeypatch):
  asked = []

  def rows(spec, split, num_examples, seed):
    asked.append((spec.name, split, num_examples, seed))
    return REVIEWS

  fake = types.ModuleType('symbol_tuning.data.datasets.synthetic')
  fake.rows = rows
  monkeypatch.setitem(sys.modules, fake.__name__, fake)
  monkeypatch.setattr(
    sys.modules['symbol_tuning.data'], 'synthetic', fake, raising=False
  )
  source = sources.SyntheticSource(seed=7, num_train=30, num_validation=20)
  assert source.load(SST2, 'train') == build(REVIEWS)
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
  assert not local.available(SST2)
  with pytest.raises(FileNotFoundError, match=r'LocalSource.*has sst2'):
    local.load(SST2, 'train')


@pytest.mark.skipif(
  'SYMBOL_TUNING_DATA_ROOT' not in os.environ,
  reason='SYMBOL_TUNING_DATA_ROOT names no folder of real datasets',
)
def test_real_files_fit_their_specs():
  source = sources.LocalSource('$SYMBOL_TUNING_DATA_ROOT')
  found = [s for s in catalog.CATALOG.values() if source.available(s)]
  assert found
  for spec in found:
    loaded = sources.pool(source, spec, 'validation')
    assert loaded.num_classes == spec.num_classes
    assert all(loaded.texts)
