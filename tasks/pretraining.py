"""`tiny_pretraining`: documents of the tiny world, for language modelling.

A symbol-tuned model starts from one that already knows its language. The tiny
models of the quickstart get to know theirs from this task.
"""

import seqio
import tensorflow as tf

from symbol_tuning.data import settings
from symbol_tuning.data.datasets import synthetic

NUM_DOCUMENTS = 20_000


class TinyDocuments(seqio.DataSource):
  """Yields {'targets': string []}, one document each; always the same ones."""

  def __init__(self):
    super().__init__(['train'], {'train': NUM_DOCUMENTS})

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return False

  def list_shards(self, split: str) -> list[str]:
    return [split]

  def get_dataset(self, split: str = 'train', **unused) -> tf.data.Dataset:
    documents = synthetic.documents(NUM_DOCUMENTS, seed=0)
    return tf.data.Dataset.from_tensor_slices({'targets': documents})


seqio.TaskRegistry.add(
  'tiny_pretraining',
  source=TinyDocuments(),
  preprocessors=[
    seqio.preprocessors.tokenize,
    seqio.CacheDatasetPlaceholder(),
    seqio.preprocessors.append_eos,
  ],
  output_features={'targets': seqio.Feature(settings.CurrentVocabulary())},
  shuffle_buffer_size=NUM_DOCUMENTS,
)
