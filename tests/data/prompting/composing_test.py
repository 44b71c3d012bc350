"""Tests of the prompt composer: what must hold for every query and seed."""

import collections

import numpy as np
import pytest
import seqio
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data import fragments, vocabularies
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting import composing, fitting, formats, frames

SYMBOLS = {
  'integers': tuple(str(i) for i in range(40)),
  'letters': tuple('abcdefghij'),
}
INSTRUCTION = 'Name the class.'


def make_pool(sizes):
  labels = tuple(c for c, size in enumerate(sizes) for _ in range(size))
  texts = tuple(f'text {i} of class {c}' for i, c in enumerate(labels))
  return sources.Pool(texts=texts, labels=labels, num_classes=len(sizes))


def make_recipe(**overrides):
  choices = {
    'labels': 'symbol',
    'exemplars': (2, 4),
    'instructed': False,
    'symbols': composing.SymbolTable(SYMBOLS),
    'formats': (formats.EVALUATION_FORMAT,),
  }
  return composing.PromptRecipe(**(choices | overrides))


def compose(pool, recipe, query, seed):
  """Returns a batch of one prompt."""
  names = [f'class {c}' for c in range(pool.num_classes)]
  composer = composing.PromptComposer(pool, names, INSTRUCTION, recipe)
  return composer.compose(np.array([query]), np.array([[seed, 7]]))


def text_of(batch):
  """Returns the text of a batch of one prompt."""
  (text,) = batch.written()
  return text


def exemplars_of(batch):
  """Returns the exemplars of each prompt, '' where a slot is not used."""
  first = batch.exemplars_BNWS[:, :, 1]
  return [
    [text.removeprefix('\n\n') for text in composing.join(batch.texts, numbers)]
    for numbers in first
  ]


def queries_of(batch):
  written = composing.join(batch.texts, batch.query_BWS[:, 1])
  return [text.removeprefix('\n\n') for text in written]


def shown(batch):
  """Returns the exemplars of a batch of one prompt and their drop ranks."""
  (exemplars,), (ranks,) = exemplars_of(batch), batch.drop_rank_BN
  used = np.flatnonzero(ranks < batch.num_exemplars_B[0])
  return [exemplars[i] for i in used], list(ranks[used])


def parse(batch):
  """Returns the exemplars (text, label), the query's text and the options."""
  form = formats.EVALUATION_FORMAT
  exemplars = [
    tuple(e.removeprefix(form.prefix).split(form.infix))
    for e in shown(batch)[0]
  ]
  (query,) = queries_of(batch)
  query = query.removeprefix(form.prefix).removesuffix(form.infix)
  return exemplars, query, list(batch.texts[batch.options_BC[0]])


cases = st.fixed_dictionaries(
  {
    'sizes': st.lists(st.integers(2, 12), min_size=2, max_size=5),
    'pick': st.integers(0, 10_000),
    'seed': st.integers(0, 2**31 - 1),
    'least': st.integers(1, 5),
    'more': st.integers(0, 5),
  }
)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_exemplars_are_distinct_balanced_and_never_the_query(case):
  pool = make_pool(case['sizes'])
  query = case['pick'] % len(pool.texts)
  least, most = case['least'], case['least'] + case['more']
  prompt = compose(
    pool, make_recipe(exemplars=(least, most)), query, case['seed']
  )
  exemplars, query_text, options = parse(prompt)

  texts = [text for text, _ in exemplars]
  assert query_text == pool.texts[query]
  assert query_text not in texts
  assert len(set(texts)) == len(texts)
  class_of = dict(zip(pool.texts, pool.labels, strict=True))
  counts = collections.Counter(class_of[text] for text in texts)
  own = pool.labels[query]
  available = [n - (c == own) for c, n in enumerate(case['sizes'])]
  k = max(counts.values())
  assert k <= most and (k >= least or k == max(available))
  assert counts == {c: min(k, n) for c, n in enumerate(available)}
  assert all(label == options[class_of[text]] for text, label in exemplars)
  assert prompt.label_B == [own]


@settings(max_examples=40, deadline=None)
@given(cases)
def test_symbols_are_distinct_and_from_the_inventory(case):
  pool = make_pool(case['sizes'])
  _, _, options = parse(compose(pool, make_recipe(), 0, case['seed']))
  known = {symbol for group in SYMBOLS.values() for symbol in group}
  assert len(set(options)) == len(case['sizes'])
  assert {option.removeprefix(' ') for option in options} <= known


