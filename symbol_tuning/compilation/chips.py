"""TPU generations: what one device of each can do, as published.

Figures are those of Google Cloud's pages of each generation (docs.cloud.google.
com/tpu/docs/v4, v5e, v5p, v6e, tpu7x, read in 2026). Where these are silent:
v4's six links of 50 GB/s are from Jouppi et al., 2023 (arXiv 2304.01433), and
its share of the data-center network is the burst of 81 Tbps that 6144 chips
reached when PaLM was trained (Chowdhery et al., 2022, section 4). Usable memory
is what the compiler says when a program exceeds it.

A *device* is what JAX calls one: a v4 chip's two cores are one device
("megacore"), those of tpu7x are two.
"""

import dataclasses

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """One TPU generation; all rates are per device and second.

  Attributes:
    name: as in the names of topologies.
    peak_flops: of bfloat16 matrix products.
    hbm_bytes: memory that a program can use.
    hbm_bandwidth: bytes read or written.
    link_bandwidth: bytes that one link to a neighbour carries in one direction.
    dcn_bandwidth: a device's share of its host's data-center network, in bytes,
      each direction.
    dimensions: of the torus.
    wrap_multiple: an axis of the torus closes to a ring where its length is a
      multiple of this.
    shapes: of slices that are commonly offered.
    options: what the compiler must be told beside the name.
  """

  name: str
  peak_flops: float
  hbm_bytes: float
  hbm_bandwidth: float
  link_bandwidth: float
  dcn_bandwidth: float
  dimensions: int
  wrap_multiple: int
  shapes: tuple[str, ...]
  options: tuple[tuple[str, str], ...] = ()


_FLAT = ('2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBES = (
  *('2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8', '4x8x8', '8x8x8'),
  *('8x8x12', '8x8x16', '8x16x16', '12x16x16', '16x16x16', '16x16x24'),
)
_TBPS = 1e12 / 8

CHIPS = (
  Chip(
    name='v4',
    peak_flops=275e12,
    hbm_bytes=30.75 * GIB,
    hbm_bandwidth=1200e9,
    link_bandwidth=50e9,
    dcn_bandwidth=81 * _TBPS / 6144,
    dimensions=3,
    wrap_multiple=4,
    shapes=_CUBES[:-2],
    options=(('chip_config_name', 'megacore'),),
  ),
  Chip(
    name='v5e',
    peak_flops=197e12,
    hbm_bytes=15.75 * GIB,
    hbm_bandwidth=819e9,
    link_bandwidth=50e9,
    dcn_bandwidth=0.2 * _TBPS / 8,
    dimensions=2,
    wrap_multiple=16,
    shapes=_FLAT,
  ),
  Chip(
    name='v5p',
    peak_flops=459e12,
    hbm_bytes=95.74 * GIB,
    hbm_bandwidth=2765e9,
    link_bandwidth=100e9,
    dcn_bandwidth=0.05 * _TBPS,
    dimensions=3,
    wrap_multiple=4,
    shapes=_CUBES,
  ),
  Chip(
    name='v6e',
    peak_flops=918e12,
    hbm_bytes=31.25 * GIB,
    hbm_bandwidth=1638e9,
    link_bandwidth=100e9,
    dcn_bandwidth=0.1 * _TBPS,
    dimensions=2,
    wrap_multiple=16,
    shapes=_FLAT,
  ),
  Chip(
    name='tpu7x',
    peak_flops=2307e12 / 2,
    hbm_bytes=94.75 * GIB,
    hbm_bandwidth=7380e9 / 2,
    link_bandwidth=100e9 / 2,
    dcn_bandwidth=0.1 * _TBPS / 2,
    dimensions=3,
    wrap_multiple=4,
    shapes=_CUBES,
  ),
)
