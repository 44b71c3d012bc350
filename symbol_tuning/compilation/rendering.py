"""Findings as Markdown, which the terminal shows too."""

from collections.abc import Iterable, Sequence

from rich import console
from rich import markdown as rich_markdown

from symbol_tuning.compilation import memory, roofline
from symbol_tuning.compilation.chips import GIB
from symbol_tuning.compilation.findings import Findings, Timed


def markdown(found: Findings) -> str:
  """All of the findings, for people."""
  mesh = ', '.join(f'{name} {size}' for name, size in found.mesh.items())
  settings = ', '.join(f'{k} {v}' for k, v in found.settings.items() if v)
  parts = [
    f'# {found.program.capitalize()} on {found.topology}',
    f'{found.num_devices:,} devices as {mesh}; {settings}.',
    f'**{verdict(found)}**',
    f'The compiler took {found.compile_seconds:.0f} s and '
    f'{found.compile_bytes / GIB:.1f} GiB of memory.',
    '## Memory of a device',
    _memory_table(found),
  ]
  if isinstance(found, Timed):
    parts += [*_work(found), *_roofline(found)]
  else:
    advice = memory.advice(found.memory, found.settings, found.mesh)
    parts += [_largest(found), '## What to change', _bullets(advice)]
  return '\n\n'.join(parts) + '\n'


def verdict(found: Findings) -> str:
  """One line: whether the step fits, and how fast it can be."""
  held = figure(found.memory.total / GIB)
  limit = figure(found.memory.limit / GIB)
  if not isinstance(found, Timed):
    return f'Does not fit: needs about {held} of {limit} GiB a device.'
  times = found.roofline
  return (
    f'Fits: {held} of {limit} GiB a device. Roofline: '
    f'{figure(times.overlapped)} s a step, MFU {times.best_mfu:.0%}; if '
    f'communication never hides, {figure(times.serial)} s, '
    f'{times.worst_mfu:.0%}.'
  )


def _memory_table(found: Findings) -> str:
  sizes = {**found.memory.by_kind, 'all': found.memory.total}
  rows = [
    (kind, figure(size / GIB), f'{size / found.memory.limit:.1%}')
    for kind, size in sizes.items()
  ]
  return table(('what', 'GiB', 'of the limit'), rows)


def _largest(found: Findings) -> str:
  return table(
    ('the largest arrays', 'GiB'),
    [(name, figure(n / GIB)) for name, n in found.memory.largest.items()],
  )


def _work(found: Timed) -> list[str]:
  work = found.work
  devices = found.num_devices
  operations = [
    (what, figure(total / 1e12), figure(total / devices / 1e12))
    for what, total in (
      ('the model needs', work.model_flops),
      ('the step computes, with what it computes again', work.step_flops),
      ('devices compute, with what several do', work.device_flops * devices),
    )
  ]
  moved = [
    (
      one.kind,
      ', '.join(one.axes) + (' between slices' if one.between_slices else ''),
      f'{one.count:,}',
      figure(one.num_bytes / 1e9),
    )
    for one in work.collectives
    if one.num_bytes >= 1e5
  ]
  parts = [
    '## Operations (TFLOP a step)',
    table(('what', 'all devices', 'a device'), operations),
    '## Bytes a device receives in a step',
    table(('collective', 'along', 'times', 'GB'), moved),
    f'Together {figure(work.collective_bytes / 1e9)} GB; '
    f'{figure(work.hbm_bytes / 1e9)} GB go in and out of its memory.',
  ]
  if work.unknown_loops:
    loops = ', '.join(work.unknown_loops)
    parts.append(f'Loops of unknown length, counted as one turn: {loops}.')
  return parts


def _roofline(found: Timed) -> list[str]:
  times = found.roofline
  rows = [
    ('core, instruction by instruction', times.core),
    ('– matrix units alone', times.compute),
    ('– memory alone', times.memory),
    ('links between chips', times.links),
    ('network between slices', times.network),
  ]
  return [
    '## Roofline',
    table(('resource', 'busy, s'), [(n, figure(s)) for n, s in rows]),
    'If communication hides behind computation, a step takes '
    f'{figure(times.overlapped)} s (MFU {times.best_mfu:.1%}); if it never '
    f'does, {figure(times.serial)} s (MFU {times.worst_mfu:.1%}). The first is '
    'the roofline; a run is between the two. Assumed:',
    _bullets(roofline.ASSUMPTIONS),
  ]


def comparison(several: Iterable[Findings]) -> str:
  """A table, a line for each step."""
  heads = (
    'topology',
    'data × fsdp × tensor',
    'rows',
    'remat',
    'parts',
    'GiB a device',
    'TFLOP a device',
    'GB received',
    's a step',
    'roofline MFU',
    'MFU if nothing hides',
  )
  return table(heads, map(_line, several))


def _line(found: Findings) -> list[str]:
  settings = found.settings
  line = [
    found.topology,
    ' × '.join(str(size) for size in found.mesh.values()),
    str(settings['rows of a batch']),
    str(settings.get('remat', '')),
    str(settings.get('microbatches', '')),
    figure(found.memory.total / GIB),
  ]
  if not isinstance(found, Timed):
    return [*line, '', '', 'does not fit', '', '']
  times = found.roofline
  return [
    *line,
    figure(found.work.device_flops / 1e12),
    figure(found.work.collective_bytes / 1e9),
    f'{figure(times.overlapped)}–{figure(times.serial)}',
    f'{times.best_mfu:.0%}',
    f'{times.worst_mfu:.0%}',
  ]


def show(text: str) -> None:
  """Prints Markdown: set out on a terminal, as it is into a file."""
  terminal = console.Console()
  if terminal.is_terminal:
    terminal.print(rich_markdown.Markdown(text))
  else:
    print(text, flush=True)


def figure(number: float) -> str:
  """A number with about three digits."""
  if number >= 100 or number == 0:
    return f'{number:,.0f}'
  return f'{number:.1f}' if number >= 10 else f'{number:.3g}'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  """A Markdown table; columns behind the first are aligned to the right."""
  lines = [heads, ['---', *['---:'] * (len(heads) - 1)], *rows]
  return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def _bullets(lines: Iterable[str]) -> str:
  return '\n'.join(f'- {line}' for line in lines)
