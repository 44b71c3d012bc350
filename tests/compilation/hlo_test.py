"""What the TPU compiler writes, and CPUs do not, in little."""

import pytest

from symbol_tuning.compilation import hlo

COUNTED_LOOP = """
%body (s: (s32[], f32[8])) -> (s32[], f32[8]) {
  %s = (s32[], f32[8]{0}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%s), index=0
  %two = s32[]{:T(128)} constant(2)
  %next = s32[]{:T(128)} add(%i, %two)
  %x = f32[8]{0:T(128)} get-tuple-element(%s), index=1
  %y = f32[8]{0:T(128)} collective-permute(%x), channel_id=1, \
source_target_pairs={{0,1},{1,0},{2,3},{3,2}}
  ROOT %t = (s32[], f32[8]{0}) tuple(%next, %y)
}

%condition (s.1: (s32[], f32[8])) -> pred[] {
  %s.1 = (s32[], f32[8]{0}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%s.1), index=0
  %limit = s32[]{:T(128)} constant(LIMIT)
  ROOT %less = pred[]{:T(512)} compare(%i.1, %limit), direction=LT
}

ENTRY %main (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  %zero = s32[] constant(START)
  %first = s32[] copy(%zero)
  %start = (s32[], f32[8]{0}) tuple(%first, %p)
  %loop = (s32[], f32[8]{0}) while(%start), condition=%condition, body=%body
  ROOT %out = f32[8]{0} get-tuple-element(%loop), index=1
}
"""


@pytest.mark.parametrize(
  ('start', 'limit', 'turns'), [(0, 8, 4), (0, 9, 5), (3, 4, 1), (4, 4, 0)]
)
def test_loops_are_counted_by_start_limit_and_step(start, limit, turns):
  text = COUNTED_LOOP.replace('START', str(start)).replace('LIMIT', str(limit))
  program = hlo.parse(text)
  found = hlo.find_collectives(program, {'data': 2, 'tensor': 2})
  assert [(c.times, c.num_bytes, c.axes) for c in found] == [
    (turns, 32, ('tensor',))
  ]
  assert hlo.unknown_loops(program) == []


def test_a_loop_without_a_constant_limit_is_named_and_counted_once():
  text = COUNTED_LOOP.replace(
    'constant(LIMIT)', 'get-tuple-element(%s.1), index=1'
  )
  program = hlo.parse(text.replace('START', '0'))
  assert hlo.unknown_loops(program) == ['loop']


SPREAD_GATHER = """
%starting (a: bf16[4,8]) -> (bf16[4,8], bf16[16,8]) {
  %a = bf16[4,8]{1,0} parameter(0)
  %gather.1 = bf16[16,8]{1,0} all-gather(%a), channel_id=7, \
replica_groups=[1,4]<=[4], dimensions={0}
  ROOT %begin = (bf16[4,8]{1,0}, bf16[16,8]{1,0}) custom-call(%gather.1), \
custom_call_target="AsyncCollectiveStart"
}

%carrying (b: bf16[4,8]) -> bf16[16,8] {
  %b = bf16[4,8]{1,0} parameter(0)
  ROOT %gather.2 = bf16[16,8]{1,0} all-gather(%b), channel_id=7, \
replica_groups=[1,4]<=[4], dimensions={0}
}

%all-reduce-scatter.1 (c: f32[16]) -> f32[4] {
  %c = f32[16]{0} parameter(0)
  %reduced = f32[16]{0} all-reduce(%c), channel_id=8, \
replica_groups={{0,1,2,3}}, to_apply=%add
  %zero = s32[] constant(0)
  ROOT %part = f32[4]{0} dynamic-slice(%reduced, %zero), \
dynamic_slice_sizes={4}
}

ENTRY %main (p: bf16[4,8], q: f32[16]) -> f32[4] {
  %p = bf16[4,8]{1,0} parameter(0)
  %q = f32[16]{0} parameter(1)
  %f = (bf16[4,8]{1,0}, bf16[16,8]{1,0}) fusion(%p), calls=%starting
  %g = bf16[16,8]{1,0} fusion(%p), kind=kOutput, calls=%carrying, \
frontend_attributes={kernel_metadata={
"note":"attributes may go on in further lines"
}}, metadata={op_name="x"}
  %send = (f32[16]{0}, u32[], token[]) send(%q, %p), channel_id=9, \
frontend_attributes={_xla_host_transfer_rendezvous="all-reduce.62_0"}
  ROOT %r = f32[4]{0} fusion(%q), kind=kCustom, calls=%all-reduce-scatter.1
}
"""


def test_a_collective_that_fusions_carry_on_is_counted_once():
  found = hlo.find_collectives(
    hlo.parse(SPREAD_GATHER), {'data': 2, 'fsdp': 4}, num_slices=2
  )
  assert [(c.kind, c.num_bytes, c.axes, c.between_slices) for c in found] == [
    ('all-gather', 3 * 64, ('fsdp',), False),
    ('all-reduce', 64, ('data',), True),
    ('reduce-scatter', 64 * 3 / 4, ('fsdp',), False),
  ]


WINDOWS = """
ENTRY %main (x: f32[4,6,5], y: f32[4,5,7]) -> f32[4,6,7] {
  %x = f32[4,6,5]{2,1,0} parameter(0)
  %y = f32[4,5,7]{2,1,0} parameter(1)
  ROOT %z = f32[4,6,7]{2,1,0} convolution(%x, %y), window={WINDOW}, \
dim_labels=0bf_0io->0bf
}
"""


@pytest.mark.parametrize(
  'window',
  [
    'size=4 stride=3 pad=0_0 lhs_dilate=4',
    'size=4 stride=4 pad=3_3 lhs_dilate=3',
  ],
)
def test_a_batched_product_as_a_convolution_has_one_tap_each(window):
  program = hlo.parse(WINDOWS.replace('WINDOW', window))
  *_, (product, _) = hlo.executed(program)
  assert hlo.flops(product) == 2 * 4 * 6 * 5 * 7


ON_CHIP = """
%update (s: f32[9,8], u: f32[1,8], i: s32[]) -> f32[9,8] {
  %s = f32[9,8]{1,0} parameter(0)
  %u = f32[1,8]{1,0} parameter(1)
  %i = s32[] parameter(2)
  %o = s32[] constant(0)
  ROOT %d = f32[9,8]{1,0} dynamic-update-slice(%s, %u, %i, %o)
}

ENTRY %main (a: f32[9,8], n: s32[]) -> f32[9,8] {
  %a = f32[9,8]{1,0:T(8,128)} parameter(0)
  %n = s32[]{:T(128)S(6)} parameter(1)
  %c = (f32[9,8]{1,0:S(1)}, f32[9,8]{1,0}, u32[]{:S(2)}) copy-start(%a)
  %e = f32[9,8]{1,0:T(8,128)S(1)} copy-done(%c)
  %l = f32[1,8]{1,0:T(8,128)S(1)} slice(%e), slice={[0:1], [0:8]}
  ROOT %f = f32[9,8]{1,0} fusion(%a, %l, %n), kind=kLoop, calls=%update
}
"""


def test_only_what_lies_in_hbm_is_traffic():
  """A copy reads 288 bytes; a slice of 32 is written; all else is on chip."""
  program = hlo.parse(ON_CHIP)
  moved = {
    instruction.name: hlo.hbm_bytes(instruction)
    for instruction, _ in hlo.executed(program)
  }
  assert moved['c'] == 9 * 8 * 4
  assert moved['f'] == 8 * 4
  assert sum(moved.values()) == 9 * 8 * 4 + 8 * 4
