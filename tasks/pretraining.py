"""`tiny_pretraining`: documents of the tiny world, for language modelling.

A symbol-tuned model starts from one that already knows its language. The tiny
models of the quickstart get to know theirs from this task.
"""

import seqio

from symbol_tuning.data import settings
from symbol_tuning.data.datasets import synthetic
from symbol_tuning.data.seqio_tasks.memory_source import MemorySource

NUM_DOCUMENTS = 20_000


seqio.TaskRegistry.add(
  'tiny_pretraining',
  source=MemorySource(
    'train',
    lambda: {'targets': synthetic.documents(NUM_DOCUMENTS, seed=0)},
    {'train': NUM_DOCUMENTS},
  ),
  preprocessors=[
    seqio.preprocessors.tokenize,
    seqio.CacheDatasetPlaceholder(),
    seqio.preprocessors.append_eos,
  ],
  output_features={'targets': seqio.Feature(settings.CurrentVocabulary())},
  shuffle_buffer_size=NUM_DOCUMENTS,
)
