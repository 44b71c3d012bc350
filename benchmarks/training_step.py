"""A training step on a CPU, beside torch and transformers.

    SYMBOL_TUNING_DATA_ROOT=… python benchmarks/training_step.py \
      --checkpoint=SmolLM2-135M-Instruct.Q4_1.gguf [--rounds=5] \
      [--contenders='ours, full,torch float32']

All contenders train the same model from the same float32 weights on the same
prompts of the real datasets, with AdamW, loss on the query's label:

- packed: rows of several prompts, each of which sees itself only. torch has the
  same rows, positions and mask (SDPA), and makes logits where there is loss
  only, as we do.
- padded: what a trainer does that knows nothing of packing: each batch has the
  prompts of a packed batch, padded to its longest, and logits at all positions.

Ours and torch are a process each, which has its model once; in each round every
contender makes a step of the same batch, one after the other, in an order that
turns. Medians over the rounds. Memory is the most that the process had during
the contender's steps, what it holds for the others included.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np

LENGTHS = {'inputs': 480, 'targets': 32}
LOSS_POSITIONS = 64
LEARNING_RATE = 1e-5
GIB = 2**30
# remat and dtype of ours; how rows are made and the dtype of theirs.
OURS = {
  'ours, none': ('none', 'float32'),
  'ours, minimal': ('minimal', 'float32'),
  'ours, full': ('full', 'float32'),
  'ours, bfloat16': ('minimal', 'bfloat16'),
}
THEIRS = {
  'torch float32': ('packed', 'float32'),
  'torch bfloat16': ('packed', 'bfloat16'),
  'torch float32, padded': ('padded', 'float32'),
  'torch bfloat16, padded': ('padded', 'bfloat16'),
}
Batch = Mapping[str, np.ndarray]
Step = Callable[[Batch], float]


def write_batches(arguments: argparse.Namespace) -> None:
  """Writes packed batches of real prompts; for a process of its own."""
  import symbol_tuning.tasks  # noqa: F401
  from symbol_tuning.data import settings, train_data, vocabularies
  from symbol_tuning.data.datasets import sources

  settings.use(
    settings.DataSettings(
      vocabulary=vocabularies.HuggingFace(arguments.checkpoint),
      source=sources.from_environment(),
      skip_missing=True,
    )
  )
  data = train_data.TrainData(
    'symbol_tuning', LENGTHS, arguments.rows, LOSS_POSITIONS
  )
  for index in range(arguments.rounds + 1):
    batch = next(data)
    kept = {name: x for name, x in batch.items() if name.startswith('decoder')}
    np.savez(pathlib.Path(arguments.folder) / f'{index}.npz', **kept)


class OurTrainer:
  """Our model, its optimizer and a state that all of our steps share."""

  def __init__(self, checkpoint: str):
    import jax
    import optax

    from symbol_tuning.models import decoder, parameters
    from symbol_tuning.training import partitioning
    from symbol_tuning.training import state as states

    self._config = parameters.read_config(checkpoint)
    self._partitioner = partitioning.Partitioner()
    self._optimizer = optax.adamw(LEARNING_RATE)
    model = decoder.Decoder(self._config)
    self._abstract = states.abstract_state(
      model, self._optimizer, self._partitioner
    )
    params = parameters.load_params(
      checkpoint, model, states.shardings(self._abstract.params)
    )
    key = jax.random.PRNGKey(0)
    self._state = states.first_state(
      params, self._optimizer, self._abstract, key
    )

  def compile(self, remat: str, dtype: str, example: Batch) -> Any:
    """Compiles the step of a batch of that shape."""
    from symbol_tuning.models import decoder
    from symbol_tuning.training import step as training

    config = dataclasses.replace(self._config, remat=remat, dtype=dtype)
    loss = training.Loss(positions_per_row=LOSS_POSITIONS)
    return training.compile_train_step(
      training.make_train_step(decoder.Decoder(config), self._optimizer, loss),
      self._abstract,
      example,
      self._partitioner,
    )

  def step(self, compiled: Any, batch: Batch) -> float:
    """Makes a step, waits for it, and returns its loss."""
    import jax

    self._state, metrics = compiled(
      self._state, self._partitioner.put_batch(batch)
    )
    jax.block_until_ready(self._state)
    return float(metrics.loss)


def our_steps(arguments: argparse.Namespace) -> dict[str, Step]:
  """Makes our steps, which share one state."""
  trainer = OurTrainer(arguments.checkpoint)
  example = batch_of(arguments, 0)
  return {
    name: functools.partial(trainer.step, trainer.compile(*chosen, example))
    for name, chosen in OURS.items()
    if name in arguments.contenders
  }


def their_steps(arguments: argparse.Namespace) -> dict[str, Step]:
  """Makes torch's steps, which share one model and its optimizer."""
  import torch
  import transformers

  torch.set_num_threads(os.cpu_count())
  path = pathlib.Path(arguments.checkpoint).resolve()
  model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent,
    gguf_file=path.name,
    dtype=torch.float32,
    attn_implementation='sdpa',
  ).train()
  optimizer = torch.optim.AdamW(
    model.parameters(), LEARNING_RATE, weight_decay=1e-4, fused=True
  )

  def make(layout: str, dtype: str) -> Step:
    loss_of = {'packed': torch_packed_loss, 'padded': torch_padded_loss}[layout]

    def step(batch: Batch) -> float:
      with torch.autocast('cpu', torch.bfloat16, enabled=dtype == 'bfloat16'):
        loss = loss_of(torch, model, batch)
      loss.backward()
      optimizer.step()
      optimizer.zero_grad()
      return loss.item()

    return step

  return {
    name: make(*THEIRS[name]) for name in THEIRS if name in arguments.contenders
  }


