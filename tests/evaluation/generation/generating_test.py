"""Generation with a cache, against reading everything at each token."""

import dataclasses
import functools

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from tiny_models import GEMMA, LLAMA, PALM, PRIMER, random_params

from symbol_tuning.evaluation.generation import generating
from symbol_tuning.evaluation.generation.decoding import Decoding, End, Written
from symbol_tuning.evaluation.layout import Budget
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import partitioning

VOCAB_SIZE = LLAMA.vocab_size
NO_EOS = -1
NEW = 6
GREEDY = Decoding(max_new_tokens=NEW)
LONGEST = 16
FAMILIES = {
  'llama': LLAMA,
  'llama, unscanned': dataclasses.replace(LLAMA, scan_layers=False),
  'palm': PALM,
  'primer': dataclasses.replace(PRIMER, tied_embeddings=False),
  'primer, unscanned': dataclasses.replace(PRIMER, scan_layers=False),
  'gemma': GEMMA,
}


@functools.cache
def decoder_and_params(family):
  return Decoder(FAMILIES[family]), random_params(FAMILIES[family])


@functools.cache
def next_token_logits(family):
  model, params = decoder_and_params(family)
  return jax.jit(functools.partial(model.apply, {'params': params}))


def without_cache(family, prompt, eos_id=NO_EOS):
  """Reads the whole row for every token; what is after a token is not seen."""
  row = np.zeros((1, LONGEST + NEW), np.int32)
  row[0, : len(prompt)] = prompt
  written = []
  while len(written) < NEW:
    end = len(prompt) + len(written)
    token = int(next_token_logits(family)(row)[0, end - 1].argmax())
    if token == eos_id:
      break
    written.append(token)
    row[0, end] = token
  return tuple(written)


def text_of(tokens):
  return ''.join(chr(ord('a') + token) for token in tokens)


def plan(prompts, batch_tokens, batch_multiple=1):
  budget = Budget(writing_batch_tokens=batch_tokens, length_multiple=LONGEST)
  return generating.plan(prompts, NEW, budget, batch_multiple)


def write(
  family,
  prompts,
  eos_id=NO_EOS,
  decoding=GREEDY,
  num_rows=4,
  *,
  kind=Decoder,
  **kwargs,
):
  """In batches of rows of the same length in all tests."""
  model, params = decoder_and_params(family)
  layout = plan([np.zeros(LONGEST)], num_rows * (LONGEST + NEW))
  end = End((eos_id,), text_of)
  return generating.generate(
    kind(model.config), params, prompts, layout, decoding, end, **kwargs
  )


def generate(*args, **kwargs):
  return [written.tokens for written in write(*args, **kwargs)]


def prompts_of(lengths, seed=0):
  rng = np.random.default_rng(seed)
  return [rng.integers(0, VOCAB_SIZE, n).astype(np.int32) for n in lengths]


@pytest.mark.parametrize('family', FAMILIES)
def test_writes_what_reading_everything_again_would(family):
  prompts = prompts_of([16, 3, 1, 9])
  expected = [without_cache(family, prompt) for prompt in prompts]
  assert generate(family, prompts) == expected
  assert len({token for written in expected for token in written}) > 4


@hypothesis.settings(max_examples=15)
@hypothesis.given(
  lengths=st.lists(st.integers(1, LONGEST), min_size=1, max_size=5),
  seed=st.integers(0, 2**16),
)
def test_the_other_rows_of_a_batch_change_nothing(lengths, seed):
  prompts = prompts_of(lengths, seed)
  alone = [generate('primer', [prompt])[0] for prompt in prompts]
  assert generate('primer', prompts) == alone


def test_a_prompt_that_is_read_in_chunks_is_the_same():
  prompts = prompts_of([16, 3, 9])
  whole = generate('primer', prompts)
  assert generate('primer', prompts, chunk_size=10) == whole


def test_rows_end_at_eos_and_the_others_go_on():
  prompts = prompts_of([5, 16, 2, 7])
  endless = [without_cache('llama', prompt) for prompt in prompts]
  eos_id = endless[0][2]
  expected = [without_cache('llama', p, eos_id) for p in prompts]
  for block_size in (1, 2, 8):
    written = generate('llama', prompts, eos_id, block_size=block_size)
    assert written == expected
  assert len(expected[0]) < NEW
  assert max(map(len, expected)) == NEW


class Watched(Decoder):
  """Records the shapes of tokens that are read."""

  shapes = []  # noqa: RUF012 (shared on purpose)

  def extend(self, cache, tokens_BL, *args, **kwargs):
    jax.debug.callback(lambda x: self.shapes.append(x.shape), tokens_BL)
    return super().extend(cache, tokens_BL, *args, **kwargs)


def watch(prompts, eos_id, num_rows, **kwargs):
  """What is written, and the shapes that were read for it."""
  Watched.shapes.clear()
  written = generate(
    'llama', prompts, eos_id, num_rows=num_rows, kind=Watched, **kwargs
  )
  jax.effects_barrier()
  return written, Watched.shapes


def test_writing_stops_when_all_rows_have_ended():
  (prompt,) = prompts_of([5])
  endless = without_cache('llama', prompt)
  written, shapes = watch([prompt, prompt], endless[2], num_rows=2)
  assert written == [endless[:2], endless[:2]]
  assert shapes == [(2, 16), (2, 1), (2, 1)]


