"""From the start of a training program to its first finished step.

    python benchmarks/start_up.py [--rounds=3] \
      [--checkpoint=SmolLM2-135M-Instruct.Q4_1.gguf]

The quickstart's model from random parameters on its stand-ins, and, with
--checkpoint, that model on the datasets of SYMBOL_TUNING_DATA_ROOT, four rows
of 512 tokens. Each round begins with an empty compilation cache ('first'), and
does the same again ('second'); medians over the rounds. Files are in the
operating system's cache in all of them. Where the seconds go is measured in the
program itself, by a clock around what it calls.
"""

import argparse
import functools
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

QUICKSTART = (
  '--gin_file=experiments/quickstart_symbol_tune.gin',
  '--gin.INITIAL_CHECKPOINT_PATH=None',
  '--gin.EVAL_PERIOD=None',
)
OPEN_MODEL = (
  '--gin_file=experiments/symbol_tune.gin',
  "--gin.TASK_FEATURE_LENGTHS={'inputs': 480, 'targets': 32}",
  '--gin.LOSS_POSITIONS_PER_ROW=64',
  '--gin.BATCH_SIZE=4',
)
PHASES = ('data', 'parameters', 'compilation', 'first step')


class Clock:
  """Adds up seconds by phase."""

  def __init__(self, started: float):
    """Takes the time at which the process was started."""
    self._started = started
    self.seconds = dict.fromkeys(PHASES, 0.0)

  def around(self, phase: str, function: Callable[..., Any]) -> Any:
    """Returns the function, its time counted as that of a phase."""

    @functools.wraps(function)
    def timed(*args, **kwargs):
      start = time.time()
      try:
        return function(*args, **kwargs)
      finally:
        self.seconds[phase] += time.time() - start

    return timed

  def tell(self, *_: Any) -> None:
    """Prints the seconds, and ends the process."""
    total = time.time() - self._started
    print(json.dumps(self.seconds | {'total': total}), flush=True)
    os._exit(0)


def run_timed(started: float, flags: Sequence[str]) -> None:
  """Runs the training program until its first step is done."""
  clock = Clock(started)
  # First, as in the program: it has TensorFlow be imported quietly.
  import symbol_tuning.gin_utils  # noqa: F401
  from symbol_tuning.data import train_data
  from symbol_tuning.training import loop, run_log

  data = train_data.TrainData
  data.__init__ = clock.around('data', data.__init__)
  data.__next__ = clock.around('data', data.__next__)
  loop._Start.state = clock.around('parameters', loop._Start.state)
  compiled = clock.around('compilation', loop.compile_train_step)

  def compile_train_step(*args):
    return clock.around('first step', compiled(*args))

  loop.compile_train_step = compile_train_step
  # It reads the metrics, and so waits for the step.
  summary = run_log.Window.summary
  run_log.Window.summary = clock.around('first step', summary)
  run_log.RunLog.training = clock.tell
  sys.argv = ['train', *flags]
  runpy.run_module('symbol_tuning.train', run_name='__main__')


def measure(flags: Sequence[str], cache: str) -> dict[str, float]:
  """Returns the seconds of one start, by phase."""
  with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run(
      [
        *(sys.executable, __file__, f'--started={time.time()}', '--'),
        *(*flags, '--gin.TRAIN_STEPS=1', f"--gin.MODEL_DIR='{folder}'"),
      ],
      env=os.environ | {'XDG_CACHE_HOME': cache},
      stdout=subprocess.PIPE,
      check=True,
      text=True,
    )
  return json.loads(done.stdout.splitlines()[-1])


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
  """Returns medians as a table in Markdown."""
  lines = [
    f'| | imports and the rest | {" | ".join(PHASES)} | together |',
    '| --- |' + ' ---: |' * (len(PHASES) + 2),
  ]
  for name, rounds in found.items():
    medians = {
      key: statistics.median(one[key] for one in rounds)
      for key in (*PHASES, 'total')
    }
    rest = statistics.median(
      one['total'] - sum(one[phase] for phase in PHASES) for one in rounds
    )
    figures = [rest, *medians.values()]
    lines.append(
      f'| {name} | ' + ' | '.join(f'{x:.1f}' for x in figures) + ' |'
    )
  return '\n'.join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--checkpoint')
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--started', type=float, help=argparse.SUPPRESS)
  parser.add_argument('flags', nargs='*', help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  if arguments.started:
    run_timed(arguments.started, arguments.flags)
    return
  models = {'quickstart': QUICKSTART}
  if arguments.checkpoint:
    path = os.path.abspath(arguments.checkpoint)
    models['open model'] = (*OPEN_MODEL, f"--gin.CHECKPOINT='{path}'")
  found: dict[str, list[dict[str, float]]] = {}
  for _ in range(arguments.rounds):
    for name, flags in models.items():
      with tempfile.TemporaryDirectory() as cache:
        for time_ in ('first', 'second'):
          seconds = measure(flags, cache)
          found.setdefault(f'{name}, {time_} time', []).append(seconds)
  print(table(found))


if __name__ == '__main__':
  main()
