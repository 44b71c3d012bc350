"""Findings of a compiled step, made up."""

from symbol_tuning.compilation import findings, memory, roofline

GIB = 2**30
MESH = {'data': 1, 'fsdp': 4, 'tensor': 4}
SETTINGS = {
  'rows of a batch': 32,
  'tokens of a row': 2560,
  'positions with loss': 256,
  'microbatches': 1,
  'remat': 'full',
}


def make(needed, kind=findings.Findings, **more):
  """Findings of a step that needs that memory."""
  return kind(
    program='train step',
    topology='v5e:4x4',
    num_devices=16,
    mesh=MESH,
    settings=SETTINGS,
    memory=needed,
    compile_seconds=9.0,
    compile_bytes=GIB,
    **more,
  )


def fitting():
  """Of a step that fits, on sixteen devices."""
  received = findings.CollectiveTotal('all-gather', ('fsdp',), False, 64, 30e9)
  return make(
    memory.MemoryNeed(
      {'parameters': 2 * GIB, 'temporary': GIB}, 16 * GIB, True
    ),
    findings.Timed,
    work=findings.Work(16e15, 20e15, 1.3e15, 100e9, (received,), ()),
    roofline=roofline.Roofline(2.0, 1.5, 0.5, 0.5, 0.0, needed=1.25),
  )


def too_large():
  """Of a step that does not."""
  return make(memory.MemoryNeed({'parameters': 20 * GIB}, 16 * GIB, fits=False))