def torch_packed_loss(torch: Any, model: Any, batch: Batch) -> Any:
  """The mean loss of packed rows, with logits where there is loss only."""
  segments = torch.tensor(batch['decoder_segment_ids'])
  length = segments.shape[1]
  mask = torch.ones(length, length, dtype=torch.bool).tril()
  mask = mask & (segments[:, :, None] == segments[:, None, :])
  hidden = model.model(
    input_ids=torch.tensor(batch['decoder_input_tokens']).long(),
    position_ids=torch.tensor(batch['decoder_positions']).long(),
    attention_mask=mask[:, None],
    use_cache=False,
  ).last_hidden_state
  weighted = torch.tensor(batch['decoder_loss_weights']) > 0
  targets = torch.tensor(batch['decoder_target_tokens']).long()[weighted]
  logits = model.lm_head(hidden[weighted]).float()
  return torch.nn.functional.cross_entropy(logits, targets)


def torch_padded_loss(torch: Any, model: Any, batch: Batch) -> Any:
  """The mean loss of padded rows, as transformers computes it."""
  rows = list(examples(batch))
  longest = max(len(tokens) for tokens, _ in rows)
  tokens_BL = torch.zeros(len(rows), longest, dtype=torch.long)
  labels_BL = torch.full((len(rows), longest), -100)
  mask_BL = torch.zeros(len(rows), longest, dtype=torch.long)
  for row, (tokens, labels) in enumerate(rows):
    tokens_BL[row, : len(tokens)] = torch.tensor(tokens)
    labels_BL[row, : len(tokens)] = torch.tensor(labels)
    mask_BL[row, : len(tokens)] = 1
  return model(
    input_ids=tokens_BL,
    attention_mask=mask_BL,
    labels=labels_BL,
    use_cache=False,
  ).loss


def examples(batch: Batch):
  """Yields the tokens of each prompt, and its labels, -100 without loss."""
  arrays = zip(
    batch['decoder_segment_ids'],
    batch['decoder_input_tokens'],
    batch['decoder_target_tokens'],
    batch['decoder_loss_weights'],
    strict=True,
  )
  for segments, inputs, targets, weights in arrays:
    for segment in range(1, segments.max() + 1):
      of = segments == segment
      labels = np.where(weights[of] > 0, targets[of], -100)
      # transformers shifts labels itself.
      yield (
        np.append(inputs[of], targets[of][-1]).astype(np.int64),
        np.append(-100, labels).astype(np.int64),
      )


def batch_of(arguments: argparse.Namespace, index: int) -> Batch:
  return dict(np.load(pathlib.Path(arguments.folder) / f'{index}.npz'))


