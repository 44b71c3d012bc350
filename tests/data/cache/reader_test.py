"""Tests of training batches from a cache."""

import collections
import itertools
import json
import pathlib
import subprocess
import sys

import gin
import jax
import numpy as np
import pytest

from symbol_tuning.data import positions, vocabularies
from symbol_tuning.data.cache import reader

NUM_ROWS = 10


def open_data(folder, **changes):
  chosen = {
    'mixture_or_task_name': 'some_mixture',
    'task_feature_lengths': {'inputs': 16, 'targets': 8},
    'vocabulary': vocabularies.tiny(),
    'batch_size': 4,
  }
  return reader.CachedTrainData(str(folder), **chosen | changes)


def numbers(batch):
  """Which rows are in a batch: the number that each of them names."""
  return batch['decoder_target_tokens'][:, 2].tolist()


def read(data, num_batches):
  return [number for _ in range(num_batches) for number in numbers(next(data))]


@pytest.fixture
def on_host(monkeypatch):
  """A function that makes this process one of several."""

  def become(index, count):
    monkeypatch.setattr(jax, 'process_index', lambda: index)
    monkeypatch.setattr(jax, 'process_count', lambda: count)

  return become


def test_a_batch_has_the_arrays_of_training(make_cache):
  batch = next(open_data(make_cache()))
  assert {array.shape for array in batch.values()} == {(4, 24)}
  assert {array.dtype for array in batch.values()} == {np.dtype('int32')}
  number = numbers(batch)[0]
  assert batch['decoder_input_tokens'][0, :7].tolist() == [
    5, 6, 7, number, 8, number, 9
  ]  # fmt: skip
  assert batch['decoder_loss_weights'][0, :8].tolist() == [
    0, 0, 1, 1, 1, 1, 1, 0
  ]  # fmt: skip


def test_each_epoch_has_each_row_once_in_another_order(make_cache):
  seen = read(open_data(make_cache(), batch_size=5), 6)
  epochs = [seen[:10], seen[10:20], seen[20:]]
  for epoch in epochs:
    assert sorted(epoch) == list(range(NUM_ROWS))
  assert len(set(map(tuple, epochs))) == 3


def test_the_seed_sets_the_order(make_cache):
  folder = make_cache()
  orders = [read(open_data(folder, seed=seed), 5) for seed in (0, 0, 1)]
  assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize('num_hosts', [2, 4])
def test_hosts_partition_every_batch(make_cache, on_host, num_hosts):
  folder = make_cache()
  together = open_data(folder)
  expected = [numbers(next(together)) for _ in range(5)]
  parts = []
  for host in range(num_hosts):
    on_host(host, num_hosts)
    data = open_data(folder)
    parts.append([numbers(next(data)) for _ in range(5)])
  joined = [
    list(itertools.chain.from_iterable(part))
    for part in zip(*parts, strict=True)
  ]
  assert joined == expected
  seen = collections.Counter(itertools.chain.from_iterable(joined))
  assert seen == dict.fromkeys(range(NUM_ROWS), 2)


def test_seeking_gives_what_reading_gives(make_cache):
  folder = make_cache()
  data = open_data(folder)
  read(data, 7)
  state = data.get_state()
  expected = read(data, 3)
  sought = open_data(folder)
  sought.set_state(state)
  assert read(sought, 3) == expected
  sought.set_state({'batches_read': 7})
  assert read(sought, 3) == expected


def test_seeking_reads_nothing_on_the_way(make_cache, monkeypatch):
  data = open_data(make_cache(), batches_ahead=1)
  count = collections.Counter()
  get = reader.Records.__getitem__

  def counted(self, number):
    count['rows'] += 1
    return get(self, number)

  monkeypatch.setattr(reader.Records, '__getitem__', counted)
  data.set_state({'batches_read': 10**9})
  next(data)
  assert data.get_state()['batches_read'] == 10**9 + 1
  assert count['rows'] <= 3 * 4


