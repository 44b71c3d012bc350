"""Attention on TPUs by Pallas' splash kernel, which never holds all scores.

The kernel (jax.experimental.pallas.ops.tpu.splash_attention) goes through
blocks of queries and keys, skips those that a causal mask empties and makes
masks in registers, so that memory grows with the length and not its square. It
knows nothing of meshes: every device runs it on its own rows and heads. Where
there is no TPU it is interpreted: slow, but good for tests.

Shape suffixes: B batch, L length, N query heads, K key-value heads, H head_dim.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention
from jax.sharding import PartitionSpec

from symbol_tuning.models.config import DecoderConfig

LANES = 128  # of a TPU's vector registers: blocks are a multiple
BLOCK = 512  # at most so many queries, and keys, are in a block


def is_chosen(config: DecoderConfig) -> bool:
  """Whether rows without branches are attended to by this kernel."""
  implementation = config.attention_implementation
  on_tpu = implementation == 'auto' and _platform() == 'tpu'
  return implementation == 'splash' or on_tpu


def windows(config: DecoderConfig) -> tuple[int, ...]:
  """How many tokens each kind of layer sees; 0: all before it."""
  return tuple(
    config.local_window if kind == 'local' else 0
    for kind in config.distinct_kinds
  )


class _Kernel(NamedTuple):
  """What a kernel is compiled for: its block, window and soft cap."""

  block: int
  window: int
  soft_cap: float


def attend(
  query_BLNH: jax.Array,
  key_BLKH: jax.Array,
  value_BLKH: jax.Array,
  scale: float | None = None,
  segment_ids_BL: jax.Array | None = None,
  soft_cap: float = 0.0,
  windows: Sequence[int] = (0,),
  kind: jax.Array | None = None,
) -> jax.Array:
  """Causal attention within segments, [B, L, N, H]; differentiable once.

  Rows are padded to whole blocks. Under a mesh, rows and heads stay where the
  logical axis rules put them.

  Args:
    query_BLNH: queries.
    key_BLKH: keys.
    value_BLKH: values.
    scale: of the scores; head_dim ** -0.5 if None.
    segment_ids_BL: tokens see only their own segment; None: one a row.
    soft_cap: see `DecoderConfig.attention_soft_cap`.
    windows: for each kind of layer, how many tokens, itself included, each
      sees; 0: all before it. Counts tokens of the row, so positions must count
      them too.
    kind: which of them it is, int32 []; None if there is but one.
  """
  length, num_heads, head_dim = query_BLNH.shape[1:]
  scale = scale or head_dim**-0.5
  num_blocks = -(-length // BLOCK)
  block = -(-length // (num_blocks * LANES)) * LANES
  padding = num_blocks * block - length
  if _heads_are_split_unevenly(key_BLKH.shape[2]):
    repeats = num_heads // key_BLKH.shape[2]
    key_BLKH, value_BLKH = (
      jnp.repeat(x, repeats, axis=2) for x in (key_BLKH, value_BLKH)
    )
  query_BNLH, key_BKLH, value_BKLH = (
    jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), (0, padding), (0, 0)))
    for x in (query_BLNH * scale, key_BLKH, value_BLKH)
  )
  if segment_ids_BL is not None:
    segment_ids_BL = jnp.pad(segment_ids_BL, ((0, 0), (0, padding)))
  inputs = query_BNLH, key_BKLH, value_BKLH, segment_ids_BL
  distinct = list(dict.fromkeys(windows))
  kernels = [
    functools.partial(_on_every_device, _Kernel(block, window, soft_cap))
    for window in distinct
  ]
  if len(kernels) == 1:
    y_BNLH = kernels[0](*inputs)
  else:
    index = jnp.array([distinct.index(window) for window in windows])[kind]
    y_BNLH = jax.lax.switch(index, kernels, *inputs)
  return y_BNLH.swapaxes(1, 2)[:, :length]


def _on_every_device(
  kind: _Kernel,
  query_BNLH: jax.Array,
  key_BKLH: jax.Array,
  value_BKLH: jax.Array,
  segment_ids_BL: jax.Array | None,
) -> jax.Array:
  """Runs the kernel on the parts of its inputs that each device has."""
  inputs = query_BNLH, key_BKLH, value_BKLH, segment_ids_BL
  kernel = functools.partial(_on_device, kind)
  if jax.sharding.get_abstract_mesh().empty:
    return kernel(*inputs)
  batch = _mesh_axes('batch')
  query_spec = PartitionSpec(batch, _mesh_axes('activation_heads'))
  key_spec = PartitionSpec(batch, _mesh_axes('activation_kv_heads'))
  if key_BKLH.shape[1] == query_BNLH.shape[1]:
    key_spec = query_spec
  return jax.shard_map(
    kernel,
    in_specs=(query_spec, key_spec, key_spec, PartitionSpec(batch)),
    out_specs=query_spec,
    check_vma=False,
  )(*inputs)


def _on_device(
  kind: _Kernel,
  query_BNLH: jax.Array,
  key_BKLH: jax.Array,
  value_BKLH: jax.Array,
  segment_ids_BL: jax.Array | None,
) -> jax.Array:
  num_heads, length = query_BNLH.shape[1:3]
  sides = (kind.window - 1 if kind.window else None, 0)
  block = kind.block
  mask = splash_attention.LocalMask((length, length), sides, offset=0)
  kernel = splash_attention.make_splash_mha_single_device(
    splash_attention.MultiHeadMask([mask] * num_heads),
    block_sizes=splash_attention.BlockSizes(
      block_q=block,
      block_kv=block,
      block_q_dkv=block,
      block_kv_dkv=block,
      block_q_dq=block,
      block_kv_dq=block,
    ),
    attn_logits_soft_cap=kind.soft_cap or None,
    interpret=_platform() != 'tpu',
  )
  if segment_ids_BL is None:
    return jax.vmap(kernel)(query_BNLH, key_BKLH, value_BKLH)
  segment_ids = splash_attention.SegmentIds(segment_ids_BL, segment_ids_BL)
  return jax.vmap(kernel)(query_BNLH, key_BKLH, value_BKLH, segment_ids)


def _heads_are_split_unevenly(num_kv_heads: int) -> bool:
  """Whether a device's query heads are not those of its key-value heads."""
  heads = _mesh_axes('activation_heads')
  return num_kv_heads > 1 and heads != _mesh_axes('activation_kv_heads')


def _mesh_axes(logical_axis: str) -> tuple[str, ...]:
  """The axes of the mesh in force, of several devices, that split an axis."""
  [axes] = nn.logical_to_mesh_axes((logical_axis,)) or (None,)
  axes = axes or ()
  sizes = jax.sharding.get_abstract_mesh().shape
  axes = (axes,) if isinstance(axes, str) else axes
  return tuple(axis for axis in axes if sizes.get(axis, 1) > 1)


def _platform() -> str:
  """Of the devices that a program is made for, which need not be here."""
  mesh = jax.sharding.get_abstract_mesh()
  return jax.default_backend() if mesh.empty else mesh.abstract_device.platform
