"""How full rows are: our packing beside SeqIO's, on the same prompts.

    python benchmarks/packing.py [--examples=20000] [--row_length=2560]

The prompts are the symbol_tuning mixture's, tokenized with the bytes of UTF-8
cut to a quarter (text of about four characters a token), so that no tokenizer
is needed: only the lengths matter. They are of the real datasets where
SYMBOL_TUNING_DATA_ROOT names a folder of them, and of the tiny world elsewhere.
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import grain
import numpy as np
import seqio
import tensorflow as tf

import symbol_tuning.tasks  # noqa: F401
from symbol_tuning.data import packing, settings, vocabularies
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.seqio_tasks import mixing

CHARACTERS_PER_TOKEN = 4
MAX_INPUTS = 2048


def example_lengths(num_examples: int) -> np.ndarray:
  """Tokens of each prompt with its target, int [num_examples]."""
  root = os.environ.get(sources.DATA_ROOT_VARIABLE)
  settings.use(
    settings.DataSettings(
      vocabulary=vocabularies.Bytes(),
      source=sources.from_environment() if root else sources.SyntheticSource(),
      skip_missing=True,
    )
  )
  lengths = {'inputs': MAX_INPUTS * CHARACTERS_PER_TOKEN, 'targets': 512}
  examples = mixing.read(
    mixing.tuning_examples('symbol_tuning', lengths, seed=0)
  )
  return np.array(
    [
      (len(e['inputs']) + len(e['targets'])) // CHARACTERS_PER_TOKEN
      for e in itertools.islice(examples, num_examples)
    ]
  )


def example(length: int) -> dict[str, np.ndarray]:
  ones = np.ones(length, np.int32)
  return {'inputs': ones[:-1], 'targets': ones[:1]}


def ours(lengths: np.ndarray, row_length: int, bins: int) -> Iterable[float]:
  """Yields the share of each row that is filled."""
  examples = grain.MapDataset.source(list(lengths)).map(example)
  rows = packing.pack(
    examples.map(packing.to_decoder_features).to_iter_dataset(),
    row_length=row_length,
    loss_positions_per_row=row_length,
    num_packing_bins=bins,
    seed=0,
  )
  for row in rows:
    yield (row['decoder_segment_ids'] > 0).mean()


def seqios(lengths: np.ndarray, row_length: int) -> Iterable[float]:
  """Yields the share of each row that is filled by SeqIO's packing."""
  dataset = tf.data.Dataset.from_generator(
    lambda: ({'targets': np.ones(n - 1, np.int32)} for n in lengths),
    output_signature={'targets': tf.TensorSpec([None], tf.int32)},
  )
  packed = seqio.utils.trim_and_pack_dataset(
    dataset, {'targets': row_length}, use_custom_ops=False
  )
  for row in packed.as_numpy_iterator():
    yield (row['targets_segment_ids'] > 0).mean()


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--examples', type=int, default=20_000)
  parser.add_argument('--row_length', type=int, default=2560)
  arguments = parser.parse_args()
  lengths = example_lengths(arguments.examples)
  percentiles = np.percentile(lengths, [5, 50, 95]).astype(int)
  print(
    f'{len(lengths)} prompts; tokens: mean {lengths.mean():.0f}, 5th, 50th and'
    f' 95th percentile {", ".join(map(str, percentiles))}\n'
  )
  print('| packing | not padding | rows/s |')
  print('| --- | --- | --- |')
  contenders = {
    f'ours, {bins} bins': lambda bins=bins: ours(
      lengths, arguments.row_length, bins
    )
    for bins in (16, 64, 256)
  } | {'SeqIO': lambda: seqios(lengths, arguments.row_length)}
  for name, pack in contenders.items():
    start = time.perf_counter()
    shares = list(pack())
    seconds = time.perf_counter() - start
    print(
      f'| {name} | {np.mean(shares):.1%} | {len(shares) / seconds:,.0f} |',
      flush=True,
    )


if __name__ == '__main__':
  main()
