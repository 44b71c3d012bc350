"""Generation with a cache of keys and values.

A batch of prompts is read in chunks, which bounds the memory of attention; then
its rows are written in blocks of tokens. Between blocks, rows that have ended
leave the batch, which becomes smaller when half of them have. Prompts that are
about as long share a batch, as in `layout`.

Shape suffixes: B rows of a batch, P tokens of a prompt, C of a chunk of it,
K tokens of a block, D embed, V vocab, S slots, Y layers.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning import watchdog
from symbol_tuning.evaluation import layout as layout_lib
from symbol_tuning.evaluation import placement
from symbol_tuning.evaluation.generation import decoding as decoding_lib
from symbol_tuning.evaluation.generation.decoding import Decoding, End, Written
from symbol_tuning.models import decoder
from symbol_tuning.models import kv_cache as cache_lib

CHUNK_SIZE = 512
BLOCK_SIZE = 8


def plan(
  prompts: Sequence[np.ndarray],
  max_new_tokens: int,
  budget: layout_lib.Budget,
  batch_multiple: int = 1,
) -> layout_lib.Layout:
  """Chooses the shapes of batches; a row holds a prompt and what is written.

  Args:
    prompts: all prompts, one-dimensional int arrays.
    max_new_tokens: the most tokens that are written.
    budget: what the shapes are chosen by.
    batch_multiple: see `layout.Layout`.

  Returns:
    The layout with the least padding.
  """
  room = layout_lib.least_padding(
    list(map(len, prompts)), budget.num_row_lengths, budget.length_multiple
  )
  return layout_lib.Layout(
    row_lengths=tuple(length + max_new_tokens for length in room),
    num_targets=max_new_tokens,
    batch_tokens=budget.writing_batch_tokens,
    batch_multiple=batch_multiple,
  )


def generate(
  model: decoder.Decoder,
  params: Any,
  prompts: Sequence[np.ndarray],
  layout: layout_lib.Layout,
  decoding: Decoding,
  end: End,
  advance: Callable[[int], None] = lambda num_tokens: None,
  chunk_size: int = CHUNK_SIZE,
  block_size: int = BLOCK_SIZE,
) -> list[Written]:
  """Writes what follows each prompt.

  The computation is sharded as the parameters are; the rows of a batch are
  spread over the axes 'data' and 'fsdp' of their mesh. On several hosts, all
  of them call this with the same arguments.

  Args:
    model: the decoder.
    params: its parameters.
    prompts: one-dimensional int arrays.
    layout: the shapes of the batches, see `plan`.
    decoding: how tokens are chosen; at most `layout.num_targets` of them.
    end: where an answer ends.
    advance: is called after every batch with the tokens that its prompts take
      in a row, those that may be written included.
    chunk_size: tokens of a prompt that are read at once.
    block_size: tokens that are written before rows that have ended leave.

  Returns:
    What was written after every prompt.

  Raises:
    ValueError: if a prompt is empty, does not fit the layout, or has tokens
      that the model does not know.
  """
  _check(prompts, layout, decoding, model.config.vocab_size)
  lengths = [len(prompt) + layout.num_targets for prompt in prompts]
  writer = _Writer(model, params, decoding, end, chunk_size, block_size)
  written: dict[int, Written] = {}
  for row_length, numbers in layout_lib.numbers_of_batches(lengths, layout):
    written |= writer.write(
      {number: prompts[number] for number in numbers},
      layout.num_rows(row_length),
      row_length - layout.num_targets,
    )
    advance(sum(lengths[i] for i in numbers))
  return [written[number] for number in range(len(prompts))]


def _check(
  prompts: Sequence[np.ndarray],
  layout: layout_lib.Layout,
  decoding: Decoding,
  vocab_size: int,
) -> None:
  if decoding.max_new_tokens > layout.num_targets:
    raise ValueError(
      f'{decoding.max_new_tokens} tokens are to be written; the layout has room'
      f' for {layout.num_targets}: plan it for as many.'
    )
  longest = layout.row_lengths[-1] - layout.num_targets
  for number, prompt in enumerate(prompts):
    if not 0 < len(prompt) <= longest:
      raise ValueError(
        f'Prompt {number} has {len(prompt)} tokens; the layout has room for 1'
        f' to {longest}: plan it with this prompt among its prompts.'
      )
  if prompts:
    placement.check_tokens('prompts', prompts, vocab_size)


@dataclasses.dataclass(frozen=True)
class _Writer:
  """Writes batch after batch; fields as the arguments of `generate`."""

  model: decoder.Decoder
  params: Any
  decoding: Decoding
  end: End
  chunk_size: int
  block_size: int

  def write(
    self, prompts: Mapping[int, np.ndarray], num_rows: int, room: int
  ) -> dict[int, Written]:
    """Writes after prompts that share a batch.

    Args:
      prompts: by their numbers.
      num_rows: rows of the batch.
      room: the most tokens of a prompt.
    """
    written = {}
    texts: dict[int, list[int]] = {number: [] for number in prompts}
    rows = [*prompts, *[None] * (num_rows - len(prompts))]
    tokens_BK, cache = self._read(prompts, rows, room)
    while True:
      for row, number in enumerate(rows):
        if number is None:
          continue
        texts[number] += tokens_BK[row].tolist()
        answer = decoding_lib.ended(texts[number], self.decoding, self.end)
        if answer is not None:
          written[number], rows[row] = answer, None
      watchdog.finished('a block of tokens')
      if not any(number is not None for number in rows):
        return written
      rows, cache = self._without_ended(rows, cache)
      tokens_BK, cache = self._write_block(rows, texts, cache)

  def _read(
    self,
    prompts: Mapping[int, np.ndarray],
    rows: Sequence[int | None],
    room: int,
  ) -> tuple[np.ndarray, cache_lib.Cache]:
    """The first token of each row, int32 [B, 1]."""
    tokens_BP = np.zeros((len(rows), room), np.int32)
    num_tokens_B = np.zeros(len(rows), np.int32)
    for row, prompt in enumerate(prompts.values()):
      tokens_BP[row, : len(prompt)] = prompt
      num_tokens_B[row] = len(prompt)
    token_B, cache = _read_prompts(
      self.model,
      self.params,
      self._put(tokens_BP),
      self._put(num_tokens_B),
      self._put(_numbers(rows)),
      self.decoding,
      self.chunk_size,
    )
    return _fetch(token_B)[:, None], cache

  def _without_ended(
    self, rows: Sequence[int | None], cache: cache_lib.Cache
  ) -> tuple[list[int | None], cache_lib.Cache]:
    """Halves the batch, perhaps repeatedly, when half of its rows have ended.

    Numbers of rows are powers of two, for each is compiled once.
    """
    going_on = [row for row, number in enumerate(rows) if number is not None]
    multiple = placement.batch_multiple(self.params)
    num_rows = multiple
    while num_rows < len(going_on):
      num_rows *= 2
    if num_rows > len(rows) // 2:
      return list(rows), cache
    num_empty = num_rows - len(going_on)
    row_B = np.array([*going_on, *[going_on[0]] * num_empty], np.int32)
    shardings = jax.tree.map(lambda x: x.sharding, cache)
    cache = jax.jit(_take_rows, out_shardings=shardings)(cache, row_B)
    return [*(rows[row] for row in going_on), *[None] * num_empty], cache

  def _write_block(
    self,
    rows: Sequence[int | None],
    texts: Mapping[int, Sequence[int]],
    cache: cache_lib.Cache,
  ) -> tuple[np.ndarray, cache_lib.Cache]:
    """The next tokens of each row, int32 [B, K], and the cache before them."""
    going_on = [number for number in rows if number is not None]
    last = [0 if number is None else texts[number][-1] for number in rows]
    tokens_BK, cache = _write_tokens(
      self.model,
      self.params,
      cache,
      self._put(np.array(last, np.int32)),
      self._put(np.array([number is None for number in rows])),
      self._put(_numbers(rows)),
      jnp.int32(len(texts[going_on[0]])),
      self.decoding,
      self.block_size,
      self.end.ids,
    )
    return _fetch(tokens_BK), cache

  def _put(self, array: np.ndarray) -> jax.Array:
    return placement.put(array, placement.batch_sharding(self.params))


def _numbers(rows: Sequence[int | None]) -> np.ndarray:
  return np.array([number or 0 for number in rows], np.int32)


def _fetch(array: jax.Array) -> np.ndarray:
  return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def _take_rows(cache: cache_lib.Cache, row_B: jax.Array) -> cache_lib.Cache:
  return cache._replace(
    layers_Y=jax.tree.map(lambda x: x[:, row_B], cache.layers_Y),
    seen_BS=cache.seen_BS[row_B],
    num_tokens_B=cache.num_tokens_B[row_B],
  )


def _choose(
  decoding: Decoding,
  logits_BV: jax.Array,
  number_B: jax.Array,
  num_written: int | jax.Array,
) -> jax.Array:
  """The next token of each row, int32 [B]; its draws are its prompt's own."""
  if not decoding.temperature:
    return logits_BV.argmax(-1).astype(jnp.int32)

  def draw(logits_V: jax.Array, number: jax.Array) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(decoding.seed), number)
    key = jax.random.fold_in(key, num_written)
    return jax.random.categorical(key, logits_V / decoding.temperature)

  return jax.vmap(draw)(logits_BV, number_B).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=('model', 'decoding', 'chunk_size'))