def byte_tokenizer(texts):
  """Tokenizes fragments into bytes, of which 3 less is a character."""
  name = vocabularies.Bytes()
  vocabulary = name.load()
  frame = frames.of('none', vocabulary)
  limits = fitting.Limits(vocabulary, frame, None, None)
  return fitting.PromptTokenizer(texts, fragments.encoder(name), limits)


def decoded(rows):
  return [seqio.ByteVocabulary().decode(np.frombuffer(r, 'i4')) for r in rows]


@settings(max_examples=20, deadline=None)
@given(cases, st.integers(20, 600), st.data())
def test_a_prompt_does_not_depend_on_its_batch(case, limit, data):
  pool = make_pool(case['sizes'])
  composer = composing.PromptComposer(
    pool,
    ['x'] * pool.num_classes,
    INSTRUCTION,
    make_recipe(exemplars=(0, 4), formats=formats.FORMATS),
  )

  def texts(rows):
    queries = np.array([row % len(pool.texts) for row in rows])
    seeds = np.array([[case['seed'], row] for row in rows])
    batch = composer.compose(queries, seeds)
    tokenizer = byte_tokenizer(composer.texts)
    tokens, text, num_kept = tokenizer.fit(batch, limit)
    return list(zip(batch.written(), text, tokens, num_kept, strict=True))

  rows = data.draw(st.permutations(range(9)))[: data.draw(st.integers(1, 9))]
  whole = texts(range(9))
  assert texts(rows) == [whole[row] for row in rows]
  assert len({text for text, *_ in whole}) > 1


def compose_many(pool, recipe, size):
  """Returns prompts of the first query with neighbouring seeds."""
  composer = composing.PromptComposer(pool, ['x', 'y'], INSTRUCTION, recipe)
  seeds = np.stack([np.zeros(size, int), np.arange(size)], axis=1)
  return composer.compose(np.zeros(size, int), seeds)


def test_numbers_and_formats_are_drawn_evenly_and_independently():
  recipe = make_recipe(exemplars=(1, 4), formats=formats.FORMATS)
  batch = compose_many(make_pool([30, 30]), recipe, 4000)
  drawn = zip(batch.num_exemplars_B, queries_of(batch), strict=True)
  pairs = collections.Counter(drawn)
  assert len(pairs) == 4 * len(formats.FORMATS)
  assert min(pairs.values()) > 60 and max(pairs.values()) < 145


def test_exemplars_are_drawn_evenly_in_every_order():
  recipe = make_recipe(labels='natural', exemplars=(1, 1))
  batch = compose_many(make_pool([4, 5]), recipe, 6000)
  pairs = collections.Counter(map(tuple, exemplars_of(batch)))
  # Three others of the query's class, five of the other, either one first.
  assert len(pairs) == 3 * 5 * 2
  assert min(pairs.values()) > 140 and max(pairs.values()) < 265


def test_pairs_of_exemplars_and_of_symbols_are_drawn_evenly():
  recipe = make_recipe(exemplars=(2, 2))
  batch = compose_many(make_pool([3, 5]), recipe, 6000)
  exemplars = [
    frozenset(t.split('\n')[0] for t in row if 'class 1' in t)
    for row in exemplars_of(batch)
  ]
  sets = collections.Counter(exemplars)
  assert len(sets) == 10
  assert min(sets.values()) > 490 and max(sets.values()) < 710
  symbols = collections.Counter(map(tuple, batch.texts[batch.options_BC]))
  letters = [n for (first, _), n in symbols.items() if first.strip().isalpha()]
  assert len(letters) == 10 * 9
  assert sum(letters) == pytest.approx(3000, rel=0.1)
  assert min(letters) > 10 and max(letters) < 65


def test_every_number_of_exemplars_and_every_format_is_drawn():
  pool = make_pool([20, 20])
  recipe = make_recipe(exemplars=(2, 4), formats=formats.FORMATS)
  drawn = [compose(pool, recipe, 0, seed) for seed in range(150)]
  assert {len(shown(p)[0]) for p in drawn} == {4, 6, 8}
  forms = {
    query.replace(pool.texts[0], '') for p in drawn for query in queries_of(p)
  }
  assert forms == {f.prefix + f.infix for f in formats.FORMATS}


