"""Trains a tiny decoder from a cache; run by object_store_test, and killed.

store_member.py CACHE_DIR MODEL_DIR STEPS
"""

import hashlib
import sys

import jax
import numpy as np
from array_record.python import array_record_module

from symbol_tuning import files
from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import manifest, reader, rows
from symbol_tuning.files import locks
from symbol_tuning.models import config, decoder
from symbol_tuning.training import loop, optimizers

MIXTURE = 'some_mixture'
LENGTHS = {'inputs': 6, 'targets': 2}
LENGTH = sum(LENGTHS.values())
MODEL = decoder.Decoder(
  config.DecoderConfig(
    vocab_size=32,
    num_layers=1,
    embed_dim=8,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    mlp_dim=16,
    dropout_rate=0.1,
  )
)


def write_cache(folder):
  """Writes 24 random rows in two shards, as the cache's writer would."""
  settings = manifest.CacheSettings(
    mixture_or_task_name=MIXTURE,
    tasks={MIXTURE: 1.0},
    vocabulary=vocabularies.Bytes().fingerprint(),
    token_type='uint16',
    task_feature_lengths=LENGTHS,
    loss_positions_per_row=LENGTH,
    num_packing_bins=1,
    seed=0,
    num_rows=24,
    num_shards=2,
    data={},
    version='0',
  )
  manifest.write_settings(folder, settings)
  shards = [_write_shard(folder, settings, number) for number in range(2)]
  manifest.Manifest(settings, tuple(shards)).write(folder)


def _write_shard(folder, settings, number):
  rng = np.random.default_rng(number)
  name = settings.shard_name(number)
  with files.replacing(folder / name) as partial:
    writer = array_record_module.ArrayRecordWriter(
      str(partial), 'group_size:1,uncompressed'
    )
    for _ in range(settings.rows_of(number)):
      tokens = rng.integers(1, 32, LENGTH + 1, dtype=np.int32)
      row = {
        'decoder_input_tokens': tokens[:-1],
        'decoder_target_tokens': tokens[1:],
        'decoder_loss_weights': np.ones(LENGTH, np.int32),
        'decoder_positions': np.arange(LENGTH, dtype=np.int32),
        'decoder_segment_ids': np.ones(LENGTH, np.int32),
      }
      writer.write(rows.encode(row, np.array([0]), 'uint16'))
    writer.close()
    content = partial.read_bytes()
  rows_here = manifest.Statistics(rows=settings.rows_of(number))
  digest = hashlib.sha256(content).hexdigest()
  shard = manifest.Shard(name, len(content), digest, rows_here)
  shard.write(folder)
  return shard


def train(cache_dir, model_dir, steps, **settings):
  """Trains, with a checkpoint after each step."""
  data = reader.CachedTrainData(
    str(cache_dir), MIXTURE, LENGTHS, vocabularies.Bytes(), batch_size=4
  )
  return loop.train(
    loop.Run(
      MODEL,
      data,
      str(model_dir),
      optimizers.adafactor(0.05),
      loop.Schedule(steps, checkpoint_period=1, keep=2, log_period=1),
      **settings,
    )
  )


if __name__ == '__main__':
  jax.config.update('jax_num_cpu_devices', 4)  # As where it is compared.
  locks.BEAT_SECONDS = 0.2  # It is killed, which the next one notices sooner.
  train(sys.argv[1], sys.argv[2], int(sys.argv[3]))
