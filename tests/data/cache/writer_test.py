"""Tests of writing caches, and of what they hold."""

import contextlib
import dataclasses
import itertools
import json
import resource

import gin
import jax
import numpy as np
import pytest
import seqio
import tensorflow as tf
from random_cache import contents, here

from symbol_tuning import tasks
from symbol_tuning.data import settings, train_data
from symbol_tuning.data.cache import (
  environment,
  manifest,
  processes,
  reader,
  rows,
  writer,
)

assert tasks  # They are registered.

LENGTHS = {'inputs': 40, 'targets': 20}


def add_task(name, num_examples):
  """Registers a task that takes no time to open."""

  def open_examples(split, shuffle_files, seed=None):
    del split, shuffle_files, seed
    numbers = tf.strings.as_string(tf.range(num_examples))
    return tf.data.Dataset.from_tensor_slices(
      {'inputs': name + ' ' + numbers, 'targets': numbers}
    )

  feature = seqio.Feature(settings.CurrentVocabulary())
  seqio.TaskRegistry.add(
    name,
    source=seqio.FunctionDataSource(
      open_examples, ['train'], num_input_examples={'train': num_examples}
    ),
    preprocessors=[
      seqio.preprocessors.tokenize,
      seqio.preprocessors.append_eos,
    ],
    output_features={'inputs': feature, 'targets': feature},
  )


add_task('letters', 24)
add_task('digits', 30)
seqio.MixtureRegistry.add('both', [('letters', 1.0), ('digits', 3.0)])
seqio.MixtureRegistry.add(
  'pair', [('symbol_tuning_sst2', 1.0), ('symbol_tuning_rte', 2.0)]
)


def never(job, shards):
  """Runs nothing: there is nothing to do."""
  raise AssertionError(f'{shards} of {job} were written')


def write(folder, runner=here, **changes):
  chosen = {
    'mixture_or_task_name': 'both',
    'task_feature_lengths': LENGTHS,
    'num_rows': 23,
    'num_shards': 3,
    'num_packing_bins': 4,
    'seed': 5,
  }
  return writer.write_cache(
    cache_dir=str(folder), runner=runner, **chosen | changes
  )


def stored_rows(folder, shard):
  """Decodes the rows of one shard."""
  cache = manifest.read_manifest(folder)
  records = reader.Records(folder, (cache.shards[shard],))
  return rows.decode(
    [records[i] for i in range(len(records))],
    cache.settings.row_length,
    cache.settings.token_type,
  )


@pytest.mark.parametrize(
  ('mixture', 'lengths', 'budget'),
  [('both', LENGTHS, 20), ('pair', {'inputs': 400, 'targets': 20}, None)],
)
def test_a_cache_holds_what_training_would_have_read(
  use_data, tmp_path, monkeypatch, mixture, lengths, budget
):
  use_data()
  write(
    tmp_path,
    mixture_or_task_name=mixture,
    task_feature_lengths=lengths,
    loss_positions_per_row=budget,
    num_rows=15,
    num_shards=2,
  )
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  for shard, num_rows in enumerate((8, 7)):
    monkeypatch.setattr(jax, 'process_index', lambda shard=shard: shard)
    live = train_data.TrainData(
      mixture, lengths, 2, budget, seed=5, num_packing_bins=4
    )
    batches = [next(live) for _ in range(num_rows)]
    stored = stored_rows(tmp_path, shard)
    assert set(stored) == set(batches[0])
    for name, array in stored.items():
      expected = np.concatenate([batch[name] for batch in batches])
      np.testing.assert_array_equal(array, expected)


def test_the_manifest_counts_what_is_in_the_rows(use_data, tmp_path):
  use_data()
  written = write(tmp_path)
  read = manifest.read_manifest(tmp_path)
  assert read == written
  assert read.settings.vocabulary == 'bytes'
  assert read.settings.tasks == {'letters': 1.0, 'digits': 3.0}
  assert read.settings.data['symbol_tuning_exemplars'] == [2, 3]
  shards = [stored_rows(tmp_path, shard) for shard in range(3)]
  segments = np.concatenate([s['decoder_segment_ids'] for s in shards])
  weights = np.concatenate([s['decoder_loss_weights'] for s in shards])
  total = read.statistics
  assert total.rows == 23 and total.positions == 23 * 60
  assert total.tokens == np.count_nonzero(segments)
  assert total.target_tokens == weights.sum()
  assert total.most_target_tokens == weights.sum(axis=1).max()
  starts = np.concatenate(
    [
      s['decoder_input_tokens'][(s['decoder_positions'] == 0) & (ids > 0)]
      for s, ids in zip(shards, np.split(segments, [8, 16]), strict=True)
    ]
  )
  letters, digits = seqio.ByteVocabulary().encode('ld')
  assert total.examples == {
    'letters': np.count_nonzero(starts == letters),
    'digits': np.count_nonzero(starts == digits),
  }
  assert 0 < total.examples['letters'] < total.examples['digits']
  assert [shard.statistics.rows for shard in read.shards] == [8, 8, 7]
  stated = json.loads((tmp_path / 'manifest.json').read_text())['statistics']
  assert stated['non_padding'] == round(np.mean(segments > 0), 4)


def test_prompts_that_are_too_long_are_counted_by_task(use_data, tmp_path):
  use_data()
  written = write(
    tmp_path,
    mixture_or_task_name='symbol_tuning_trec',
    task_feature_lengths={'inputs': 62, 'targets': 20},
    num_shards=1,
  )
  assert written.statistics.dropped['symbol_tuning_trec'] > 0


