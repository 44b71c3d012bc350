"""Shows what a task or mixture gives a model: prompts, counts and lengths."""

from collections.abc import Mapping, Sequence

import numpy as np
import rich.console
import seqio

from symbol_tuning import files
from symbol_tuning.data import settings
from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.inspection import figure, printing, samples


def inspect(
  mixture_or_task_name: str | Sequence[str],
  task_feature_lengths: Mapping[str, int],
  num_examples: int = 200,
  num_shown: int = 3,
  output_dir: str = '.',
  seed: int = 0,
) -> None:
  """Prints prompts and statistics, and draws how long the prompts are.

  The histogram of a task or mixture is `<output_dir>/<name>_lengths.png`.

  Args:
    mixture_or_task_name: a registered name, or several.
    task_feature_lengths: the most tokens of `inputs` and `targets`.
    num_examples: the most prompts of each task that are counted.
    num_shown: prompts that are printed, of one task after the other.
    output_dir: where histograms go.
    seed: of the choice of prompts.

  Raises:
    ValueError: if a name is unknown, or if no prompt fits the lengths.
    FileNotFoundError: if the data of a task are missing.
  """
  console = rich.console.Console()
  names = mixture_or_task_name
  for name in [names] if isinstance(names, str) else names:
    tasks = mixing.available_tasks(name)
    drawn = [
      samples.draw(task, task_feature_lengths, num_examples, seed)
      for task in tasks
    ]
    if not any(sample.prompts for sample in drawn):
      raise ValueError(
        f'No prompt of {name} fits TASK_FEATURE_LENGTHS'
        f' {dict(task_feature_lengths)}: every query is too long. Raise them.'
      )
    _print_prompts(console, drawn, num_shown)
    _print_tables(console, drawn, _shares(name, tasks), task_feature_lengths)
    path = files.path(output_dir) / f'{name}_lengths.png'
    title = f'{name}, {sum(len(s.prompts) for s in drawn):,} prompts'
    figure.draw_lengths(path, title, _lengths(drawn), task_feature_lengths)
    console.print(f'Lengths are drawn in {path}', soft_wrap=True)


def _shares(name: str, tasks: Sequence[seqio.Task]) -> list[float]:
  """The share of each task in the mixture of those at hand."""
  mixture = mixing.get_mixture_or_task(name)
  if isinstance(mixture, seqio.Task):
    return [1.0]
  rates = [mixture.get_rate(task) for task in tasks]
  return [rate / sum(rates) for rate in rates]


def _print_prompts(
  console: rich.console.Console, drawn: Sequence[samples.Sample], number: int
) -> None:
  in_turn = (
    (sample.task, sample.prompts[turn])
    for turn in range(number)
    for sample in drawn
    if turn < len(sample.prompts)
  )
  vocabulary = settings.vocabulary()
  for _, (task, prompt) in zip(range(number), in_turn, strict=False):
    console.print(printing.heading(prompt, task))
    text = printing.prompt_text(prompt, vocabulary)
    console.print(text, soft_wrap=True)
    console.print()


def _print_tables(
  console: rich.console.Console,
  drawn: Sequence[samples.Sample],
  shares: Sequence[float],
  limits: Mapping[str, int],
) -> None:
  tables = (
    printing.prompts_table(drawn, shares),
    printing.tokens_table(drawn, shares, limits),
    printing.classes_table(drawn),
  )
  for table in tables:
    if table.rows:
      console.print(table.rich())


def _lengths(drawn: Sequence[samples.Sample]) -> dict[str, np.ndarray]:
  """The token counts of all tasks, of the features that there are."""
  lengths = {
    'inputs': [sample.input_lengths for sample in drawn],
    'targets': [sample.target_lengths for sample in drawn],
  }
  joined = {name: np.concatenate(arrays) for name, arrays in lengths.items()}
  return {name: counts for name, counts in joined.items() if counts.any()}
