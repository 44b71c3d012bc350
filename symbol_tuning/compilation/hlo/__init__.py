"""What a compiled program costs, read from its text (XLA's HLO).

    module = hlo.parse(compiled.as_text())
    for instruction, times in hlo.executed(module):
      times * hlo.flops(instruction)

The modules here are used through these names only.
"""

# "as" tells type checkers that a name is offered here.
from symbol_tuning.compilation.hlo.collectives import Collective as Collective
from symbol_tuning.compilation.hlo.collectives import (
  find_collectives as find_collectives,
)
from symbol_tuning.compilation.hlo.hbm import hbm_bytes as hbm_bytes
from symbol_tuning.compilation.hlo.loops import executed as executed
from symbol_tuning.compilation.hlo.loops import unknown_loops as unknown_loops
from symbol_tuning.compilation.hlo.parsing import Module as Module
from symbol_tuning.compilation.hlo.parsing import parse as parse
from symbol_tuning.compilation.hlo.products import flops as flops