def interrupted(job, shards):
  """Is stopped in the middle of the second shard."""
  job.write_shard(shards[0])
  num_rows = itertools.count(1)

  def on_row():
    if next(num_rows) == 3:
      raise KeyboardInterrupt

  job.write_shard(shards[1], on_row)


def test_an_interrupted_cache_is_gone_on_with(use_data, tmp_path, capsys):
  use_data()
  folder = tmp_path / 'broken'
  with pytest.raises(KeyboardInterrupt):
    write(folder, interrupted)
  assert '1 of 3 shards are complete and kept' in capsys.readouterr().out
  assert {name.split('.')[0] for name in contents(folder)} == {
    'settings', 'config', 'rows-00000-of-00003'
  }  # fmt: skip
  with pytest.raises(FileNotFoundError, match='not complete: 1 of 3 shards'):
    manifest.read_manifest(folder)
  resumed = []

  def remembering(job, shards):
    resumed.extend(shards)
    here(job, shards)

  write(folder, remembering)
  assert resumed == [1, 2]
  write(tmp_path / 'whole')
  assert contents(folder) == contents(tmp_path / 'whole')
  write(folder, never)


def test_shards_that_are_removed_cut_or_damaged_are_written_again(
  use_data, tmp_path, capsys
):
  use_data()
  write(tmp_path)
  before = contents(tmp_path)
  removed, cut, damaged = sorted(tmp_path.glob('*.array_record'))
  removed.unlink()
  cut.write_bytes(cut.read_bytes()[:-10])
  content = bytearray(damaged.read_bytes())
  content[len(content) // 2] ^= 1
  damaged.write_bytes(content)
  write(tmp_path)
  assert contents(tmp_path) == before
  assert f'{damaged} is damaged: written again' in capsys.readouterr().out


def test_a_second_writer_is_refused(use_data, tmp_path):
  use_data()

  def writing_too(job, shards):
    with pytest.raises(BlockingIOError, match='choose another CACHE_DIR'):
      write(tmp_path, never)
    here(job, shards)

  write(tmp_path, writing_too)


def test_what_a_killed_process_left_is_removed(use_data, tmp_path):
  use_data()
  write(tmp_path)
  left = tmp_path / '.rows-00001-of-00003.array_record.0a1b2c3d.partial'
  left.write_bytes(b'half')
  write(tmp_path, never)
  assert not left.exists()


@pytest.mark.parametrize(
  ('changes', 'data', 'message'),
  [
    ({'seed': 6}, {}, 'begun with seed = 5, and this run has 6'),
    ({'num_rows': 24}, {}, 'num_rows = 23, and this run has 24'),
    ({}, {'separator': 'none'}, "'eos'.* and this run has .*'none'"),
  ],
)
def test_a_cache_has_one_way_of_being_made(
  use_data, tmp_path, changes, data, message
):
  use_data()
  with pytest.raises(AssertionError, match='were written'):
    write(tmp_path, never)
  use_data(**data)
  with pytest.raises(ValueError, match=message):
    write(tmp_path, **changes)


def test_data_that_have_changed_are_named(use_data, tmp_path):
  use_data()
  chosen = {
    'mixture_or_task_name': 'symbol_tuning_sst2',
    'task_feature_lengths': {'inputs': 400, 'targets': 20},
    'num_rows': 2,
    'num_shards': 1,
  }
  write(tmp_path, **chosen)
  source = settings.current().source

  class Changed(type(source)):
    """The same name and as many examples, of which one differs by a letter."""

    def load(self, spec, split):
      pool = super().load(spec, split)
      texts = (pool.texts[0].upper(), *pool.texts[1:])
      return dataclasses.replace(pool, texts=texts)

    def __repr__(self):
      return repr(source)

  use_data(source=Changed())
  with pytest.raises(ValueError, match='examples of symbol_tuning_sst2 are no'):
    write(tmp_path, **chosen)


@contextlib.contextmanager
def largest_file(size):
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_one_error_and_leaves_whole_shards(use_data, tmp_path):
  use_data()

  def with_a_full_disk(job, shards):
    job.write_shard(shards[0])
    with largest_file(10_000):
      job.write_shard(shards[1])

  with pytest.raises(OSError, match=r'Cannot write .*: File too large'):
    write(tmp_path, with_a_full_disk)
  assert not list(tmp_path.glob('.*'))
  begun = manifest.read_settings(tmp_path)
  assert manifest.read_shard(tmp_path, begun, 0) is not None
  assert manifest.read_shard(tmp_path, begun, 1) is None


def test_more_shards_than_examples_are_refused(use_data, tmp_path):
  use_data()
  with pytest.raises(ValueError, match=r'has 24 examples, too few .* 25'):
    write(tmp_path, num_rows=50, num_shards=25)
  with pytest.raises(ValueError, match=r'NUM_SHARDS 24 must be .* 23'):
    write(tmp_path, num_shards=24)
  assert not contents(tmp_path)


def test_processes_write_the_same_shards_to_a_bucket(
  configure, bucket, tmp_path, capsys
):
  apart, alone = bucket / 'cache', tmp_path / 'alone'
  run = configure('runs/cache.gin')
  run(cache_dir=str(alone), runner=here)
  runner = processes.LocalProcesses(num_workers=2, period=0.5)
  run(cache_dir=str(apart), runner=runner)
  assert contents(apart) == contents(alone)
  told = capsys.readouterr().out
  assert 'caching · 9 of 9 rows' in told and 'shards to finish: 0' in told


def test_an_environment_is_carried_over(configure):
  configure('runs/cache.gin')
  carried = environment.Environment.current()
  gin.clear_config()
  settings.use(None)
  carried.enter()
  assert environment.Environment.current() == carried
  assert gin.query_parameter('%NUM_SHARDS') == 2
