"""TPU slices by name, as the TPU compiler describes them without any TPU.

v5e:4x4        sixteen v5e chips in a square
2xv4:8x16x16   two slices of 2048 v4 chips, joined by the data-center network
"""

import dataclasses
import difflib
import importlib.util
import math
import re
from typing import Any

import jax
from jax.experimental import topologies

from symbol_tuning.compilation import chips

_NAME = re.compile(r'(?:(\d+)x)?([a-z]\w+):(\d+(?:x\d+)*)')


@dataclasses.dataclass(frozen=True)
class Topology:
  """Devices that a program can be compiled for.

  Attributes:
    name: as it was asked for.
    chip: the generation.
    shape: chips along each axis of a slice's torus.
    num_slices: how many slices there are.
    devices: of all slices; they can be compiled for, and hold nothing.
  """

  name: str
  chip: chips.Chip
  shape: tuple[int, ...]
  num_slices: int
  devices: tuple[jax.Device, ...]

  @property
  def devices_per_slice(self) -> int:
    return len(self.devices) // self.num_slices

  def coordinates(self, device: jax.Device) -> tuple[int, ...]:
    """Where in its slice's torus a device's chip is, then its number there."""
    coords = tuple(device.coords)[: len(self.shape)]
    return (*coords, getattr(device, 'core_on_chip', 0) or 0)


def parse(name: str) -> tuple[int, chips.Chip, tuple[int, ...]]:
  """'2xv4:8x16x16' → the number of slices, the chip, the shape of a slice.

  Raises:
    ValueError: if there is no such chip, or its slices have another form.
  """
  match = _NAME.fullmatch(name)
  by_name = {chip.name: chip for chip in chips.CHIPS}
  chip = match and by_name.get(match[2])
  shape = tuple(map(int, match[3].split('x'))) if match else ()
  num_slices = int(match[1] or 1) if match else 0
  if not chip or len(shape) != chip.dimensions or 0 in (num_slices, *shape):
    raise ValueError(f'no topology is named {name!r}; {_suggestion(name)}')
  return num_slices, chip, shape


def load(name: str) -> Topology:
  """Asks the TPU compiler for a topology.

  Raises:
    ValueError: if it does not know the name.
    ImportError: if the compiler is not installed.
  """
  num_slices, chip, shape = parse(name)
  if importlib.util.find_spec('libtpu') is None:
    raise ImportError(
      'the TPU compiler is not installed: pip install "jax[tpu]" (Linux on '
      'x86-64; it needs no TPU)'
    )
  options: dict[str, Any] = dict(chip.options)
  if num_slices > 1:
    options['num_slices'] = num_slices
  if math.prod(shape) == 1:
    options['chips_per_host_bounds'] = (1,) * 3
  text = 'x'.join(map(str, shape))
  try:
    description = topologies.get_topology_desc(
      f'{chip.name}:{text}', platform='tpu', **options
    )
  except (jax.errors.JaxRuntimeError, ValueError) as error:
    raise ValueError(
      f'the TPU compiler refuses the topology {name!r} '
      f'({str(error).splitlines()[0]}); {_suggestion(name)}'
    ) from None
  return Topology(name, chip, shape, num_slices, tuple(description.devices))


def _suggestion(name: str) -> str:
  known = [f'{c.name}:{shape}' for c in chips.CHIPS for shape in c.shapes]
  slices = re.match(r'\d+x(?=[a-z])', name)
  prefix = slices[0] if slices else ''
  near = difflib.get_close_matches(name.removeprefix(prefix), known, 4, 0.4)
  near = near or [f'{chip.name}:{chip.shapes[-1]}' for chip in chips.CHIPS]
  return f'near ones: {", ".join(prefix + n for n in near)}'