def _read_prompts(
  model, params, tokens_BP, num_tokens_B, number_B, decoding, chunk_size
):
  """The token after each prompt, int32 [B], and the cache of the prompts."""
  apply = functools.partial(model.apply, {'params': params})
  num_slots = tokens_BP.shape[1] + decoding.max_new_tokens
  empty = cache_lib.empty(model.config, len(tokens_BP), num_slots)
  x_BD, cache = _read(apply, empty, tokens_BP, num_tokens_B, chunk_size)
  logits_BV = apply(x_BD, method='logits')
  return _choose(decoding, logits_BV, number_B, 0), cache


class _Block(NamedTuple):
  """What is being written.

  Attributes:
    tokens_BK: the tokens of the block so far.
    num_steps: how many they are, int32 [].
    last_B: the token before the next.
    has_ended_B: whether a row has.
    cache: of all tokens but the last.
  """

  tokens_BK: jax.Array
  num_steps: jax.Array
  last_B: jax.Array
  has_ended_B: jax.Array
  cache: cache_lib.Cache


@functools.partial(
  jax.jit,
  static_argnames=('model', 'decoding', 'block_size', 'end_ids'),
  donate_argnames=('cache',),
)
def _write_tokens(
  model,
  params,
  cache,
  last_B,
  has_ended_B,
  number_B,
  num_written,
  decoding,
  block_size,
  end_ids,
):
  """The next tokens of each row, int32 [B, K], and the cache before the last.

  Those beyond the most of an answer, or after all rows ended, mean nothing.
  """
  apply = functools.partial(model.apply, {'params': params})
  one_B = jnp.ones_like(last_B)
  num_steps = jnp.minimum(block_size, decoding.max_new_tokens - num_written)

  def goes_on(block: _Block) -> jax.Array:
    return (block.num_steps < num_steps) & ~block.has_ended_B.all()

  def write_one(block: _Block) -> _Block:
    x_B1D, cache = apply(
      block.cache, block.last_B[:, None], one_B, method='extend'
    )
    logits_BV = apply(x_B1D[:, 0], method='logits')
    token_B = _choose(
      decoding, logits_BV, number_B, num_written + block.num_steps
    )
    is_end_B = (token_B[:, None] == jnp.array(end_ids, jnp.int32)).any(-1)
    return _Block(
      tokens_BK=block.tokens_BK.at[:, block.num_steps].set(token_B),
      num_steps=block.num_steps + 1,
      last_B=token_B,
      has_ended_B=block.has_ended_B | is_end_B,
      cache=cache,
    )

  nothing_BK = jnp.zeros((len(last_B), block_size), jnp.int32)
  start = _Block(nothing_BK, jnp.int32(0), last_B, has_ended_B, cache)
  block = jax.lax.while_loop(goes_on, write_one, start)
  return block.tokens_BK, block.cache


def _read(apply, cache, tokens_BP, num_tokens_B, chunk_size):
  """The hidden state of each prompt's last token, and the cache after it."""
  chunks = []
  for start in range(0, tokens_BP.shape[1], chunk_size):
    tokens_BC = tokens_BP[:, start : start + chunk_size]
    num_in_chunk_B = jnp.clip(num_tokens_B - start, 0, tokens_BC.shape[1])
    x_BCD, cache = apply(
      cache, tokens_BC, num_in_chunk_B, num_readable=start, method='extend'
    )
    chunks.append(x_BCD)
  x_BPD = jnp.concatenate(chunks, axis=1)
  last_B11 = jnp.maximum(num_tokens_B - 1, 0)[:, None, None]
  return jnp.take_along_axis(x_BPD, last_B11, axis=1)[:, 0], cache
