"""Prompts per second: our composer, plain Python and SeqIO's few-shot source.

    python benchmarks/prompts.py [--rounds=5] [--seconds=2] [--warming=10]

All three write prompts of eight exemplars around the same texts and tokenize
them with the same vocabulary: a SentencePiece unigram model and a byte-level
BPE, both trained here on the texts. Texts are SST-2's where
SYMBOL_TUNING_DATA_ROOT names a folder with it, and the tiny world's elsewhere.
Ours balances the classes, draws symbols, formats and exemplars anew for each
prompt and fits it to a length; SeqIO's few-shot source batches shuffled
exemplars with natural labels. The examples of both leave TensorFlow in the same
way, that of training, and hold tokens only.

Every round times each contender once, so that a busy machine slows all alike;
medians and the ratio of medians are printed. A contender's threads work ahead
while others are timed, until their buffers are full. So each reads for a second
without a clock, which empties what was made ahead, and is then timed while it
makes prompts as fast as it can. Ours tokenizes texts and symbols when they are
first drawn and later joins their tokens. So that it is timed as it is in all
but the first minutes of a run, every contender first reads for some seconds;
how fast it begins, the time to the first thousand prompts tells, counted from
opening the data. Cores are set by CPU affinity, in a process of their own for
each number of cores.
"""

import argparse
import dataclasses
import functools
import itertools
import multiprocessing
import os
import pathlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

EXEMPLARS_PER_CLASS = 4
TASK = 'symbol_tuning_sst2'
LENGTHS = {'inputs': 2048, 'targets': 64}
VOCAB_SIZE = 4000
SETTLING = 1.0  # seconds before the clock starts


@dataclasses.dataclass(frozen=True)
class Speed:
  """Medians over the rounds.

  Attributes:
    prompts: per second.
    tokens: per second.
    cpu: microseconds of CPU time, on all cores, for each prompt.
    opening: seconds to the first thousand prompts.
  """

  prompts: float
  tokens: float
  cpu: float
  opening: float


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
  from symbol_tuning.data import train_data

  examples = train_data.open_examples(TASK, LENGTHS, seed=0)
  for example in examples:
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


def plain_python(pool, vocabulary) -> Iterator[int]:
  """Yields the length of each prompt of the obvious program."""
  rng = random.Random(0)
  classes = range(len(pool.names))
  members = [[i for i, c in enumerate(pool.labels) if c == k] for k in classes]
  while True:
    query = rng.randrange(len(pool.texts))
    chosen = [
      (i, k)
      for k in classes
      for i in rng.sample(members[k], EXEMPLARS_PER_CLASS + 1)
      if i != query
    ]
    rng.shuffle(chosen)
    symbols = rng.sample(range(10_000), len(pool.names))
    shots = [f'Input: {pool.texts[i]}\nOutput: {symbols[k]}' for i, k in chosen]
    prompt = '\n\n'.join([*shots, f'Input: {pool.texts[query]}\nOutput:'])
    yield len(vocabulary.encode(prompt)) + 1


CONTENDERS: dict[str, Callable] = {
  'ours': ours,
  'plain Python': plain_python,
  'SeqIO few-shot': seqio_few_shot,
}


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
  num_cores: int,
  vocabulary_kind: str,
  rounds: int,
  seconds: float,
  warming: float,
) -> dict[str, Speed]:
  """Times all contenders in this process, on so many cores."""
  os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:num_cores]))
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
    streams = {key: f(pool, vocabulary) for key, f in CONTENDERS.items()}
    openings = {key: _opening(stream) for key, stream in streams.items()}
    for stream in streams.values():
      _read_for(stream, warming)
    timings = {key: [] for key in streams}
    for _ in range(rounds):
      for key, stream in streams.items():
        _read_for(stream, SETTLING)
        timings[key].append(_read_for(stream, seconds))
  return {
    key: Speed(
      *map(statistics.median, zip(*timed, strict=True)), opening=openings[key]
    )
    for key, timed in timings.items()
  }


def _opening(stream: Iterator[int]) -> float:
  """Returns the seconds to the first thousand prompts."""
  start = time.perf_counter()
  for _ in itertools.islice(stream, 1000):
    pass
  return time.perf_counter() - start


def _read_for(
  stream: Iterator[int], seconds: float
) -> tuple[float, float, float]:
  """Returns prompts and tokens per second, and CPU microseconds a prompt."""
  start, cpu_start = time.perf_counter(), time.process_time()
  prompts = tokens = 0
  while time.perf_counter() - start < seconds:
    for length in itertools.islice(stream, 32):
      prompts += 1
      tokens += length
  passed = time.perf_counter() - start
  cpu = time.process_time() - cpu_start
  return prompts / passed, tokens / passed, 1e6 * cpu / prompts


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seconds', type=float, default=2.0)
  parser.add_argument('--warming', type=float, default=10.0)
  arguments = parser.parse_args()
  print(
    '| vocabulary | cores | contender | prompts/s | tokens/s | ours / it |'
    ' CPU µs a prompt | first 1,000 prompts |'
  )
  print('| --- | --- | --- | --- | --- | --- | --- | --- |')
  spawn = multiprocessing.get_context('spawn')
  for kind, cores in itertools.product(('SentencePiece', 'BPE'), (1, 2)):
    run = functools.partial(measure, cores, kind, **vars(arguments))
    with spawn.Pool(1) as pool:
      speeds = pool.apply(run)
    for key, speed in speeds.items():
      ratio = speeds['ours'].tokens / speed.tokens
      print(
        f'| {kind} | {cores} | {key} | {speed.prompts:,.0f} |'
        f' {speed.tokens:,.0f} | {ratio:.2f} | {speed.cpu:.0f} |'
        f' {speed.opening:.1f} s |',
        flush=True,
      )


if __name__ == '__main__':
  main()