def test_exemplars_of_the_classes_are_mixed():
  pool = make_pool([20, 20])
  firsts = collections.Counter(
    shown(compose(pool, make_recipe(), 0, seed))[0][0][-1] for seed in range(60)
  )
  assert len(firsts) > 5


def test_flipped_labels_are_swapped_everywhere():
  pool = make_pool([6, 6])
  natural = compose(pool, make_recipe(labels='natural'), 3, 1)
  flipped = compose(pool, make_recipe(labels='flipped'), 3, 1)
  swap = {' class 0': ' class 1', ' class 1': ' class 0'}
  exemplars, query, options = parse(natural)
  flipped_exemplars, flipped_query, flipped_options = parse(flipped)
  assert flipped_query == query
  assert flipped_options == [swap[option] for option in options]
  assert flipped_exemplars == [(t, swap[label]) for t, label in exemplars]


def test_settings_show_the_same_exemplars():
  pool = make_pool([9, 9, 9])
  texts = [
    [text for text, _ in parse(compose(pool, recipe, 4, 5))[0]]
    for recipe in (
      make_recipe(),
      make_recipe(instructed=True),
      make_recipe(labels='natural'),
    )
  ]
  assert texts[0] == texts[1] == texts[2]


def test_the_instruction_comes_first_or_not_at_all():
  pool = make_pool([4, 4])
  with_it = text_of(compose(pool, make_recipe(instructed=True), 0, 0))
  without = text_of(compose(pool, make_recipe(), 0, 0))
  assert with_it == f'{INSTRUCTION}\n\n{without}'


def test_no_exemplars_leave_the_query():
  pool = make_pool([1, 1])
  recipe = make_recipe(labels='natural', exemplars=(0, 0))
  text = text_of(compose(pool, recipe, 0, 0))
  assert text == f'Input: {pool.texts[0]}\nOutput:'


def test_a_class_with_one_example_is_refused():
  with pytest.raises(ValueError, match='has 1 examples'):
    compose(make_pool([5, 1]), make_recipe(), 0, 0)


def test_three_classes_cannot_be_flipped():
  with pytest.raises(ValueError, match='Only two classes'):
    compose(make_pool([3, 3, 3]), make_recipe(labels='flipped'), 0, 0)


@settings(max_examples=60, deadline=None)
@given(
  cases, st.integers(20, 600), st.booleans(), st.sampled_from(formats.FORMATS)
)
def test_a_long_prompt_drops_whole_exemplars_in_turn(
  case, limit, instructed, form
):
  pool = make_pool(case['sizes'])
  query = case['pick'] % len(pool.texts)
  recipe = make_recipe(exemplars=(4, 4), instructed=instructed, formats=(form,))
  prompt = compose(pool, recipe, query, case['seed'])
  (tokens,), (text,), (num_kept,) = byte_tokenizer(prompt.texts).fit(
    prompt, limit
  )

  assert decoded([tokens]) == [text]
  parts = text.split('\n\n')
  if instructed:
    assert parts.pop(0) == INSTRUCTION
  exemplars, ranks = shown(prompt)
  assert parts[-1] == queries_of(prompt)[0]
  kept = [ranks[exemplars.index(part)] for part in parts[:-1]]
  assert num_kept == len(kept)
  assert sorted(kept) == list(range(len(kept)))
  assert kept == [rank for rank in ranks if rank < len(kept)]
  if kept:
    assert len(text) <= limit
  if len(kept) < len(exemplars):
    (longer,) = prompt.written(np.array([num_kept + 1]))
    assert len(longer) > limit


def test_classes_lose_exemplars_in_turn():
  pool = make_pool([9, 9, 9])
  prompt = compose(pool, make_recipe(exemplars=(3, 3)), 0, 0)
  class_of = dict(zip(pool.texts, pool.labels, strict=True))
  classes = [class_of[text] for text, _ in parse(prompt)[0]]
  by_rank = [c for _, c in sorted(zip(shown(prompt)[1], classes, strict=True))]
  for kept in range(len(by_rank)):
    counts = [by_rank[:kept].count(c) for c in range(3)]
    assert max(counts) - min(counts) <= 1
