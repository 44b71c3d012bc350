"""The matrix products of a compiled program, counted as a device does them.

The TPU compiler writes products as convolutions, batched ones too, as windows
that meet one element each; so taps are counted one by one. Kernels written by
hand are opaque here; `arithmetic` counts them.
"""

import math
import re

import numpy as np

from symbol_tuning.compilation.hlo.parsing import Instruction


def flops(instruction: Instruction) -> float:
  """Floating-point operations of an instruction's matrix products."""
  if instruction.opcode == 'fusion':
    return sum(map(flops, instruction.callees[0].instructions.values()))
  if instruction.opcode == 'dot':
    left = instruction.operands[0].shapes[0]
    contracted = re.findall(
      r'\d+', instruction.required('lhs_contracting_dims')
    )
    depth = math.prod(left.dims[int(axis)] for axis in contracted)
    return 2.0 * instruction.shapes[0].size * depth
  if instruction.opcode == 'convolution':
    return _convolution_flops(instruction)
  return 0.0


def _convolution_flops(instruction: Instruction) -> float:
  labels = re.split('_|->', instruction.required('dim_labels'))
  shapes = *instruction.operand_shapes, instruction.shapes[0]
  left_sizes, right_sizes, result_sizes = (
    dict(zip(names, shape.dims, strict=True))
    for names, shape in zip(labels, shapes, strict=True)
  )
  window = _window(instruction)
  taps = math.prod(
    _taps(left_sizes[axis], result_sizes[axis], spatial)
    for axis, spatial in window.items()
  )
  batch_groups = int(instruction.attribute('batch_group_count') or 1)
  return (
    2.0
    * taps
    * result_sizes['b']
    * result_sizes['f']
    * right_sizes['i']
    / batch_groups
  )


def _window(instruction: Instruction) -> dict[str, dict[str, int]]:
  """The window's numbers for each spatial axis, '0' first."""
  text = (instruction.attribute('window') or '').strip('{}')
  fields = dict(part.split('=') for part in text.split())
  axes = fields['size'].split('x') if 'size' in fields else []
  window = {}
  for number in range(len(axes)):
    window[str(number)] = {
      name: int(text.split('x')[number].split('_')[0])
      for name, text in fields.items()
    }
  return window


def _taps(size: int, result_size: int, window: dict[str, int]) -> int:
  """Pairs of a result and a tap of its window that meets an element."""
  result = np.arange(result_size)[:, None] * window.get('stride', 1)
  tap = np.arange(window['size'])[None] * window.get('rhs_dilate', 1)
  dilation = window.get('lhs_dilate', 1)
  position = result + tap - window.get('pad', 0)
  inside = (position >= 0) & (position <= (size - 1) * dilation)
  return int(np.count_nonzero(inside & (position % dilation == 0)))
