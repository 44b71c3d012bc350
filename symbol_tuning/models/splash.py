"""Attention on TPUs by Pallas' splash kernel, which never holds all scores.

The kernel (jax.experimental.pallas.ops.tpu.splash_attention) goes through
blocks of queries and keys, skips those that a causal mask empties and makes
masks in registers, so that memory grows with the length and not its square. It
knows nothing of meshes: every device runs it on its own rows and heads. Where
there is no TPU it is interpreted: slow, but good for tests.

Shape suffixes: B batch, L length, N query heads, K key-value heads, H head_dim.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention
from jax.sharding import PartitionSpec

from symbol_tuning.models.config import DecoderConfig

LANES = 128  # of a TPU's vector registers: blocks are a multiple
BLOCK = 512  # queries, and keys, of a block in rows that are no shorter


def is_chosen(config: DecoderConfig) -> bool:
  """Whether rows without branches are attended to by this kernel."""
  implementation = config.attention_implementation
  on_tpu = implementation == 'auto' and _platform() == 'tpu'
  return implementation == 'splash' or on_tpu


def attend(
  query_BLNH: jax.Array,
  key_BLKH: jax.Array,
  value_BLKH: jax.Array,
  segment_ids_BL: jax.Array | None,
) -> jax.Array:
  """Causal attention within segments, [B, L, N, H]; differentiable once.

  Rows are padded to whole blocks. Under a mesh, rows and heads stay where the
  logical axis rules put them.
  """
  length, num_heads, head_dim = query_BLNH.shape[1:]
  block = min(BLOCK, _round_up(length, LANES))
  padding = _round_up(length, block) - length
  if _heads_are_split_unevenly(key_BLKH.shape[2]):
    repeats = num_heads // key_BLKH.shape[2]
    key_BLKH, value_BLKH = (
      jnp.repeat(x, repeats, axis=2) for x in (key_BLKH, value_BLKH)
    )
  inputs = [
    jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), (0, padding), (0, 0)))
    for x in (query_BLNH * head_dim**-0.5, key_BLKH, value_BLKH)
  ]
  if segment_ids_BL is not None:
    segment_ids_BL = jnp.pad(segment_ids_BL, ((0, 0), (0, padding)))
  kernel = functools.partial(_attend_on_device, block)
  y_BNLH = _on_every_device(kernel, *inputs)(*inputs, segment_ids_BL)
  return y_BNLH.swapaxes(1, 2)[:, :length]


def _attend_on_device(
  block: int,
  query_BNLH: jax.Array,
  key_BKLH: jax.Array,
  value_BKLH: jax.Array,
  segment_ids_BL: jax.Array | None,
) -> jax.Array:
  num_heads, length = query_BNLH.shape[1:3]
  mask = splash_attention.CausalMask((length, length))
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
    interpret=_platform() != 'tpu',
  )
  if segment_ids_BL is None:
    return jax.vmap(kernel)(query_BNLH, key_BKLH, value_BKLH)
  segment_ids = splash_attention.SegmentIds(segment_ids_BL, segment_ids_BL)
  return jax.vmap(kernel)(query_BNLH, key_BKLH, value_BKLH, segment_ids)


def _on_every_device(kernel, query_BNLH, key_BKLH, value_BKLH):
  """The kernel for global arrays, under the mesh in force."""
  if jax.sharding.get_abstract_mesh().empty:
    return kernel
  batch, heads = _mesh_axes('batch'), _mesh_axes('activation_heads')
  query = PartitionSpec(batch, heads)
  same = key_BKLH.shape[1] == query_BNLH.shape[1]
  key = (
    query if same else PartitionSpec(batch, _mesh_axes('activation_kv_heads'))
  )
  return jax.shard_map(
    kernel,
    in_specs=(query, key, key, PartitionSpec(batch)),
    out_specs=query,
    check_vma=False,
  )


def _heads_are_split_unevenly(num_kv_heads: int) -> bool:
  """Whether a device's query heads are not those of its key-value heads."""
  heads = _mesh_axes('activation_heads')
  return num_kv_heads > 1 and heads != _mesh_axes('activation_kv_heads')


def _mesh_axes(logical_axis: str) -> str | tuple[str, ...] | None:
  return nn.logical_to_mesh_axes((logical_axis,))[0]


def _platform() -> str:
  """Of the devices that a program is made for, which need not be here."""
  mesh = jax.sharding.get_abstract_mesh()
  return jax.default_backend() if mesh.empty else mesh.abstract_device.platform


def _round_up(length: int, multiple: int) -> int:
  return -(-length // multiple) * multiple
