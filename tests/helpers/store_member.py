"""Trains a tiny decoder from a cache; run by object_store_test, and killed.

store_member.py CACHE_DIR MODEL_DIR STEPS
"""

import dataclasses
import sys

import jax
import random_cache
import tiny_models

from symbol_tuning.data import vocabularies
from symbol_tuning.data.cache import reader
from symbol_tuning.files import locks
from symbol_tuning.models import decoder
from symbol_tuning.training import loop, optimizers

MIXTURE = 'some_mixture'
LENGTHS = {'inputs': 6, 'targets': 2}
LENGTH = sum(LENGTHS.values())
MODEL = decoder.Decoder(
  dataclasses.replace(tiny_models.TINY, num_layers=1, dropout_rate=0.1)
)


def write_cache(folder):
  """Writes 24 random rows in two shards."""
  vocabulary = vocabularies.Bytes()
  random_cache.write(folder, MIXTURE, LENGTHS, vocabulary, vocab_size=32)


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