def serve(arguments: argparse.Namespace) -> None:
  """Answers 'contender, batch' lines with seconds, loss and memory."""
  make = {'ours': our_steps, 'torch': their_steps}[arguments.serve]
  steps = make(arguments)
  print('ready', flush=True)
  for line in sys.stdin:
    name, index = json.loads(line)
    batch = batch_of(arguments, index)
    # The kernel then counts the peak anew.
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    start = time.perf_counter()
    loss = steps[name](batch)
    seconds = time.perf_counter() - start
    status = pathlib.Path('/proc/self/status').read_text()
    peak = int(status.split('VmHWM:')[1].split()[0]) * 1024
    print(json.dumps([seconds, loss, peak / GIB]), flush=True)


class Server:
  """A process that has its model and makes steps when asked."""

  def __init__(self, side: str):
    self._process = subprocess.Popen(
      [sys.executable, __file__, *sys.argv[1:], f'--serve={side}'],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      # Threads of torch that wait must not take the time of ours.
      env=os.environ | {'OMP_WAIT_POLICY': 'PASSIVE', 'JAX_PLATFORMS': 'cpu'},
    )
    while self._process.stdout.readline().strip() != 'ready':
      if self._process.poll() is not None:
        sys.exit(f'{side} failed')

  def step(self, contender: str, batch: int) -> list[float]:
    self._process.stdin.write(json.dumps([contender, batch]) + '\n')
    self._process.stdin.flush()
    line = self._process.stdout.readline()
    while not line.startswith('['):
      if not line:
        sys.exit(f'{contender} failed')
      line = self._process.stdout.readline()
    return json.loads(line)


def compare(arguments: argparse.Namespace) -> None:
  """Measures in rounds, and prints a table."""
  subprocess.run(
    [sys.executable, __file__, *sys.argv[1:], '--serve=data'], check=True
  )
  sides = dict.fromkeys(OURS, 'ours') | dict.fromkeys(THEIRS, 'torch')
  names = [name for name in sides if name in arguments.contenders]
  servers = {side: Server(side) for side in {sides[name] for name in names}}
  found: dict[str, list[list[float]]] = {name: [] for name in names}
  for index in range(arguments.rounds + 1):
    turned = names[index % len(names) :] + names[: index % len(names)]
    for name in turned:
      measured = servers[sides[name]].step(name, index)
      print(index, name, *(f'{x:.4f}' for x in measured), flush=True)
      if index:  # the first is a warm-up
        found[name].append(measured)
  print(table(arguments, found))


def table(
  arguments: argparse.Namespace, found: Mapping[str, Sequence[Sequence[float]]]
) -> str:
  """Returns medians over the rounds as a table in Markdown."""
  batches = [batch_of(arguments, 1 + i) for i in range(arguments.rounds)]
  useful = [int((b['decoder_segment_ids'] > 0).sum()) for b in batches]
  positions = batches[0]['decoder_segment_ids'].size
  lines = [
    '| contender | s a step | positions/s | useful tokens/s | of ours | GiB |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
  ]
  rates = {}
  for name, rounds in found.items():
    rates[name] = statistics.median(
      tokens / seconds
      for tokens, (seconds, *_) in zip(useful, rounds, strict=True)
    )
  ours = [rates[name] for name in rates if name in OURS]
  best = max(ours or rates.values())
  for name, rounds in found.items():
    seconds = statistics.median(one[0] for one in rounds)
    memory = max(one[2] for one in rounds)
    each = f'{positions / seconds:.0f}' if 'padded' not in name else ''
    lines.append(
      f'| {name} | {seconds:.2f} | {each} | {rates[name]:.0f} |'
      f' {rates[name] / best:.2f} | {memory:.1f} |'
    )
  theirs = ['torch', 'transformers'] if set(found) & set(THEIRS) else []
  versions = ', '.join(
    f'{name} {metadata.version(name)}' for name in ['jax', *theirs]
  )
  return '\n'.join(
    [*lines, '', f'Python {platform.python_version()}, {versions}']
  )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--checkpoint', required=True)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--rows', type=int, default=4)
  parser.add_argument('--contenders', default=';'.join([*OURS, *THEIRS]))
  parser.add_argument('--serve', help=argparse.SUPPRESS)
  parser.add_argument('--folder', help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  arguments.contenders = arguments.contenders.split(';')
  if arguments.serve == 'data':
    write_batches(arguments)
  elif arguments.serve:
    serve(arguments)
  else:
    with tempfile.TemporaryDirectory() as folder:
      arguments.folder = folder
      sys.argv.append(f'--folder={folder}')
      compare(arguments)


if __name__ == '__main__':
  main()