def test_a_position_in_other_data_is_an_error(make_cache):
  with pytest.raises(ValueError, match='other data than a cache'):
    open_data(make_cache()).set_state({'parent': {'examples_read': 3}})


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'mixture_or_task_name': 'other'}, "'some_mixture', and .* 'other'"),
    ({'task_feature_lengths': {'inputs': 24}}, "'targets': 8}, and .* 24}"),
    ({'vocabulary': vocabularies.Bytes()}, r"sentencepiece .*'bytes'"),
    ({'loss_positions_per_row': 3}, r'on up to 4 positions, .* looks at 3'),
    ({'batch_size': 3}, 'BATCH_SIZE 3 is not divisible by 2'),
  ],
)  # fmt: skip
def test_what_a_run_expects_must_hold(make_cache, on_host, changes, message):
  on_host(0, 2)
  folder = make_cache()
  with pytest.raises(ValueError, match=message) as error:
    open_data(folder, **changes)
  if 'batch_size' not in changes:
    assert str(folder / 'manifest.json') in str(error.value)


@pytest.mark.parametrize(
  ('binding', 'message'),
  [
    ('separator = "eos"', None),
    ('evaluation_queries = 7', None),
    ('separator = %SEPARATOR', "separator = 'eos'; gin sets 'none'"),
    ('symbol_tuning_exemplars = (1, 1)', r'= \[2, 3\]; gin sets \(1, 1\)'),
  ],
)
def test_data_settings_that_rows_do_not_follow_are_refused(
  make_cache, clean_gin, binding, message
):
  data = {
    'separator': 'eos',
    'symbol_tuning_exemplars': [2, 3],
    'evaluation_queries': 100,
  }
  folder = make_cache(data=data)
  gin.parse_config(f"""
    from __gin__ import dynamic_registration
    from symbol_tuning.data import settings
    SEPARATOR = 'none'
    settings.DataSettings.{binding}
  """)
  if message is None:
    assert next(open_data(folder))
    return
  with pytest.raises(ValueError, match=message):
    open_data(folder)


def test_the_positions_that_rows_have_matter_not_what_they_might(make_cache):
  """The cache was written with a budget of 12; its rows have loss on four."""
  assert next(open_data(make_cache(), loss_positions_per_row=4))


def edit(folder, change):
  """Changes what a cache says of itself, and takes the digest of it away."""
  path = folder / 'manifest.json'
  stored = json.loads(path.read_text())
  del stored['digest']
  change(stored)
  path.write_text(json.dumps(stored))


def test_a_cache_that_does_not_tell_is_taken_at_its_budget(make_cache):
  def as_earlier_versions_did(stored):
    del stored['settings']['pools']
    for shard in stored['shards']:
      del shard['statistics']['most_target_tokens']

  folder = make_cache()
  edit(folder, as_earlier_versions_did)
  assert next(open_data(folder, loss_positions_per_row=12))
  with pytest.raises(ValueError, match='up to 12 positions'):
    open_data(folder, loss_positions_per_row=11)


def test_a_missing_cache_is_an_error(tmp_path):
  with pytest.raises(FileNotFoundError, match='No cache in'):
    open_data(tmp_path / 'nowhere')
  with pytest.raises(ValueError, match='ftp:// is no place for files'):
    open_data('ftp://bucket/cache')


def test_an_unfinished_cache_is_not_read(make_cache):
  folder = make_cache()
  (folder / 'manifest.json').unlink()
  (folder / 'rows-00001-of-00003.array_record').unlink()
  (folder / 'rows-00002-of-00003.array_record').write_bytes(b'cut')
  with pytest.raises(FileNotFoundError, match='not complete: 1 of 3 shards'):
    open_data(folder)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda m: m['settings'].update(format=9), r'has format 9, .* 1\.2\.3'),
    (lambda m: m['settings'].pop('seed'), r'manifest.json is damaged \('),
    (
      lambda m: m['shards'][0].update(name='../elsewhere.array_record'),
      r'elsewhere.* is not in its folder',
    ),
  ],
)
def test_a_manifest_that_says_what_it_cannot_is_an_error(
  make_cache, change, message
):
  folder = make_cache()
  edit(folder, change)
  with pytest.raises(ValueError, match=message):
    open_data(folder)


