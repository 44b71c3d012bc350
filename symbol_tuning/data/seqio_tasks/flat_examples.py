"""The layout in which SeqIO and T5X know the questions of an evaluation.

They have one example for each (query, option) of a question whose options are
ranked, and one for each question whose answer is written. Tasks give their
questions so, and metric functions read them so; all else deals in records.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from symbol_tuning.data.prompting.records import OpenQuery, Option, Query
from symbol_tuning.data.seqio_tasks.python_map import TEXT, TOKENS

_INTEGER = tf.TensorSpec([], tf.int32)
# The features of examples, as `python_map` takes them: of any prompt, of an
# option that is ranked, and of a question whose answer is written.
PROMPT = {
  'inputs': TOKENS,
  'inputs_pretokenized': TEXT,
  'targets': TOKENS,
  'targets_pretokenized': TEXT,
}
RANKED = PROMPT | {
  'idx': tf.TensorSpec([2], tf.int32),
  'is_correct': tf.TensorSpec([], tf.bool),
  'label': _INTEGER,
  'query_index': _INTEGER,
}
OPEN = PROMPT | {
  'answers': tf.TensorSpec([None], tf.string),
  'origin': TEXT,
  'output_regex': TEXT,
  'query_index': _INTEGER,
  'num_exemplars': _INTEGER,
  'num_exemplars_drawn': _INTEGER,
}


def of_query(query: Query) -> list[dict[str, Any]]:
  """Returns one example for each option.

  `label` is the class of the query, where its prompt tells the class.
  """
  of_dataset = {'label': query.prompt.label} if query.prompt else {}
  return [
    {
      **_prompt(query, option),
      'idx': np.array([query.index, number], np.int32),
      'is_correct': number == query.label,
      'query_index': query.index,
      **of_dataset,
    }
    for number, option in enumerate(query.options)
  ]


def of_open_query(query: OpenQuery) -> dict[str, Any]:
  """Returns the example of a question whose answer is written."""
  return {
    **_prompt(query, query.target),
    'answers': np.array([a.encode() for a in query.answers], object),
    'origin': query.origin.encode(),
    'output_regex': query.output_regex.encode(),
    'query_index': np.int32(query.index),
    'num_exemplars': query.num_kept,
    'num_exemplars_drawn': query.num_drawn,
  }


def _prompt(query: Query | OpenQuery, target: Option) -> dict[str, Any]:
  return {
    'inputs': query.tokens,
    'inputs_pretokenized': query.text.encode(),
    'targets': target.tokens,
    'targets_pretokenized': target.text.encode(),
  }
