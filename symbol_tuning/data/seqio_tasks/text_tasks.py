"""SeqIO tasks that are answered by writing text, not by choosing a label.

A question shows a few solved examples and asks for the output of one more
input, in one of the formats of all prompts. Its answer is generated and
compared as text (evaluation.exact_match). The algorithmic benchmarks are such
tasks: list functions and Turing concepts, see data.algorithmic.
"""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import seqio

from symbol_tuning.data.prompting import formats
from symbol_tuning.data.prompting.fitting import TOO_LONG, Fitter
from symbol_tuning.data.prompting.records import OpenQuery
from symbol_tuning.data.seqio_tasks import dataset_tasks, flat_examples
from symbol_tuning.data.seqio_tasks.memory_source import MemorySource
from symbol_tuning.data.seqio_tasks.python_map import python_map

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
    output_regex: finds the answer in what is written, as in BIG-bench's files;
      '' where the answer is the first line.
  """

  shots: tuple[str, ...]
  query: str
  answers: tuple[str, ...]
  origin: str
  output_regex: str = ''


def ask(
  form: formats.Format,
  shots: Sequence[Pair],
  query: str,
  answers: Sequence[str],
  origin: str,
  output_regex: str = '',
) -> Question:
  """Writes a question in a format; see `Question` for what it takes."""
  return Question(
    shots=tuple(form.write(*shot).rstrip() for shot in shots),
    query=f'{form.prefix}{query}{form.infix}',
    answers=tuple(answers),
    origin=origin,
    output_regex=output_regex,
  )


def few_shot_questions(
  pairs: Sequence[Pair], num_shots: int, seed: int, origin: str
) -> list[Question]:
  """Asks for every output, showing other pairs, in a format drawn at random.

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
    rng = named_generator(origin, seed, i)
    shots = [others[j] for j in rng.permutation(len(others))[:num_shots]]
    form = formats.FORMATS[rng.integers(len(formats.FORMATS))]
    questions.append(ask(form, shots, query, [answer], origin))
  return questions


def named_generator(name: str, *seeds: int) -> np.random.Generator:
  """Returns a generator whose draws depend on a name and on seeds."""
  return np.random.default_rng([zlib.crc32(name.encode()), *seeds])


class QuestionSource(MemorySource):
  """Yields {'question': int64 []}, the numbers of questions."""

  def __init__(self, questions: Callable[[], Sequence[Question]]):
    """Takes what returns the questions; it is called when they are asked."""
    self._questions = questions
    super().__init__(
      'validation', lambda: {'question': np.arange(len(questions()))}
    )

  def open_queries(
    self, task_feature_lengths: Mapping[str, int] | None
  ) -> list[OpenQuery]:
    """Returns the questions as a model reads them.

    Raises:
      ValueError: if a question or its answer cannot fit.
    """
    fitter = Fitter.of(task_feature_lengths)
    return [
      _open_query(number, question, fitter)
      for number, question in enumerate(self._questions())
    ]


def add_text_task(
  name: str,
  questions: Callable[[], Sequence[Question]],
  metric_fns: Sequence[Callable] = (),
  postprocess_fn: Callable | None = None,
) -> None:
  """Registers an evaluation task of questions; its split is `validation`.

  An example has the features inputs and targets (int32 [length]),
  inputs_pretokenized and targets_pretokenized, answers (string [n], all that
  are accepted), origin and output_regex (string []), query_index, num_exemplars
  and num_exemplars_drawn (int32 []).

  Args:
    name: of the task.
    questions: returns the questions when the task is loaded.
    metric_fns: SeqIO metric functions of targets and predictions.
    postprocess_fn: prepares targets and predictions for the metrics.
  """

  def write(dataset, sequence_length=None):
    asked = task.source.open_queries(sequence_length)

    def make(batch):
      return [
        flat_examples.of_open_query(asked[number])
        for number in batch['question']
      ]

    # Questions have different numbers of answers: one at a time.
    return python_map(dataset, make, flat_examples.OPEN, batch_size=1)

  task = seqio.TaskRegistry.add(
    name,
    source=QuestionSource(questions),
    preprocessors=[write],
    output_features=dataset_tasks.FEATURES,
    metric_fns=list(metric_fns),
    postprocess_fn=postprocess_fn,
    shuffle_buffer_size=None,
  )


def _open_query(number: int, question: Question, fitter: Fitter) -> OpenQuery:
  """Shows as many shots as fit, the first ones, and one at the least."""

  def written(num_shots: int) -> str:
    blocks = [*question.shots[:num_shots], question.query]
    return formats.BLANK_LINE.join(blocks)

  target = fitter.written(question.answers[0])
  num_shots = len(question.shots)
  for num_kept in range(num_shots, min(num_shots, 1) - 1, -1):
    text = written(num_kept)
    tokens = fitter.vocabulary.encode(text)
    if len(tokens) <= fitter.room:
      break
  if len(tokens) > fitter.room or not fitter.has_room_for(target):
    raise ValueError(
      f'a question or its answer {TOO_LONG}: {question.query!r}'
      f' {question.answers[0]!r}'
    )
  return OpenQuery(
    index=number,
    text=text,
    tokens=fitter.framed(tokens),
    target=target,
    answers=question.answers,
    origin=question.origin,
    output_regex=question.output_regex,
    num_kept=num_kept,
    num_drawn=num_shots,
  )
