"""Run by local_pod_test as each process of a pod: trains a tiny decoder.

    pod_member.py FOLDER STEPS [EVENT]

The event happens to process 1 before batch 3: 'die', 'fail', 'hang' or
'terminate'.
"""

import dataclasses
import os
import signal
import time

import numpy as np
import random_cache
import tiny_models
from absl import app

from symbol_tuning import distributed
from symbol_tuning.data.prompting.records import Option, Query
from symbol_tuning.evaluation import layout
from symbol_tuning.evaluation.ranking import scoring
from symbol_tuning.models import decoder
from symbol_tuning.training import feeding, loop, optimizers, partitioning

BATCH_SIZE, LENGTH = 8, 8
MODEL = decoder.Decoder(
  dataclasses.replace(tiny_models.TINY, num_layers=1, dropout_rate=0.1)
)


class Data:
  """Random batches, of which each process reads its own rows."""

  def __init__(self, shard, event=None):
    self.shard, self.event, self.count = shard, event, 0

  def __next__(self):
    self.count += 1
    if self.event and self.count >= 3:
      self.happens()
    rng = np.random.default_rng(self.count)
    size = (BATCH_SIZE, LENGTH + 1)
    rows = BATCH_SIZE // self.shard.count
    tokens = rng.integers(1, MODEL.config.vocab_size, size, dtype=np.int32)
    tokens = tokens[self.shard.index * rows :][:rows]
    return random_cache.whole_rows(tokens)

  def happens(self):
    time.sleep(0.05)
    if self.shard.index != 1 or self.count > 3:
      return
    if self.event == 'fail':
      raise ValueError('the data are bad')
    if self.event == 'hang':
      time.sleep(1000)
    number = {'die': signal.SIGKILL, 'terminate': signal.SIGTERM}[self.event]
    os.kill(os.getpid(), number)

  def get_state(self):
    return {'count': self.count}

  def set_state(self, state):
    self.count = state['count']


# Two options for each of three queries; two processes score them together.
QUERIES = [
  Query(
    index=query,
    text='',
    tokens=np.arange(1, 5 + query),
    options=tuple(
      Option('', np.array([option + 7, query + 9])) for option in range(2)
    ),
    label=0,
  )
  for query in range(3)
]
LAYOUT = layout.Layout((16,), num_targets=8, batch_tokens=64, batch_multiple=4)


@dataclasses.dataclass(frozen=True)
class Scores:
  """An evaluation that reports every score."""

  def prepare(self):
    pass

  def __call__(self, params, step):
    del step
    scores = scoring.log_likelihoods(MODEL, params, QUERIES, LAYOUT)
    scores = np.concatenate(scores)
    return {f'score_{number}': score for number, score in enumerate(scores)}


def train(folder, steps, partitioner, event=None):
  return loop.train(
    loop.Run(
      MODEL,
      Data(feeding.batch_shard(partitioner), event),
      str(folder),
      optimizers.adafactor(0.05),
      loop.Schedule(steps, log_period=1, eval_period=None if event else 1),
      partitioner=partitioner,
      evaluation=Scores(),
      hang_seconds=18.0 if event == 'hang' else None,
    )
  )


def main(argv):
  _, folder, steps, *event = argv
  with distributed.joined():
    if not event:
      # Both processes read all rows, for only the model is split.
      train(folder, 1, partitioning.Partitioner(tensor=4))
    train(folder, int(steps), partitioning.Partitioner(fsdp=2), *event)


if __name__ == '__main__':
  app.run(main)
