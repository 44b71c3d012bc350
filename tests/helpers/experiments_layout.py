"""Run by precompile_test: lays out every experiment that names a topology.

Prints as JSON, by name: rows and tokens of a row, the learning rate, and how
much of a device's memory parameters and gradients take. Nothing is compiled.
"""

import json
import pathlib

import gin

from symbol_tuning import gin_utils
from symbol_tuning.compilation import environment, memory, programs

UNUSED = (
  'CACHE_DIR',
  'CHECKPOINT',
  'INITIAL_CHECKPOINT_PATH',
  'MIXTURE_OR_TASK_NAME',
  'MODEL_DIR',
  'SENTENCEPIECE_MODEL',
  'TRAIN_STEPS',
)


def laid_out(path: pathlib.Path) -> dict:
  gin.clear_config()
  gin_utils.parse(
    ['runs/precompile_defaults.gin', str(path), 'runs/precompile.gin'],
    [f'{name} = None' for name in UNUSED],
  )
  program = gin.get_configurable(programs.train_step)()
  limit = program.topology.chip.hbm_bytes
  held = memory.of_arguments(program.arguments, limit)
  return {
    'rows': program.settings['rows of a batch'],
    'length': program.settings['tokens of a row'],
    'learning_rate': gin_utils.macro('LEARNING_RATE'),
    'memory': held.total / limit,
  }


def main() -> None:
  environment.prepare()
  paths = (gin_utils.configs_dir() / 'experiments').glob('*.gin')
  experiments = {
    path.stem: laid_out(path)
    for path in sorted(paths)
    if 'TPU_TOPOLOGY' in path.read_text(encoding='utf-8')
  }
  print(json.dumps(experiments))


if __name__ == '__main__':
  main()
