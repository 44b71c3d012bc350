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

  def random_rows(number):
    rng = np.random.default_rng(number)
    for _ in range(settings.rows_of(number)):
      size = sum(lengths.values()) + 1
      tokens = rng.integers(1, vocab_size, size, dtype=np.int32)
      yield rows.encode(whole_rows(tokens), np.array([0]), settings.token_type)

  write_shards(folder, settings, random_rows)


def write_shards(folder, settings, records_of, **statistics):
  """Writes the records of each shard, and what a cache says of itself."""
  shards = []
  for number in range(settings.num_shards):
    name = settings.shard_name(number)
    with files.replacing(folder / name) as partial:
      writer = array_record_module.ArrayRecordWriter(
        str(partial), 'group_size:1,uncompressed'
      )
      for record in records_of(number):
        writer.write(record)
      writer.close()
      content = partial.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    inside = manifest.Statistics(settings.rows_of(number), **statistics)
    shards.append(manifest.Shard(name, len(content), digest, inside))
    shards[-1].write(folder)
  manifest.Manifest(settings, tuple(shards)).write(folder)


def here(job, shards):
  """Has a cache's writer write the shards of a job in this process."""
  for shard in shards:
    job.write_shard(shard)


def contents(folder):
  """The bytes of each file."""
  return {path.name: path.read_bytes() for path in folder.iterdir()}


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
