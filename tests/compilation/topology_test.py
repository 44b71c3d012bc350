import dataclasses

import pytest

from symbol_tuning.compilation import chips, roofline, topology
from symbol_tuning.compilation.hlo import Collective


@pytest.mark.parametrize(
  ('name', 'num_slices', 'chip', 'shape'),
  [
    ('v5e:4x4', 1, 'v5e', (4, 4)),
    ('2xv4:8x16x16', 2, 'v4', (8, 16, 16)),
    ('tpu7x:4x4x4', 1, 'tpu7x', (4, 4, 4)),
  ],
)
def test_names_are_read(name, num_slices, chip, shape):
  slices, found, sizes = topology.parse(name)
  assert (slices, found.name, sizes) == (num_slices, chip, shape)


@pytest.mark.parametrize(
  ('name', 'near'),
  [
    ('v5p-8x8x8', 'v5p:8x8x8'),
    ('v6:4x4', 'v6e:4x4'),
    ('v5e:4x4x4', 'v5e:4x4'),
    ('2xv5:4x4', '2xv5e:4x4'),
    ('0xv4:8x16x16', 'v4:8x16x16'),
    ('v5e:0x4', 'v5e:4x4'),
    ('H100', 'v5e:16x16'),
  ],
)
def test_an_unknown_name_is_refused_with_near_ones(name, near):
  with pytest.raises(ValueError, match='no topology is named') as raised:
    topology.parse(name)
  assert near in str(raised.value)


@dataclasses.dataclass(frozen=True)
class Device:
  coords: tuple[int, ...]
  core_on_chip: int = 0


def slice_of(name):
  """A topology whose devices are numbered as their coordinates."""
  num_slices, chip, shape = topology.parse(name)
  return topology.Topology(name, chip, shape, num_slices, devices=())


@pytest.mark.parametrize(
  ('name', 'coordinates', 'links'),
  [
    # A row of a square without rings: its end has one neighbour.
    ('v5e:4x4', [(i, 0, 0) for i in range(4)], 1),
    ('v5e:4x4', [(i, j, 0) for i in range(4) for j in range(4)], 2),
    # An axis of 16 closes to a ring, of which half a row has no use.
    ('v5e:16x16', [(i, 0, 0) for i in range(16)], 2),
    ('v5e:16x16', [(i, 0, 0) for i in range(8)], 1),
    # So does one of 4 in a torus of three dimensions.
    ('v4:4x4x4', [(i, j, 1, 0) for i in range(4) for j in range(4)], 4),
    # The two devices of a chip have the same coordinates.
    ('tpu7x:4x4x4', [(0, 0, 0, 0), (0, 0, 0, 1)], 6),
  ],
)
def test_links_of_a_group_follow_from_where_it_is(name, coordinates, links):
  assert roofline.num_links(coordinates, slice_of(name)) == links


def test_collectives_of_links_and_network_are_told_apart():
  gathered = Collective('all-gather', 3e9, 10, ('fsdp',), (0, 1))
  reduced = Collective('all-reduce', 1e9, 2, ('data',), (0, 1), True)
  seconds = roofline.communication([(gathered, 100e9), (reduced, 10e9)])
  assert seconds == pytest.approx((0.3, 0.2))


def test_every_chip_is_described_by_plausible_figures():
  """The rates of a chip that computes more are not those of a slower one."""
  for chip in chips.CHIPS:
    per_byte = chip.peak_flops / chip.hbm_bandwidth
    assert 150 < per_byte < 700, chip.name
    assert chip.dcn_bandwidth < chip.link_bandwidth < chip.hbm_bandwidth
    assert 15 < chip.hbm_bytes / chips.GIB < 200
