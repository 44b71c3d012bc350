"""The source of a task made of a dataset: which examples are asked about."""

import functools
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf

from symbol_tuning.data.datasets import sources
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.data.prompting.composing import Composer, Recipe
from symbol_tuning.data.prompting.fitting import FittedPrompt, Fitter

# Chooses the queries of an evaluation task, the same for every model.
EVALUATION_SEED = 2023


class PromptMaker:
  """Makes the prompts of one task, fitted to some feature lengths.

  Attributes:
    pool: the examples.
    fitter: of the current vocabulary and separator.
  """

  def __init__(
    self,
    spec: DatasetSpec,
    pool: sources.Pool,
    recipe: Recipe,
    task_feature_lengths: Mapping[str, int] | None,
    stream: str,
  ):
    """Prepares the pool.

    Args:
      spec: the dataset.
      pool: its examples.
      recipe: how prompts are made.
      task_feature_lengths: the most tokens of 'inputs' and 'targets'.
      stream: makes the draws of one task unlike those of every other.

    Raises:
      ValueError: if the pool cannot fill a prompt.
    """
    self.pool = pool
    self.fitter = Fitter.of(task_feature_lengths)
    self._stream = stream
    self._too_long = self.fitter.too_long(pool.texts)
    if self._too_long:
      num_rows = sum(text in self._too_long for text in pool.texts)
      _say_left_out(spec.name, num_rows, len(pool.texts))
    try:
      self._composer = Composer(
        pool, spec.labels, spec.instruction, recipe, self._too_long
      )
    except ValueError as error:
      raise ValueError(f'{spec.name}: {error}') from None

  def make(
    self, queries: Sequence[int], seed: int = 0, epochs: Sequence[int] = ()
  ) -> list[FittedPrompt | None]:
    """Returns the prompt around each query; None where it does not fit.

    A prompt depends on the task, the seed, the epoch and its query only.

    Args:
      queries: numbers of examples of the pool.
      seed: of the run.
      epochs: how often each query was asked before; never, by default.
    """
    epochs = epochs if len(epochs) else [0] * len(queries)
    asked = [
      self._composer.compose(query, f'{self._stream} {seed} {epoch} {query}')
      for query, epoch in zip(queries, epochs, strict=True)
      if self.pool.texts[query] not in self._too_long
    ]
    fitted = iter(self.fitter.fit(asked))
    return [
      None if self.pool.texts[query] in self._too_long else next(fitted)
      for query in queries
    ]


@functools.cache
def _say_left_out(name: str, num_rows: int, total: int) -> None:
  """Says once that rows are neither shown nor asked about."""
  print(
    f'{name}: {num_rows} of {total} rows are longer than'
    " TASK_FEATURE_LENGTHS['inputs'] alone and are left out.",
    file=sys.stderr,
    flush=True,
  )


class QuerySource(seqio.DataSource):
  """Yields which examples to ask about; a preprocessor makes the prompts.

  Elements are {'query', 'seed', 'epoch_size': int64 []}: the number of an
  example, the seed of the run, and how many queries this shard has, which
  tells its epochs apart where it is repeated.

  Attributes:
    spec: the dataset.
  """

  def __init__(
    self,
    spec: DatasetSpec,
    split: str,
    pool: Callable[[], sources.Pool],
    recipe: Callable[[], Recipe],
    stream: str,
    max_queries: Callable[[], int] | None = None,
  ):
    """Says how examples and prompts are made; nothing is loaded yet.

    Args:
      spec: the dataset.
      split: 'train' or 'validation'.
      pool: loads the examples.
      recipe: returns how prompts are made.
      stream: see `PromptMaker`.
      max_queries: returns the most examples that are asked about, or None for
        all; which ones is the same choice at every load.
    """
    self.spec = spec
    self._pool = pool
    self._recipe = recipe
    self._stream = stream
    self._max_queries = max_queries
    super().__init__(splits=[split], performs_internal_shuffling=True)

  def prompt_maker(
    self, task_feature_lengths: Mapping[str, int] | None
  ) -> PromptMaker:
    """Returns what makes the prompts of the task.

    Raises:
      ValueError: if the examples cannot fill a prompt.
    """
    return PromptMaker(
      self.spec,
      self._pool(),
      self._recipe(),
      task_feature_lengths,
      self._stream,
    )

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return True

  def list_shards(self, split: str) -> list[str]:
    return [split]

  def digest(self) -> str:
    """Returns what tells the examples, and how they are asked, from others."""
    asked = (self._pool().digest(), self.spec.labels, self.spec.instruction)
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]

  def num_input_examples(self, split: str) -> int:
    return len(self.queries())

  def queries(self) -> np.ndarray:
    """Returns the numbers of the examples that are asked about, int64 [n]."""
    size = len(self._pool().texts)
    most = self._max_queries() if self._max_queries else size
    if size <= most:
      return np.arange(size)
    rng = np.random.default_rng(EVALUATION_SEED)
    return np.sort(rng.permutation(size)[:most])

  def get_dataset(
    self,
    split: str = 'train',
    shuffle: bool = True,
    seed: int | None = None,
    shard_info: seqio.ShardInfo | None = None,
    **unused,
  ) -> tf.data.Dataset:
    if seed is None:
      seed = int(np.random.default_rng().integers(2**31))
    queries = self.queries()
    if shuffle:
      queries = np.random.default_rng(seed).permutation(queries)
    if shard_info:
      queries = queries[shard_info.index :: shard_info.num_shards]
    same = np.ones_like(queries)
    return tf.data.Dataset.from_tensor_slices(
      {
        'query': queries,
        'seed': same * seed,
        'epoch_size': same * len(queries),
      }
    )
