"""Algorithmic tasks: list functions and simple Turing concepts.

`list_functions_<category>` and `turing_concepts_at_most_3` have examples made
by this package; the same names after `bigbench_` have BIG-bench's own, read
from the copy that bigbench.BigBench.folder names.
"""

import functools

from symbol_tuning.data.algorithmic import (
  bigbench,
  list_functions,
  turing_concepts,
)
from symbol_tuning.data.seqio_tasks import text_tasks
from symbol_tuning.evaluation.generation import exact_match

add = functools.partial(
  text_tasks.add_text_task,
  metric_fns=(exact_match.exact_match,),
  postprocess_fn=exact_match.first_line,
)


def official_list_functions(category: str) -> list[text_tasks.Question]:
  return bigbench.current().list_functions(category)


def official_turing_concepts() -> list[text_tasks.Question]:
  return bigbench.current().turing_concepts()


for category in list_functions.CATEGORIES:
  add(
    f'list_functions_{category}',
    functools.partial(list_functions.questions, category),
  )
  add(
    f'bigbench_list_functions_{category}',
    functools.partial(official_list_functions, category),
  )

add('turing_concepts_at_most_3', turing_concepts.questions)
add('bigbench_turing_concepts_at_most_3', official_turing_concepts)