@pytest.mark.parametrize(
  'change',
  [
    lambda text: text[:-100],
    lambda text: f'[{text}]',
    lambda text: text.replace('"rows": 3', '"rows": 2', 1),
  ],
)
def test_a_damaged_manifest_is_an_error(make_cache, change):
  folder = make_cache()
  path = folder / 'manifest.json'
  text = path.read_text()
  path.write_text(change(text))
  assert path.read_text() != text
  with pytest.raises(ValueError, match=r'manifest.json is damaged \('):
    open_data(folder)


def test_a_position_says_of_which_rows_it_is(make_cache):
  folder = make_cache()
  state = json.loads(json.dumps(open_data(folder).get_state()))
  open_data(folder).set_state(state)
  with pytest.raises(positions.OtherDataError, match=r'BATCH_SIZE was 4 .* 2:'):
    open_data(folder, batch_size=2).set_state(state)
  with pytest.raises(positions.OtherDataError, match='RANDOM_SEED was'):
    open_data(folder, seed=7).set_state(state)
  del state['of']
  open_data(folder, batch_size=2).set_state(state)


SHARD = 'rows-00001-of-00003.array_record'


def test_a_missing_shard_is_an_error(make_cache):
  folder = make_cache()
  (folder / SHARD).unlink()
  with pytest.raises(FileNotFoundError, match=f'{SHARD} is missing'):
    open_data(folder)


def cut(path):
  path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(path):
  content = bytearray(path.read_bytes())
  place = content.index(np.array([8, 4, 9, 1], '<u2').tobytes())
  content[place + 2] ^= 1
  path.write_bytes(content)


def swap(path):
  other = path.with_name('rows-00002-of-00003.array_record')
  content = path.read_bytes()
  path.write_bytes(other.read_bytes())
  other.write_bytes(content)
  assert len(content) == path.stat().st_size


@pytest.mark.parametrize('harm', [cut, flip_a_bit, swap])
def test_a_damaged_shard_is_an_error(make_cache, harm):
  folder = make_cache(num_rows=9)
  harm(folder / SHARD)
  with pytest.raises(ValueError, match=rf'{SHARD} is damaged \(.*Remove it'):
    open_data(folder)


TRAIN = """
import runpy, sys
try:
  runpy.run_module('symbol_tuning.train', run_name='__main__', alter_sys=True)
except SystemExit as ended:
  assert not ended.code, ended.code
heavy = {'tensorflow', 'seqio', 'tensorflow_datasets', 'tensorflow_text'}
print('imported:', sorted(heavy & set(sys.modules)))
"""


def test_training_imports_neither_tensorflow_nor_seqio(make_cache, tmp_path):
  bindings = {
    'CACHE_DIR': str(make_cache()),
    'MODEL_DIR': str(tmp_path / 'model'),
    'MIXTURE_OR_TASK_NAME': 'some_mixture',
    'TASK_FEATURE_LENGTHS': {'inputs': 16, 'targets': 8},
    'INITIAL_CHECKPOINT_PATH': None,
    'TRAIN_STEPS': 2,
    'BATCH_SIZE': 4,
  }
  arguments = [f'--gin.{name}={value!r}' for name, value in bindings.items()]
  ran = subprocess.run(
    [
      sys.executable, '-c', TRAIN,
      '--gin_file=models/tiny.gin', '--gin_file=runs/train_cached.gin',
      *arguments,
    ],
    capture_output=True,
    text=True,
    timeout=300,
  )  # fmt: skip
  assert ran.returncode == 0, ran.stderr
  assert 'step 2/2' in ran.stdout
  assert 'imported: []' in ran.stdout
  assert 'Exception' not in ran.stderr
  assert pathlib.Path(tmp_path / 'model/checkpoints/2').is_dir()
