"""SeqIO tasks that are answered by writing text, not by choosing a label.

A question shows a few solved examples and asks for the output of one more
input, in the format of every other evaluation prompt. Its answer is generated
and compared as text (evaluation.exact_match). The algorithmic benchmarks are
such tasks: data.list_functions, data.turing_concepts and data.bigbench.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import seqio
import tensorflow as tf

from symbol_tuning.data import examples
from symbol_tuning.data.prompting import fitting, formats
from symbol_tuning.data.seqio_tasks import dataset_tasks

Pair = tuple[str, str]  # an input and its output


@dataclasses.dataclass(frozen=True)
class Question:
  """A prompt in parts, and what is to be written after it.

  Attributes:
    shots: the solved examples; where a prompt is too long for the model, the
      last are left out first.
    query: ends where the answer begins.
    answers: every accepted answer; the first is the target.
    origin: the function or concept that is asked for.
  """

  shots: tuple[str, ...]
  query: str
  answers: tuple[str, ...]
  origin: str


def ask(
  shots: Sequence[Pair], query: str, answers: Sequence[str], origin: str
) -> Question:
  """Writes a question in the format of evaluation prompts."""
  form = formats.EVALUATION_FORMAT
  return Question(
    shots=tuple(form.write(*shot).rstrip() for shot in shots),
    query=f'{form.prefix}{query}{form.infix}',
    answers=tuple(answers),
    origin=origin,
  )


def few_shot_questions(
  pairs: Sequence[Pair], num_shots: int, seed: int, origin: str
) -> list[Question]:
  """Asks for every output, showing other pairs drawn at random.

  Args:
    pairs: inputs and outputs of one function.
    num_shots: pairs shown in each question, never the one that is asked for.
    seed: of the draws; the same questions for every model.
    origin: name of the function.

  Raises:
    ValueError: if a question has fewer than `num_shots` other pairs to show.
  """
  questions = []
  for i, (query, answer) in enumerate(pairs):
    others = [pair for pair in pairs if pair[0] != query]
    if len(others) < num_shots:
      raise ValueError(
        f'{origin}: {len(others)} pairs beside the input {query!r}, but'
        f' {num_shots} shots are to be shown. Add pairs or show fewer.'
      )
    order = named_generator(origin, seed, i).permutation(len(others))
    shots = [others[j] for j in order[:num_shots]]
    questions.append(ask(shots, query, [answer], origin))
  return questions


def named_generator(name: str, *seeds: int) -> np.random.Generator:
  """Returns a generator whose draws depend on a name and on seeds."""
  return np.random.default_rng([zlib.crc32(name.encode()), *seeds])


def add_text_task(
  name: str,
  questions: Callable[[], Sequence[Question]],
  metric_fns: Sequence[Callable] = (),
  postprocess_fn: Callable | None = None,
) -> None:
  """Registers an evaluation task of questions; its split is `validation`.

  An example has the features inputs and targets (int32 [length]),
  inputs_pretokenized and targets_pretokenized, answers (string [n], all that
  are accepted), origin (string []) and query_index (int32 []).

  Args:
    name: of the task.
    questions: returns the questions when the task is loaded.
    metric_fns: SeqIO metric functions of targets and predictions.
    postprocess_fn: prepares targets and predictions for the metrics.
  """

  def open_questions(split, shuffle_files, seed=None):
    del split, shuffle_files, seed
    features = list(_features(questions()))
    return tf.data.Dataset.from_generator(
      lambda: features, output_signature=_QUESTION
    )

  def write(dataset, sequence_length=None):
    limits = fitting.Limits.of(sequence_length)
    make = functools.partial(_example, limits)
    return dataset.map(
      lambda q: _EXAMPLES.call(make, *(q[k] for k in _QUESTION))
    )

  seqio.TaskRegistry.add(
    name,
    source=seqio.FunctionDataSource(open_questions, splits=['validation']),
    preprocessors=[
      seqio.CacheDatasetPlaceholder(),
      write,
      _EXAMPLES.one_by_one,
    ],
    output_features=dataset_tasks.FEATURES,
    metric_fns=list(metric_fns),
    postprocess_fn=postprocess_fn,
    shuffle_buffer_size=None,
  )


_QUESTION = {
  'shots': tf.TensorSpec([None], tf.string),
  'query': tf.TensorSpec([], tf.string),
  'answers': tf.TensorSpec([None], tf.string),
  'origin': tf.TensorSpec([], tf.string),
  'query_index': tf.TensorSpec([], tf.int32),
}
_EXAMPLES = examples.Signature(
  examples.PROMPT
  | {
    'answers': tf.TensorSpec([None], tf.string),
    'origin': tf.TensorSpec([], tf.string),
  }
)


def _features(questions: Sequence[Question]) -> Iterator[dict]:
  for index, question in enumerate(questions):
    yield dataclasses.asdict(question) | {'query_index': index}


def _example(
  limits: fitting.Limits,
  shots: np.ndarray,
  query: bytes,
  answers: np.ndarray,
  origin: bytes,
  query_index: np.int32,
) -> dict[str, np.ndarray]:
  """Writes a batch of one; a question that cannot fit is an error."""
  blocks = [*(shot.decode() for shot in shots), query.decode()]
  answer = answers[0].decode()
  target = limits.label(f' {answer}' if answer else '')
  (tokens,), (text,), num_kept = fitting.fit_texts(
    lambda kept: [formats.BLANK_LINE.join(blocks[: kept[0]] + blocks[-1:])],
    np.array([len(shots)]),
    limits.vocabulary,
    limits.room,
  )
  inputs = limits.input_start + fitting.as_row(tokens) + limits.input_end
  targets = fitting.as_row(limits.label_tokens(target))
  targets += limits.target_end
  if len(tokens) > limits.room or not limits.targets_fit([targets]).all():
    raise ValueError(
      f'a question or its answer {fitting.TOO_LONG}: {blocks[-1]!r} {answer!r}'
    )
  written = {
    'inputs': inputs,
    'inputs_pretokenized': text.encode(),
    'targets': targets,
    'targets_pretokenized': target.encode(),
  }
  return {k: fitting.objects([v]) for k, v in written.items()} | {
    'num_exemplars': num_kept,
    'num_exemplars_drawn': [len(shots)],
    'answers': [answers],
    'origin': [origin],
    'query_index': [query_index],
  }
