"""Label options scored in one pass, beside pair by pair and lm-eval.

    python benchmarks/scoring.py --checkpoint=SmolLM2-135M-Instruct.Q4_1.gguf \
      [--lm_eval_python=venv/bin/python] [--rounds=3] [--queries=24]

All contenders read the tasks that symbol_tuning.export_lm_eval writes, of real
prompts (SYMBOL_TUNING_DATA_ROOT must name a folder with the datasets of
--tasks), and have the same float32 weights: ours from the checkpoint, lm-eval's
`hf` backend from the Hugging Face folder that symbol_tuning.convert makes of
it. lm-eval's time includes tokenization, about one percent.

Each contender is a process of its own, which reads its model once and scores
every task once before it is timed; then rounds are interleaved. Medians over
the rounds; memory is the peak of the process, with all of its imports. (That of
symbol_tuning.eval is higher by TensorFlow, which composes its prompts.)
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import scoring_lm_eval

TASKS = ('icl_symbol_uninstructed_subj', 'icl_symbol_uninstructed_teab')
OURS = {'ours, one pass': 'one_pass', 'ours, pair by pair': 'pairs'}


def write_files(arguments: argparse.Namespace) -> None:
  """Writes the tasks and the model that all contenders read."""
  import symbol_tuning.tasks  # noqa: F401
  from symbol_tuning import convert
  from symbol_tuning.data import settings, vocabularies
  from symbol_tuning.data.datasets import sources
  from symbol_tuning.evaluation import lm_eval_export, suite

  settings.use(
    settings.DataSettings(
      vocabulary=vocabularies.HuggingFace(arguments.checkpoint),
      source=sources.from_environment(),
      evaluation_queries=arguments.queries,
    )
  )
  questions = suite.Questions(arguments.tasks, {'inputs': 2048, 'targets': 512})
  folder = pathlib.Path(arguments.folder)
  lm_eval_export.export(questions, str(folder / 'tasks'), 'none')
  convert.convert(arguments.checkpoint, str(folder / 'model'))


def queries_of(task: str, arguments: argparse.Namespace) -> list[Any]:
  """Reads the queries of a task.

  Pair by pair, every option is a query of its own.
  """
  import tokenizers

  from symbol_tuning.data.prompting.records import Option, Query

  folder = pathlib.Path(arguments.folder)
  tokenizer = tokenizers.Tokenizer.from_file(
    str(folder / 'model' / 'tokenizer.json')
  )

  def encode(text: str) -> np.ndarray:
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids)

  lines = (folder / 'tasks' / f'{task}.jsonl').read_text('utf-8').split('\n')
  docs = [json.loads(line) for line in lines if line]
  queries = []
  for doc in docs:
    options = tuple(Option(text, encode(text)) for text in doc['options'])
    prompt = (doc['query'], doc['prompt'], encode(doc['prompt']))
    together = [options]
    if arguments.worker == 'pairs':
      together = [(option,) for option in options]
    queries += [Query(*prompt, options=own, label=0) for own in together]
  return queries


def our_scorer(arguments: argparse.Namespace) -> scoring_lm_eval.Scorer:
  """Returns what scores a task: for every query its options."""
  from symbol_tuning.evaluation import layout
  from symbol_tuning.evaluation.ranking import branches, rows, scoring
  from symbol_tuning.models import parameters
  from symbol_tuning.models.decoder import Decoder

  model = Decoder(parameters.read_config(arguments.checkpoint))
  params = parameters.load_params(arguments.checkpoint, model)
  tasks = {name: queries_of(name, arguments) for name in arguments.tasks}
  chosen = rows.plan(
    [branches.Branches.of(query) for own in tasks.values() for query in own],
    layout.Budget(batch_tokens=arguments.batch_tokens),
  )
  print(f'{arguments.worker}: rows of {chosen.row_lengths} tokens')

  def score(name: str) -> list[list[float]]:
    found = scoring.log_likelihoods(model, params, tasks[name], chosen)
    by_query = {}
    for query, scores in zip(tasks[name], found, strict=True):
      by_query.setdefault(query.index, []).extend(scores.tolist())
    return list(by_query.values())

  return score


class Contender:
  """A process that scores tasks."""

  def __init__(self, command: list[str]):
    self._process = subprocess.Popen(
      command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

  def score(self, task: str) -> dict[str, Any]:
    """Returns the scores of a task, seconds and peak memory."""
    self._process.stdin.write(f'{task}\n')
    self._process.stdin.flush()
    reply = self._process.stdout.readline()
    if not reply:
      raise SystemExit(f'{self._process.args[:2]} ended: see above.')
    return json.loads(reply)

  def close(self) -> None:
    """Waits for the process to end."""
    self._process.stdin.close()
    self._process.wait()


def contenders(
  arguments: argparse.Namespace,
) -> Iterator[tuple[str, Contender]]:
  """Starts each contender."""
  own = [sys.executable, *sys.argv, f'--folder={arguments.folder}']
  for name, worker in OURS.items():
    yield name, Contender([*own, f'--worker={worker}'])
  if not arguments.lm_eval_python:
    print('Without lm-eval: name a Python that has it by --lm_eval_python.')
    return
  peer = [arguments.lm_eval_python, scoring_lm_eval.__file__, arguments.folder]
  for size in arguments.lm_eval_batch_sizes:
    yield f'lm-eval, batches of {size}', Contender([*peer, str(size)])


def measure(arguments: argparse.Namespace) -> None:
  running = dict(contenders(arguments))
  first = {
    (task, name): contender.score(task)
    for task in arguments.tasks
    for name, contender in running.items()
  }
  rounds = {key: [] for key in first}
  for _ in range(arguments.rounds):
    for task, name in rounds:
      rounds[task, name].append(running[name].score(task))
  for contender in running.values():
    contender.close()
  load = os.getloadavg()[0]
  print(
    f'\n{os.cpu_count()} cores, load {load:.1f}; rounds: {arguments.rounds}'
  )
  print_table(first, rounds)


def print_table(first: dict, rounds: dict) -> None:
  print(
    '\n| task | contender | queries/s | ours / it | peak memory (GiB) |'
    ' largest difference (nats) | same choices |'
  )
  print('| --- | --- | --- | --- | --- | --- | --- |')
  speeds = {}
  for (task, name), replies in rounds.items():
    ours = first[task, next(iter(OURS))]['scores']
    scores = first[task, name]['scores']
    differences = [
      abs(a - b) for x, y in zip(ours, scores, strict=True)
      for a, b in zip(x, y, strict=True)
    ]  # fmt: skip
    same = np.mean(
      [np.argmax(x) == np.argmax(y) for x, y in zip(ours, scores, strict=True)]
    )
    seconds = statistics.median(reply['seconds'] for reply in replies)
    speeds[task, name] = len(scores) / seconds
    ratio = speeds[task, next(iter(OURS))] / speeds[task, name]
    memory = max(reply['peak_bytes'] for reply in replies) / 2**30
    print(
      f'| {task} | {name} | {speeds[task, name]:.2f} | {ratio:.2f} |'
      f' {memory:.2f} | {max(differences):.1e} | {same:.0%} |'
    )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--checkpoint', required=True)
  parser.add_argument('--tasks', nargs='+', default=TASKS)
  parser.add_argument('--queries', type=int, default=24)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--batch_tokens', type=int, default=1024)
  parser.add_argument('--lm_eval_python')
  parser.add_argument('--lm_eval_batch_sizes', nargs='+', default=[1, 4])
  parser.add_argument('--worker', choices=OURS.values(), help=argparse.SUPPRESS)
  parser.add_argument('--folder', help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  if arguments.worker:
    scoring_lm_eval.serve(lambda: our_scorer(arguments))
    return
  with tempfile.TemporaryDirectory() as arguments.folder:
    write_files(arguments)
    measure(arguments)


if __name__ == '__main__':
  main()
