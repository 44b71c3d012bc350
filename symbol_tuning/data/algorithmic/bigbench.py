"""BIG-bench's own examples of the algorithmic tasks, from its task.json files.

Who has a copy of github.com/google/BIG-bench evaluates on the official list
functions and simple Turing concepts (Srivastava et al., 2022): in gin,

  import symbol_tuning.data.algorithmic.bigbench
  bigbench.BigBench.folder = '/data/BIG-bench/bigbench/benchmark_tasks'

and the mixtures bigbench_list_functions and bigbench_turing_concepts. The
format of the files is described in BIG-bench's docs/doc.md.
"""

import dataclasses
import json
import re
from typing import Any

import gin

from symbol_tuning import files, reading
from symbol_tuning.data.algorithmic import list_functions, turing_concepts
from symbol_tuning.data.seqio_tasks import text_tasks

# The second additional set is the one which Wei et al. (2023) report.
TURING_TASK = 'simp_turing_concept/additional_set_2'
# Bits may stand in quotes; the output of the last pair is the question.
_PAIR = re.compile(r"Input:\s*'?([01]*)'?\s*(?:Output:[ \t]*'?([01]*))?")


@dataclasses.dataclass(frozen=True)
class Example:
  """An input and every accepted target."""

  input: str
  targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class TaskFile:
  """What a task.json says about the text of its prompts.

  Attributes:
    task_prefix: begins every prompt.
    example_input_prefix: stands before an input.
    example_output_prefix: stands between an input and its target.
    examples: in the order of the file.
    output_regex: finds the answer in what a model writes; '' for none.
  """

  task_prefix: str
  example_input_prefix: str
  example_output_prefix: str
  examples: tuple[Example, ...]
  output_regex: str = ''

  def zero_shot(self, example: Example) -> str:
    """Returns the official prompt of an example, without shots."""
    return (
      f'{self.task_prefix}{self.example_input_prefix}{example.input}'
      f'{self.example_output_prefix}'
    ).strip()


def read_task(path: files.PathLike) -> TaskFile:
  """Reads a task.json of generative examples.

  Args:
    path: the folder that holds it.

  Raises:
    FileNotFoundError: if it is not there.
    ValueError: if it is not such a task; the message names the place.
  """
  path = files.path(path) / 'task.json'
  if not path.is_file():
    raise FileNotFoundError(
      f'{path} does not exist. BigBench.folder is to be the folder'
      ' bigbench/benchmark_tasks of a copy of github.com/google/BIG-bench.'
    )
  with reading.explained(path):
    content = json.loads(path.read_text(encoding='utf-8'))
  examples = content.get('examples') if isinstance(content, dict) else None
  if not isinstance(examples, list) or not examples:
    raise ValueError(
      f'{path} has no "examples". If it is a task of subtasks, name the folder'
      ' of one of them.'
    )
  return TaskFile(
    task_prefix=content.get('task_prefix', ''),
    example_input_prefix=content.get('example_input_prefix', '\nQ: '),
    example_output_prefix=content.get('example_output_prefix', '\nA: '),
    examples=tuple(
      _read_example(example, f'{path}, example {i}')
      for i, example in enumerate(examples)
    ),
    output_regex=_read_regex(content, path),
  )


def _read_regex(content: dict[str, Any], path: files.Path) -> str:
  regex = content.get('output_regex') or ''
  try:
    re.compile(regex)
  except (re.error, TypeError) as error:
    raise ValueError(
      f'{path}: output_regex {regex!r} is no regular expression ({error}).'
    ) from None
  return regex


def _read_example(example: Any, place: str) -> Example:
  if not isinstance(example, dict) or not isinstance(example.get('input'), str):
    raise ValueError(f'{place} has no text as "input": {example!r}')
  targets = example.get('target')
  if isinstance(targets, str):
    targets = [targets]
  if (
    not isinstance(targets, list)
    or not targets
    or not all(isinstance(target, str) for target in targets)
  ):
    raise ValueError(
      f'{place} has no text or list of texts as "target": {targets!r}. Only'
      ' generative tasks can be read, not multiple choice.'
    )
  return Example(example['input'], tuple(target.strip() for target in targets))


@dataclasses.dataclass(frozen=True)
class BigBench:
  """A copy of BIG-bench.

  Attributes:
    folder: its bigbench/benchmark_tasks.
  """

  folder: str

  def list_functions(self, category: str) -> list[text_tasks.Question]:
    """Asks for every official example of a category's list functions.

    The prompts are written as those of `list_functions`: in a format drawn for
    each, with other examples of the function as shots.
    """
    return [
      question
      for function in list_functions.functions(category)
      for question in text_tasks.few_shot_questions(
        [
          (example.input, example.targets[0])
          for example in self._read('list_functions', function.concept).examples
        ],
        num_shots=4,
        seed=0,
        origin=function.name,
      )
    ]

  def turing_concepts(self) -> list[text_tasks.Question]:
    """Asks the official questions about short concepts, word for word.

    Their prompts show the examples already. The files need not say which
    program a question is about, but the examples do: it is the first that
    agrees with them all.

    Raises:
      ValueError: if no question is about one of the concepts.
    """
    task = self._read(TURING_TASK)
    questions = []
    for example in task.examples:
      concept = turing_concepts.learn(_pairs(example))
      if concept is not None:
        questions.append(
          text_tasks.Question(
            shots=(),
            query=task.zero_shot(example),
            answers=example.targets,
            origin=concept.program,
            output_regex=task.output_regex,
          )
        )
    if not questions:
      raise ValueError(
        f'Of the {len(task.examples)} examples of {TURING_TASK} below'
        f' {self.folder}, none is about a concept of at most 3 instructions.'
      )
    return questions

  def _read(self, *names: str) -> TaskFile:
    return read_task(files.path(self.folder).joinpath(*names))


def current() -> BigBench:
  """Returns the copy that gin names.

  Raises:
    ValueError: if gin names none.
  """
  try:
    return gin.get_configurable(BigBench)()
  except (ValueError, TypeError) as error:
    raise ValueError(
      'No copy of BIG-bench is named. In gin, import'
      ' symbol_tuning.data.algorithmic.bigbench and set'
      ' bigbench.BigBench.folder to its bigbench/benchmark_tasks.'
      f' ({error})'
    ) from None


def _pairs(example: Example) -> list[text_tasks.Pair]:
  """Returns the pairs that a Turing prompt shows, and the one it asks for."""
  *shown, (query, _) = _PAIR.findall(example.input) or [('', '')]
  return [*shown, (query, example.targets[0].strip("'"))]
