"""What a compiled program costs, read from its text (XLA's HLO).

    module = hlo.parse(compiled.as_text())
    for instruction, times in hlo.executed(module):
      times * hlo.flops(instruction)

The modules here are used through these names only.
"""

from symbol_tuning.compilation.hlo.collectives import (
  Collective,
  find_collectives,
)
from symbol_tuning.compilation.hlo.hbm import hbm_bytes
from symbol_tuning.compilation.hlo.loops import (
  executed,
  unknown_loops,
)
from symbol_tuning.compilation.hlo.parsing import (
  Module,
  parse,
)
from symbol_tuning.compilation.hlo.products import flops

__all__ = [
  'Collective',
  'Module',
  'executed',
  'find_collectives',
  'flops',
  'hbm_bytes',
  'parse',
  'unknown_loops',
]
