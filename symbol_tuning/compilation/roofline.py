"""How long a step takes at least, from what it computes and moves.

A device's core executes one instruction after the other, each bound by the
matrix units or by the memory. Beside it, the links between chips and the
network between slices carry collectives. If all three work at the same time the
slowest decides; if never two of them do, their times add up. The truth is
between the two, provided that each runs at its published peak, which none quite
does.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from symbol_tuning.compilation.hlo import Collective
from symbol_tuning.compilation.topology import Topology

ASSUMPTIONS = (
  'Matrix units, memory, links and network run at their published peaks.',
  'Memory traffic is that of the instructions as compiled; what stays on the '
  'chip is free.',
  'A collective runs on rings through the axes of the torus that its group '
  'spans: two links along an axis that closes to a ring, one along others.',
  'Of causal attention, the blocks that the kernel visits count as work, and '
  'half of all pairs of tokens as needed.',
  'Time to read data and to write checkpoints is left out.',
)
_DIE_LINKS = 6  # links' worth of bandwidth between the dies of one chip


@dataclasses.dataclass(frozen=True)
class Roofline:
  """Seconds that a device is busy in one step, by resource.

  Attributes:
    core: with its instructions, each at the rate of its slower side.
    compute: of which its matrix units, at their peak.
    memory: of which its memory, at its peak.
    links: with collectives within a slice.
    network: with collectives between slices.
    needed: what the model's own operations take at peak.
  """

  core: float
  compute: float
  memory: float
  links: float
  network: float
  needed: float

  @property
  def overlapped(self) -> float:
    """The step's seconds if communication hides behind computation."""
    return max(self.core, self.links, self.network)

  @property
  def serial(self) -> float:
    """The step's seconds if it never does."""
    return self.core + self.links + self.network

  @property
  def best_mfu(self) -> float:
    """Model FLOPs utilization if communication hides behind computation."""
    return self.needed / self.overlapped

  @property
  def worst_mfu(self) -> float:
    """Model FLOPs utilization if it never does."""
    return self.needed / self.serial


def communication(
  collectives: Iterable[tuple[Collective, float]],
) -> tuple[float, float]:
  """Seconds of the links and of the network.

  Args:
    collectives: each with the bytes a second that a device can receive.
  """
  links = network = 0.0
  for collective, rate in collectives:
    if collective.between_slices:
      network += collective.total_bytes / rate
    else:
      links += collective.total_bytes / rate
  return links, network


def bandwidth(
  collective: Collective, topology: Topology, mesh: jax.sharding.Mesh
) -> float:
  """Bytes a second that a device can receive in a collective."""
  if collective.between_slices:
    return topology.chip.dcn_bandwidth
  one_slice = mesh.devices.reshape(topology.num_slices, -1)[0]
  group: Sequence[int] = collective.group
  if collective.kind == 'collective-permute':
    group = _along(collective.axes, topology, mesh)
  coordinates = [topology.coordinates(one_slice[i]) for i in group]
  return num_links(coordinates, topology) * topology.chip.link_bandwidth


def num_links(
  coordinates: Sequence[tuple[int, ...]], topology: Topology
) -> int:
  """Links by which the chip that has the fewest hears from its group."""
  links = 0
  *positions, cores = map(set, zip(*coordinates, strict=True))
  for used, size in zip(positions, topology.shape, strict=True):
    closes = len(used) == size and size % topology.chip.wrap_multiple == 0
    links += (2 if closes else 1) if len(used) > 1 else 0
  return links or (_DIE_LINKS if len(cores) > 1 else 1)


def _along(
  axes: Sequence[str], topology: Topology, mesh: jax.sharding.Mesh
) -> list[int]:
  """Positions in a slice's mesh of the devices along some of its axes."""
  sizes = dict(mesh.shape)
  first = next(iter(sizes))
  sizes[first] //= topology.num_slices
  positions = np.arange(topology.devices_per_slice).reshape(*sizes.values())
  index = tuple(slice(None) if name in axes else 0 for name in sizes)
  return np.ravel(positions[index]).tolist()
