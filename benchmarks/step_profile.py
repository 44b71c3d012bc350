"""Where the time of a training step on a CPU goes.

    SYMBOL_TUNING_DATA_ROOT=… python benchmarks/step_profile.py \
      --checkpoint=SmolLM2-135M-Instruct.Q4_1.gguf [--remat=full] [--steps=3]

Makes the steps of training_step.py under JAX's profiler, which times each
operation of the compiled program. The program's own metadata say to which part
of the model an operation belongs, and whether it goes forward, is recomputed
(what `remat` did not keep) or goes backward. Prints each part's share of the
time of all operations; those that run at the same time count each.
"""

import argparse
import collections
import pathlib
import re
import tempfile
from collections.abc import Iterator

import jax
import training_step
from jax.profiler import ProfileData

# An instruction of a compiled program: its name, what it does, and the rest.
INSTRUCTION = re.compile(
  r'^ *(?:ROOT )?%?([\w.-]+) = .*? ([\w-]+)\((.*)$', re.MULTILINE
)
# Their time is that of the operations within them.
OUTER = ('while', 'conditional', 'call')
# Parts by what stands in the scope of an operation; the first that does counts.
PARTS = {
  'mlp': 'MLP',
  '_project': 'attention, projections',
  'attention/output': 'attention, projections',
  '_attend': 'attention, scores and values',
  'logits': 'logits',
  'norm': 'norms',
  'hidden_states': 'the rest of the decoder',
  'hidden': 'the rest of the decoder',
}


def part_of(scope: str) -> str:
  """Names the part of the step that an operation belongs to."""
  found = (part for word, part in PARTS.items() if word in scope)
  part = next(found, 'loss, optimizer and the rest')
  if 'rematted' in scope:
    return f'{part}: recomputed'
  if 'transpose(' in scope:
    return f'{part}: backward'
  return f'{part}: forward' if 'jvp(' in scope else part


def operations(program: str) -> dict[str, tuple[str, str]]:
  """Returns the opcode and the scope of each instruction, by name."""
  found = {}
  for name, opcode, rest in INSTRUCTION.findall(program):
    scope = re.search(r'op_name="([^"]*)"', rest)
    found[name] = opcode, scope.group(1) if scope else ''
  return found


def timed(folder: pathlib.Path) -> Iterator[tuple[str, float]]:
  """Yields the name of each operation that ran, and its seconds."""
  for path in folder.rglob('*.xplane.pb'):
    for plane in ProfileData.from_file(str(path)).planes:
      for line in plane.lines:
        for event in line.events:
          if name := dict(event.stats).get('hlo_op'):
            yield name, event.duration_ns / 1e9


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--checkpoint', required=True)
  parser.add_argument('--remat', default='full')
  parser.add_argument('--rows', type=int, default=4)
  parser.add_argument('--steps', dest='rounds', type=int, default=3)
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    arguments.folder = folder
    training_step.write_batches(arguments)
    trainer = training_step.OurTrainer(arguments.checkpoint)
    example = training_step.batch_of(arguments, 0)
    compiled = trainer.compile(arguments.remat, 'float32', example)
    trainer.step(compiled, example)
    with jax.profiler.trace(folder):
      for index in range(arguments.rounds):
        trainer.step(compiled, training_step.batch_of(arguments, index + 1))
    known = operations(compiled.as_text())
    seconds: collections.Counter[str] = collections.Counter()
    for name, duration in timed(pathlib.Path(folder)):
      opcode, scope = known.get(name, ('', ''))
      if opcode not in OUTER:
        seconds[part_of(scope)] += duration
  print('| part | share | s a step |\n| --- | ---: | ---: |')
  for part, spent in seconds.most_common():
    share = spent / seconds.total()
    print(f'| {part} | {share:.1%} | {spent / arguments.rounds:.2f} |')


if __name__ == '__main__':
  main()
