"""Exact match of generated text, as a SeqIO predict metric.

The two halves fit a SeqIO task, under this package's evaluator and T5X's:

  seqio.TaskRegistry.add(
    …,
    postprocess_fn=exact_match.first_line,
    metric_fns=[exact_match.exact_match],
  )

Examples carry every accepted answer as the feature `answers` (see
seqio_tasks.text_tasks), which is what BIG-bench's exact_str_match compares
with, and perhaps its `output_regex`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any


def first_line(
  text: str,
  example: Mapping[str, Any] | None = None,
  is_target: bool = False,
) -> Any:
  """Prepares a target or a prediction for `exact_match`.

  Args:
    text: the target, or what the model wrote.
    example: the task's example; has `answers`, strings or bytes, and perhaps
      `output_regex`.
    is_target: whether `text` is a target.

  Returns:
    Of a target: the accepted answers. Of a prediction: what the regular
    expression first finds in it (its group, if it has one), or nothing. Where
    there is no expression, the first line, since a model that goes on may write
    further examples; spaces around it are dropped.
  """
  example = example or {}
  if is_target:
    return tuple(map(_decoded, example['answers']))
  pattern = _decoded(example.get('output_regex', ''))
  if not pattern:
    return text.split('\n', 1)[0].strip()
  match = re.search(pattern, text)
  return match[1 if match.re.groups else 0] if match else ''


def _decoded(feature: str | bytes) -> str:
  return feature.decode() if isinstance(feature, bytes) else str(feature)


def exact_match(
  targets: Sequence[Sequence[str]], predictions: Sequence[str]
) -> dict[str, float]:
  """The percentage of predictions that equal an accepted answer.

  Raises:
    ValueError: if there are no examples, or predictions are missing.
  """
  if len(targets) != len(predictions):
    raise ValueError(
      f'{len(targets)} targets, but {len(predictions)} predictions.'
    )
  if not targets:
    raise ValueError('There are no predictions to compare: the task is empty.')
  pairs = zip(targets, predictions, strict=True)
  correct = sum(prediction in answers for answers, prediction in pairs)
  return {'exact_match': 100 * correct / len(targets)}
