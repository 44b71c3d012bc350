"""Floating-point operations of a step, counted in its jaxpr.

Only matrix products count, two operations for each multiplication, as often as
the loops around them turn. What a rematerialized block computes again is in the
jaxpr, so this counts what the hardware does; `forward_flops` counts what the
model needs, by which utilization is measured (after PaLM, Chowdhery et al.,
2022, appendix B, who count attention to later tokens and every logit as well).
"""

import dataclasses
import math

import jax
from jax.extend import core

from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder


@dataclasses.dataclass(frozen=True)
class Flops:
  """Operations on all devices together.

  Attributes:
    products: of matrix products that the compiler sees.
    kernels: of kernels written by hand, such as splash attention.
  """

  products: float = 0.0
  kernels: float = 0.0

  def __add__(self, other: 'Flops') -> 'Flops':
    return Flops(self.products + other.products, self.kernels + other.kernels)

  def __mul__(self, factor: float) -> 'Flops':
    return Flops(self.products * factor, self.kernels * factor)


def count(jaxpr: core.Jaxpr) -> Flops:
  """Counts the operations of a jaxpr.

  Raises:
    ValueError: at a loop whose length is not known before it runs.
  """
  return sum((_of_equation(eqn) for eqn in jaxpr.eqns), Flops())


def _of_equation(eqn: core.JaxprEqn) -> Flops:
  match eqn.primitive.name:
    case 'dot_general':
      return Flops(products=_dot_general(eqn))
    case 'conv_general_dilated':
      return Flops(products=_convolution(eqn))
    case 'scan':
      return count(eqn.params['jaxpr'].jaxpr) * eqn.params['length']
    case 'while':
      inside = count(eqn.params['body_jaxpr'].jaxpr)
      if inside != Flops():
        raise ValueError('a loop of unknown length computes matrix products')
      return inside
    case 'cond':
      branches = [count(branch.jaxpr) for branch in eqn.params['branches']]
      return max(branches, key=lambda f: f.products + f.kernels)
    case 'pallas_call':
      return Flops(kernels=_pallas_call(eqn))
    case 'shard_map':
      mesh, axes = eqn.params['mesh'], eqn.params['newly_manual_axes']
      copies = math.prod(mesh.shape[axis] for axis in axes)
      return count(eqn.params['jaxpr']) * copies
    case _:
      return sum(map(count, core.jaxprs_in_params(eqn.params)), Flops())


def _dot_general(eqn: core.JaxprEqn) -> float:
  (contracted, _), _ = eqn.params['dimension_numbers']
  left = _shape(eqn.invars[0])
  depth = math.prod(left[axis] for axis in contracted)
  return 2.0 * math.prod(_shape(eqn.outvars[0])) * depth


def _convolution(eqn: core.JaxprEqn) -> float:
  kernel = _shape(eqn.invars[1])
  outputs = kernel[eqn.params['dimension_numbers'].rhs_spec[0]]
  taps = math.prod(kernel) / outputs
  return 2.0 * math.prod(_shape(eqn.outvars[0])) * taps


def _shape(variable: core.Var | core.Literal) -> tuple[int, ...]:
  if not isinstance(variable.aval, jax.core.ShapedArray):
    raise TypeError(f'a matrix product of {variable.aval}, which is no array')
  return variable.aval.shape


def _pallas_call(eqn: core.JaxprEqn) -> float:
  """Of a kernel that runs once for each cell of its grid.

  Causal attention by blocks (its kernels have 'splash' in their names) skips
  the blocks of keys that are after all of a block of queries.
  """
  grid = eqn.params['grid_mapping'].grid
  cell = count(eqn.params['jaxpr'])
  is_causal = 'splash' in str(eqn.params['name'])
  share = (grid[-1] + 1) / (2 * grid[-1]) if is_causal else 1
  return math.prod(grid) * share * (cell.products + cell.kernels)


def forward_flops(
  model: Decoder, rows: int, length: int, loss_positions: int
) -> float:
  """What the model needs for a forward pass; training needs three times that.

  Attention is counted from each token to all before it, also where packing or
  local layers let it see fewer. The unembedding is counted where there is loss.

  Args:
    model: the decoder.
    rows: of the batch.
    length: tokens of a row.
    loss_positions: positions of a row that may carry loss.
  """
  config = model.config
  # Numbers in the kernels of linear maps, embeddings not among them.
  params = jax.tree.leaves_with_path(parameters.abstract_params(model))
  kernels = sum(leaf.size for path, leaf in params if path[-1].key == 'kernel')
  width = config.num_heads * config.head_dim
  attention = 2 * width * (length + 1) * config.num_layers
  unembedding = 2 * config.vocab_size * config.embed_dim
  return rows * float(
    length * (2 * kernels + attention) + loss_positions * unembedding
  )
