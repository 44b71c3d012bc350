r"""Compiles the train step for a TPU slice on a machine that has no TPU.

    python -m symbol_tuning.precompile \
      --gin_file=models/palm_540b.gin --gin_file=runs/precompile.gin \
      --gin.TPU_TOPOLOGY="'v5p:8x8x8'"

It prints, and writes as Markdown and JSON, what a step needs of a device's
memory, what it computes and sends, and how fast it can be. It ends with status
0 if the step fits, with 2 if it does not. Any experiment can be compiled:

    --gin_file=experiments/palm_8b_v5e_16.gin --gin_file=runs/precompile.gin

--gin.PROGRAM="@programs.eval_step()" compiles what scores label options
instead; --sweep compares meshes and what is computed again. The TPU compiler is
`pip install "jax[tpu]"`, on Linux.
"""

import sys
from collections.abc import Sequence

from absl import flags

from symbol_tuning import gin_utils
from symbol_tuning.compilation import environment, measuring, sweep


def _define_sweep(values: flags.FlagValues) -> flags.FlagHolder[bool]:
  return flags.DEFINE_bool(
    'sweep',
    False,
    'Compare meshes and rematerialization; see sweep.sweep.',
    flag_values=values,
  )


def is_sweep(argv: Sequence[str]) -> bool:
  """The value of --sweep, read ahead: it says which function is configured."""
  ahead = flags.FlagValues()
  found = _define_sweep(ahead)
  ahead(argv, known_only=True)
  return found.value


if __name__ == '__main__':
  environment.prepare()
  _define_sweep(flags.FLAGS)
  gin_utils.run(
    sweep.sweep if is_sweep(sys.argv) else measuring.precompile,
    gin_files=['runs/precompile_defaults.gin'],
  )
