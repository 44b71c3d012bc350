"""A training step on a CPU, beside T5X.

    python benchmarks/t5x_step.py --t5x=FOLDER [--rounds=5] [--steps=8]

FOLDER is what `launch/t5x.sh FOLDER` makes. Both sides are the programs that a
user starts, `t5x.train` with T5X's own decoder and ours, on the same mixture,
that of the quickstart's tiny world: a decoder of 6 layers, width 384, six heads
of 64, an MLP of 1536 with gated GELU and 8192 tokens; 8 rows of 320 tokens,
Adafactor, float32.
In each round each side trains for some steps, in an order that turns; the first
step does not count. Medians over all steps. A useful token is one that is not
padding: each side packs its own way.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from symbol_tuning import gin_utils

ROWS, LENGTHS = 8, {'inputs': 288, 'targets': 32}
POSITIONS = ROWS * sum(LENGTHS.values())
DATA = f"""
MIXTURE_OR_TASK_NAME = 'symbol_tuning'
TASK_FEATURE_LENGTHS = {LENGTHS}
BATCH_SIZE = {ROWS}
DROPOUT_RATE = 0.0
DATA_SOURCE = @sources.SyntheticSource()
settings.DataSettings.symbol_tuning_exemplars = (2, 4)
"""
OURS = f"""
from __gin__ import dynamic_registration
from symbol_tuning.data import settings
from symbol_tuning.data.datasets import sources
from symbol_tuning.models import config
from symbol_tuning.training import loop
include 'models/tiny.gin'
include 'runs/train.gin'
INITIAL_CHECKPOINT_PATH = None
LOSS_POSITIONS_PER_ROW = 64
Z_LOSS = 1e-4
config.DecoderConfig:
  vocab_size = 8192
  num_layers = 6
  embed_dim = 384
  num_heads = 6
  num_kv_heads = 6
  head_dim = 64
  mlp_dim = 1536
  activation = 'gelu'
  conv_width = 0
  scan_layers = True
  remat = 'minimal'
loop.Schedule.log_period = 1
{DATA}
"""
THEIRS = f"""
from __gin__ import dynamic_registration
import __main__ as train_script
from symbol_tuning.data import settings
from symbol_tuning.data.datasets import sources
from symbol_tuning.data import vocabularies
from t5x import models
from t5x.examples.decoder_only import network
include 't5x/examples/decoder_only/models/base.gin'
include 't5x/finetune.gin'
VOCABULARY = @vocabularies.tiny()
INITIAL_CHECKPOINT_PATH = []
models.DecoderOnlyModel.vocabulary = @settings.CurrentVocabulary()
network.TransformerConfig:
  vocab_size = 8192
  dtype = 'float32'
  emb_dim = 384
  num_heads = 6
  num_layers = 6
  head_dim = 64
  mlp_dim = 1536
train_script.train.stats_period = 1
train_script.train.infer_eval_dataset_cfg = None
{DATA}
"""
# Seconds of a step, and the share of its positions that are not padding.
Step = tuple[float, float]


def run_ours(folder: pathlib.Path, flags: Sequence[str]) -> list[Step]:
  """Trains with our trainer, and returns its steps."""
  (folder / 'ours.gin').write_text(OURS)
  _run(
    [
      *(sys.executable, '-m', 'symbol_tuning.train', '--gin_file=ours.gin'),
      *(f'--gin_search_paths={folder}', *flags),
    ],
    folder,
  )
  lines = (folder / 'run' / 'metrics.jsonl').read_text().splitlines()
  steps = [line for line in map(json.loads, lines) if line['kind'] == 'train']
  return [(1 / x['steps_per_second'], x['non_padding']) for x in steps]


def run_t5x(
  t5x: pathlib.Path, folder: pathlib.Path, flags: Sequence[str]
) -> list[Step]:
  """Trains with T5X in its own installation, and returns its steps."""
  (folder / 'theirs.gin').write_text(THEIRS)
  _run(
    [
      *(t5x / 'venv/bin/python', '-m', 't5x.train', '--gin_file=theirs.gin'),
      *(f'--gin_search_paths={gin_utils.configs_dir()},{folder}', *flags),
    ],
    t5x / 't5x',
  )
  found: dict[str, dict[int, float]] = {}
  for path in sorted((folder / 'run' / 'train').glob('events*')):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        if value.metadata.plugin_data.plugin_name == 'scalars':
          number = float(tf.make_ndarray(value.tensor))
          found.setdefault(value.tag, {})[event.step] = number
  seconds = found['timing/seconds']
  shares = found['non_padding_fraction/overall']
  return [(seconds[step], shares[step]) for step in sorted(seconds)]


def _run(command: Sequence[str | pathlib.Path], folder: pathlib.Path) -> None:
  done = subprocess.run(
    command,
    cwd=folder,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
  )
  if done.returncode:
    sys.exit(done.stderr[-3000:])


def table(found: Mapping[str, Sequence[Step]]) -> str:
  """Returns medians over the steps as a table in Markdown."""
  lines = [
    '| trainer | s a step | not padding | useful tokens/s | ours / it |',
    '| --- | ---: | ---: | ---: | ---: |',
  ]
  rates = {
    name: statistics.median(POSITIONS * share / s for s, share in steps)
    for name, steps in found.items()
  }
  for name, steps in found.items():
    seconds = statistics.median(step[0] for step in steps)
    share = statistics.mean(step[1] for step in steps)
    lines.append(
      f'| {name} | {seconds:.2f} | {share:.0%} | {rates[name]:.0f} |'
      f' {rates["ours"] / rates[name]:.2f} |'
    )
  return '\n'.join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--t5x', required=True, type=pathlib.Path)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--steps', type=int, default=8)
  arguments = parser.parse_args()
  t5x = arguments.t5x.resolve()
  sides: dict[str, Callable[..., list[Step]]] = {
    'ours': run_ours,
    'T5X': lambda *args: run_t5x(t5x, *args),
  }
  found: dict[str, list[Step]] = {name: [] for name in sides}
  for index in range(arguments.rounds):
    for name in list(sides)[:: 1 if index % 2 == 0 else -1]:
      with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        flags = (
          f'--gin.TRAIN_STEPS={arguments.steps}',
          f"--gin.MODEL_DIR='{path / 'run'}'",
          f'--gin.RANDOM_SEED={index}',
        )
        steps = sides[name](path, flags)[1:]
      print(index, name, *(f'{s:.2f}' for s, _ in steps), flush=True)
      found[name] += steps
  print(table(found))


if __name__ == '__main__':
  main()