def three_that_end_and_one_that_goes_on():
  """Prompts, the token that ends the first three as their second, answers."""
  prompts = prompts_of([5, 3, 9, 12, 16])
  eos_id = without_cache('llama', prompts[0])[1]
  answers = [without_cache('llama', prompt, eos_id) for prompt in prompts]
  longest = max(range(5), key=lambda i: len(answers[i]))
  assert (len(answers[0]), len(answers[longest])) == (1, NEW)
  numbers = [0, 0, 0, longest]
  return [prompts[i] for i in numbers], eos_id, [answers[i] for i in numbers]


def test_rows_that_have_ended_leave_the_batch():
  prompts, eos_id, expected = three_that_end_and_one_that_goes_on()
  written, shapes = watch(prompts, eos_id, num_rows=5, block_size=2)
  assert written == expected
  assert [rows for rows, _ in shapes] == [5, 5, 5, 1, 1, 1]


def test_tokens_are_counted_when_a_batch_is_written():
  model, params = decoder_and_params('llama')
  prompts = prompts_of([5, 16])
  layout = plan(prompts, batch_tokens=1)
  counted = []
  end = End((NO_EOS,), text_of)
  generating.generate(
    model, params, prompts, layout, GREEDY, end, counted.append
  )
  assert counted == [5 + NEW, 16 + NEW]


def test_equals_on_a_mesh_with_the_cache_spread_over_it():
  """Rows over fsdp, key-value heads over tensor, also in smaller batches."""
  model, params = decoder_and_params('llama')
  prompts, eos_id, expected = three_that_end_and_one_that_goes_on()
  partitioner = partitioning.Partitioner(
    data=1,
    fsdp=2,
    tensor=2,
    logical_axis_rules=partitioning.standard_logical_axis_rules(
      [('kv_heads', 'tensor'), ('activation_kv_heads', 'tensor')]
    ),
  )
  abstract = partitioner.abstract(
    parameters.abstract_params(model), parameters.logical_axes(model)
  )
  sharded = jax.device_put(params, jax.tree.map(lambda x: x.sharding, abstract))
  layout = plan(prompts, batch_tokens=4 * 22, batch_multiple=2)
  caches = {}

  class Inspected(Decoder):
    def extend(self, cache, tokens_BL, *args, **kwargs):
      key = cache.layers_Y.key_BKSH
      jax.debug.inspect_array_sharding(
        key, callback=lambda found: caches.update({key.shape: found})
      )
      return super().extend(cache, tokens_BL, *args, **kwargs)

  with partitioner.activate():
    written = generating.generate(
      Inspected(model.config),
      sharded,
      prompts,
      layout,
      GREEDY,
      End((eos_id,), text_of),
      block_size=2,
    )
  assert [w.tokens for w in written] == expected
  layers, _, heads, slots, width = (2, 4, 2, 22, 8)
  assert {shape[1] for shape in caches} == {4, 2}
  for shape, found in caches.items():
    assert shape == (layers, shape[1], heads, slots, width)
    part = (layers, shape[1] // 2, heads // 2, slots, width)
    assert found.shard_shape(shape) == part


@pytest.mark.parametrize('block_size', [1, 4])
def test_a_stop_text_ends_an_answer_wherever_tokens_begin(block_size):
  """Here a token is a letter, so that the text spans several."""
  (prompt,) = prompts_of([5])
  tokens = without_cache('llama', prompt)
  text = text_of(tokens)
  decoding = Decoding(NEW, stop=['never', text[2:4]])
  (written,) = write(
    'llama', [prompt], decoding=decoding, block_size=block_size
  )
  first = text.find(text[2:4])
  assert written == Written(tokens[: first + 2], text[:first])


def test_draws_depend_on_seed_and_prompt_and_not_on_the_batch():
  prompts = [prompts_of([5])[0]] * 4
  warm = Decoding(NEW, temperature=1.0, seed=1)
  written = generate('llama', prompts, decoding=warm)
  assert len(set(written)) > 2
  alone = generate('llama', prompts, decoding=warm, num_rows=1)
  assert alone == written
  other = Decoding(NEW, temperature=1.0, seed=2)
  assert generate('llama', prompts, decoding=other) != written
  cold = Decoding(NEW, temperature=1e-4)
  greedy = without_cache('llama', prompts[0])
  assert generate('llama', prompts, decoding=cold) == [greedy] * 4


def test_draws_follow_the_softmax():
  family, num_draws = 'llama', 400
  prompts = [prompts_of([5])[0]] * num_draws
  one = Decoding(1, temperature=2.0)
  drawn = generate(family, prompts, decoding=one, num_rows=num_draws)
  counts = np.bincount([tokens[0] for tokens in drawn], minlength=VOCAB_SIZE)
  row = np.zeros((1, LONGEST + NEW), np.int32)
  row[0, :5] = prompts[0]
  expected = jax.nn.softmax(next_token_logits(family)(row)[0, 4] / 2)
  distance = np.abs(counts / num_draws - np.asarray(expected)).sum() / 2
  assert distance < 0.15


@pytest.mark.parametrize(
  ('prompt', 'message'),
  [
    ([], 'Prompt 1 has 0 tokens; the layout has room for 1 to 16'),
    ([3] * 17, 'Prompt 1 has 17 tokens'),
    ([50], 'prompts hold the token id 50, and the model knows .* 0 to 49'),
  ],
)
def test_a_prompt_that_cannot_be_read_is_named(prompt, message):
  prompts = [np.array([1, 2]), np.array(prompt, np.int32)]
  with pytest.raises(ValueError, match=message):
    generate('llama', prompts)
