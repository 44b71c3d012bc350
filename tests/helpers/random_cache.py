"""Caches of random rows, as the cache's writer would write them."""

import hashlib

import numpy as np
from array_record.python import array_record_module

from symbol_tuning import files
from symbol_tuning.data.cache import manifest, rows


def write(
  folder, mixture, lengths, vocabulary, vocab_size, num_rows=24, num_shards=2
):
  """Writes a cache, to a disk or to a bucket."""
  settings = manifest.CacheSettings(
    mixture_or_task_name=mixture,
    tasks={mixture: 1.0},
    vocabulary=vocabulary.fingerprint(),
    token_type='uint16',
    task_feature_lengths=lengths,
    loss_positions_per_row=sum(lengths.values()),
    num_packing_bins=1,
    seed=0,
    num_rows=num_rows,
    num_shards=num_shards,
    data={},
    version='0',
  )
  manifest.write_settings(folder, settings)
  shards = [
    _write_shard(folder, settings, number, vocab_size)
    for number in range(num_shards)
  ]
  manifest.Manifest(settings, tuple(shards)).write(folder)


def _write_shard(folder, settings, number, vocab_size):
  rng = np.random.default_rng(number)
  length = sum(settings.task_feature_lengths.values())
  name = settings.shard_name(number)
  with files.replacing(folder / name) as partial:
    writer = array_record_module.ArrayRecordWriter(
      str(partial), 'group_size:1,uncompressed'
    )
    for _ in range(settings.rows_of(number)):
      tokens = rng.integers(1, vocab_size, length + 1, dtype=np.int32)
      row = whole_rows(tokens)
      writer.write(rows.encode(row, np.array([0]), settings.token_type))
    writer.close()
    content = partial.read_bytes()
  rows_here = manifest.Statistics(rows=settings.rows_of(number))
  digest = hashlib.sha256(content).hexdigest()
  shard = manifest.Shard(name, len(content), digest, rows_here)
  shard.write(folder)
  return shard


def whole_rows(tokens):
  """Rows of one segment and no padding, with loss at every position.

  Args:
    tokens: int32 [..., length + 1].
  """
  whole = np.ones_like(tokens[..., 1:])
  return {
    'decoder_input_tokens': tokens[..., :-1],
    'decoder_target_tokens': tokens[..., 1:],
    'decoder_loss_weights': whole,
    'decoder_positions': whole.cumsum(axis=-1, dtype=np.int32) - 1,
    'decoder_segment_ids': whole,
  }
