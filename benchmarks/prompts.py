"""Prompts per second: our SeqIO task beside SeqIO's own few-shot source.

    python benchmarks/prompts.py [--rounds=5] [--seconds=2]

Both write prompts of eight exemplars around the same texts, tokenize them with
the same vocabulary (a SentencePiece unigram model and a byte-level BPE, trained
here on the texts) and leave TensorFlow in the same way, that of training. Texts
are SST-2's where SYMBOL_TUNING_DATA_ROOT names a folder with it, and the tiny
world's elsewhere. Ours balances the classes, draws symbols, formats and
exemplars anew for each prompt and fits it to a length; SeqIO's batches shuffled
exemplars with natural labels.

One core, by CPU affinity, and CPU time of all threads, which other work on the
machine hardly changes. Every round times each contender once; medians and the
ratio of medians are printed. What a contender's threads have made ahead is read
before the clock starts.
"""

import argparse
import dataclasses
import functools
import itertools
import multiprocessing
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Iterator

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

EXEMPLARS_PER_CLASS = 4
TASK = 'symbol_tuning_sst2'
LENGTHS = {'inputs': 2048, 'targets': 64}
VOCAB_SIZE = 4000
SETTLING = 1.0  # seconds before the clock starts


def train_sentencepiece(texts, folder: pathlib.Path):
  """Trains a unigram model; returns its name."""
  import sentencepiece

  from symbol_tuning.data import vocabularies

  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(texts),
    model_prefix=str(folder / 'unigram'),
    vocab_size=VOCAB_SIZE,
    hard_vocab_limit=False,
    pad_id=0,
    eos_id=1,
    unk_id=2,
    bos_id=-1,
    minloglevel=2,
  )
  return vocabularies.SentencePiece(str(folder / 'unigram.model'))


def train_bpe(texts, folder: pathlib.Path):
  """Trains a byte-level BPE; returns its name."""
  import tokenizers
  from tokenizers import decoders, models, pre_tokenizers, trainers

  from symbol_tuning.data import vocabularies

  tokenizer = tokenizers.Tokenizer(models.BPE())
  tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  tokenizer.decoder = decoders.ByteLevel()
  trainer = trainers.BpeTrainer(
    vocab_size=VOCAB_SIZE, special_tokens=['<end>'], show_progress=False
  )
  tokenizer.train_from_iterator(texts, trainer)
  tokenizer.save(str(folder / 'tokenizer.json'))
  return vocabularies.HuggingFace(
    str(folder / 'tokenizer.json'), eos_token='<end>'
  )


def ours(pool, vocabulary) -> Iterator[int]:
  """Yields the length of each prompt of our SeqIO task."""
  del pool, vocabulary  # The task finds them in the settings.
  from symbol_tuning.data.seqio_tasks import mixing

  for example in mixing.read(mixing.tuning_examples(TASK, LENGTHS, seed=0)):
    yield len(example['inputs'])


def seqio_few_shot(pool, vocabulary) -> Iterator[int]:
  """Yields the length of each prompt of SeqIO's few-shot machinery."""
  import seqio
  import tensorflow as tf

  from symbol_tuning.data.seqio_tasks import mixing

  names = [pool.names[label] for label in pool.labels]
  source = seqio.FunctionDataSource(
    lambda split, shuffle_files, seed=None: tf.data.Dataset.from_tensor_slices(
      {'inputs': list(pool.texts), 'targets': names}
    ),
    splits=['train'],
  )
  few_shot = seqio.experimental.FewshotDataSource(
    source, num_shots=EXEMPLARS_PER_CLASS * len(pool.names)
  )
  feature = seqio.Feature(vocabulary, add_eos=True)
  features = {'inputs': feature, 'targets': feature}
  dataset = few_shot.get_dataset('train', shuffle=True, seed=0).repeat()
  dataset = seqio.experimental.fewshot_preprocessor(
    dataset, inputs_prefix='Input: ', targets_prefix='\nOutput: '
  )
  dataset = seqio.preprocessors.tokenize(
    dataset, features, copy_pretokenized=False
  )
  dataset = seqio.preprocessors.append_eos(dataset, features)
  for example in mixing.read(dataset.prefetch(tf.data.AUTOTUNE)):
    yield len(example['inputs'])


@dataclasses.dataclass(frozen=True)
class NamedPool:
  texts: tuple[str, ...]
  labels: tuple[int, ...]
  names: tuple[str, ...]


def load_pool() -> tuple[object, NamedPool]:
  """Returns the data source and SST-2's training examples."""
  from symbol_tuning.data.datasets import catalog, sources

  root = os.environ.get(sources.DATA_ROOT_VARIABLE)
  source = sources.LocalSource(root) if root else sources.SyntheticSource()
  spec = catalog.get('sst2')
  pool = sources.pool(source, spec, 'train')
  return source, NamedPool(pool.texts, pool.labels, spec.labels)


def measure(
  vocabulary_kind: str, rounds: int, seconds: float
) -> tuple[tuple[float, float], tuple[float, float]]:
  """Returns prompts and tokens a second of ours and of SeqIO's, on one core."""
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  import symbol_tuning.tasks  # noqa: F401
  from symbol_tuning.data import settings

  source, pool = load_pool()
  train = {'SentencePiece': train_sentencepiece, 'BPE': train_bpe}
  with tempfile.TemporaryDirectory() as folder:
    name = train[vocabulary_kind](pool.texts, pathlib.Path(folder))
    vocabulary = name.load()
    k = EXEMPLARS_PER_CLASS
    settings.use(
      settings.DataSettings(name, source, symbol_tuning_exemplars=(k, k))
    )
    streams = [f(pool, vocabulary) for f in (ours, seqio_few_shot)]
    timings = [[], []]
    for _ in range(rounds):
      for stream, timed in zip(streams, timings, strict=True):
        _read_for(stream, SETTLING)
        timed.append(_read_for(stream, seconds))
  return tuple(
    tuple(map(statistics.median, zip(*timed, strict=True))) for timed in timings
  )


def _read_for(stream: Iterator[int], seconds: float) -> tuple[float, float]:
  """Returns prompts and tokens per CPU second."""
  start, cpu_start = time.perf_counter(), time.process_time()
  prompts = tokens = 0
  while time.perf_counter() - start < seconds:
    for length in itertools.islice(stream, 32):
      prompts += 1
      tokens += length
  passed = time.process_time() - cpu_start
  return prompts / passed, tokens / passed


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seconds', type=float, default=2.0)
  arguments = parser.parse_args()
  print(
    '| vocabulary | ours, prompts/s | tokens/s | SeqIO, prompts/s | tokens/s |'
    ' ours / SeqIO, tokens |'
  )
  print('| --- | --- | --- | --- | --- | --- |')
  spawn = multiprocessing.get_context('spawn')
  for kind in ('SentencePiece', 'BPE'):
    run = functools.partial(measure, kind, **vars(arguments))
    with spawn.Pool(1) as pool:
      (prompts, tokens), (their_prompts, their_tokens) = pool.apply(run)
    print(
      f'| {kind} | {prompts:,.0f} | {tokens:,.0f} | {their_prompts:,.0f} |'
      f' {their_tokens:,.0f} | {tokens / their_tokens:.2f} |',
      flush=True,
    )


if __name__ == '__main__':
  main()
