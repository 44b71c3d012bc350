"""What compiling a step found out, as JSON, Markdown and on the terminal."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from symbol_tuning.compilation.memory import MemoryNeed
from symbol_tuning.compilation.roofline import Roofline


@dataclasses.dataclass(frozen=True)
class CollectiveTotal:
  """Bytes that a device receives in a step by one kind of collective.

  Attributes:
    kind: such as 'all-gather'.
    axes: of the mesh, along which devices talk.
    between_slices: over the data-center network.
    count: how often it is done in a step.
    num_bytes: of all times together.
  """

  kind: str
  axes: tuple[str, ...]
  between_slices: bool
  count: int
  num_bytes: float


@dataclasses.dataclass(frozen=True)
class Work:
  """Operations and bytes of one step.

  Attributes:
    model_flops: what the model needs, on all devices.
    step_flops: what the step computes on all devices, if none repeats another's
      work; rematerialization is in it.
    device_flops: what a device computes, as compiled.
    hbm_bytes: what a device moves in and out of its memory.
    collectives: what a device receives from others.
    unknown_loops: loops whose lengths are not known, counted as one turn.
  """

  model_flops: float
  step_flops: float
  device_flops: float
  hbm_bytes: float
  collectives: tuple[CollectiveTotal, ...]
  unknown_loops: tuple[str, ...]

  @property
  def collective_bytes(self) -> float:
    return sum(total.num_bytes for total in self.collectives)


@dataclasses.dataclass(frozen=True)
class Findings:
  """What compiling one step for one topology found out.

  Attributes:
    program: 'train step' or 'eval step'.
    topology: its name.
    num_devices: of all slices.
    mesh: names and sizes of the mesh's axes.
    settings: what the step was made with.
    memory: of a device.
    compile_seconds: of tracing and compiling.
    compile_bytes: the most memory this process has used so far.
  """

  program: str
  topology: str
  num_devices: int
  mesh: Mapping[str, int]
  settings: Mapping[str, Any]
  memory: MemoryNeed
  compile_seconds: float
  compile_bytes: float

  @property
  def fits(self) -> bool:
    return self.memory.fits


@dataclasses.dataclass(frozen=True)
class Timed(Findings):
  """What is found out of a step that fits.

  Attributes:
    work: what it does.
    roofline: how long that takes at least.
  """

  work: Work
  roofline: Roofline


def to_json(found: Findings) -> str:
  """All of the findings, and a summary of what follows from it."""
  summary = {'memory_bytes': found.memory.total, 'fits': found.fits}
  if isinstance(found, Timed):
    times = found.roofline
    summary |= {
      'collective_bytes': found.work.collective_bytes,
      'seconds_if_communication_hides': times.overlapped,
      'seconds_if_it_never_does': times.serial,
      'mfu_if_communication_hides': times.best_mfu,
      'mfu_if_it_never_does': times.worst_mfu,
    }
  absent = {'work': None, 'roofline': None}
  fields = {'summary': summary, **absent, **dataclasses.asdict(found)}
  return json.dumps(fields, indent=2) + '\n'


def from_json(text: str) -> Findings:
  """The findings that `to_json` wrote."""
  fields = json.loads(text)
  del fields['summary']
  work, times = fields.pop('work'), fields.pop('roofline')
  fields['memory'] = MemoryNeed(**fields['memory'])
  if work is None:
    return Findings(**fields)
  collectives = tuple(
    CollectiveTotal(**{**one, 'axes': tuple(one['axes'])})
    for one in work.pop('collectives')
  )
  loops = tuple(work.pop('unknown_loops'))
  return Timed(
    **fields,
    work=Work(**work, collectives=collectives, unknown_loops=loops),
    roofline=Roofline(**times),
  )
