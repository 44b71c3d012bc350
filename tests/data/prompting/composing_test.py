"""Tests of the prompt composer: what must hold for every query and seed."""

import collections
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting import composing, formats, records, symbols

SYMBOLS = symbols.SymbolTable(
  {
    'integers': tuple(str(i) for i in range(40)),
    'letters': tuple('ABCDEFGHIJ'),
  }
)
INSTRUCTION = 'Name the kind.'


def make_pool(sizes):
  labels = tuple(c for c, size in enumerate(sizes) for _ in range(size))
  texts = tuple(f'text {i} of class {c}' for i, c in enumerate(labels))
  return sources.Pool(texts=texts, labels=labels, num_classes=len(sizes))


def make_recipe(**overrides):
  choices = {'labels': 'symbol', 'exemplars': (2, 4), 'symbols': SYMBOLS}
  return composing.Recipe(**(choices | overrides))


def compose(pool, recipe, query=0, seed='0', **options):
  names = [f'class {c}' for c in range(pool.num_classes)]
  composer = composing.Composer(pool, names, INSTRUCTION, recipe, **options)
  return composer.compose(query, seed)


def compose_many(count, sizes, **overrides):
  """Prompts around the same query, with different seeds."""
  pool, recipe = make_pool(sizes), make_recipe(**overrides)
  return [compose(pool, recipe, seed=f'{seed}') for seed in range(count)]


@settings(max_examples=60, deadline=None)
@given(
  sizes=st.lists(st.integers(2, 12), min_size=2, max_size=5),
  pick=st.integers(0, 10_000),
  seed=st.text(max_size=8),
  least=st.integers(1, 5),
  more=st.integers(0, 5),
)
def test_exemplars_are_distinct_balanced_and_never_the_query(
  sizes, pick, seed, least, more
):
  pool = make_pool(sizes)
  query, most = pick % len(pool), least + more
  prompt = compose(pool, make_recipe(exemplars=(least, most)), query, seed)
  texts = [exemplar.text for exemplar in prompt.exemplars]
  assert prompt.query == pool.texts[query] and prompt.query not in texts
  assert len(set(texts)) == len(texts) == prompt.num_drawn
  class_of = dict(zip(pool.texts, pool.labels, strict=True))
  assert all(class_of[one.text] == one.label for one in prompt.exemplars)
  counts = collections.Counter(one.label for one in prompt.exemplars)
  own = pool.labels[query]
  available = [n - (c == own) for c, n in enumerate(sizes)]
  k = max(counts.values())
  assert k <= most and (k >= least or k == max(available))
  assert counts == {c: min(k, n) for c, n in enumerate(available)}
  assert prompt.label == own and prompt.answer.label == own


@settings(max_examples=40, deadline=None)
@given(
  st.lists(st.integers(0, 5), min_size=12, max_size=40), st.integers(0, 10_000)
)
def test_copies_of_a_text_never_stand_twice_in_a_prompt(numbers, pick):
  """Whatever row and class they come from."""
  texts = tuple(f'text {n}' for n in (*numbers, *range(6), *range(6)))
  labels = tuple(i % 2 for i in range(len(numbers))) + (0,) * 6 + (1,) * 6
  pool = sources.Pool(texts, labels, num_classes=2)
  prompt = compose(pool, make_recipe(exemplars=(3, 3)), pick % len(pool))
  shown = [prompt.query, *(exemplar.text for exemplar in prompt.exemplars)]
  assert len(set(shown)) == len(shown)


def test_the_number_of_exemplars_takes_every_value():
  counts = collections.Counter(p.num_drawn for p in compose_many(90, [9, 9]))
  assert set(counts) == {4, 6, 8} and min(counts.values()) > 15


def test_every_format_is_drawn():
  drawn = {prompt.format for prompt in compose_many(150, [3, 3])}
  assert drawn == set(formats.FORMATS)


def test_the_order_of_exemplars_is_random():
  prompts = compose_many(200, [9, 9])
  firsts = collections.Counter(p.exemplars[0].label for p in prompts)
  assert 70 < firsts[0] < 130


def test_symbols_of_a_prompt_are_of_several_categories():
  prompts = compose_many(50, [3] * 5)
  categories = [{one.category for one in p.options} for p in prompts]
  assert sum(len(found) == 2 for found in categories) > 30
  for prompt in prompts:
    assert len({option.text for option in prompt.options}) == 5


def test_settings_share_exemplars_format_and_order():
  pool = make_pool([6, 6])
  recipes = [
    make_recipe(),
    make_recipe(labels='natural', instruction='each'),
    make_recipe(labels='flipped', instruction='once'),
  ]
  drawn = [compose(pool, recipe, query=3, seed='seed') for recipe in recipes]
  assert len({(p.exemplars, p.query, p.format) for p in drawn}) == 1


def test_natural_labels_are_the_names_and_flipped_ones_are_swapped():
  pool = make_pool([3, 3])
  natural = compose(pool, make_recipe(labels='natural'))
  flipped = compose(pool, make_recipe(labels='flipped'))
  assert [one.text for one in natural.options] == ['class 0', 'class 1']
  assert [one.text for one in flipped.options] == ['class 1', 'class 0']
  assert {one.category for one in natural.options} == {records.NATURAL}
  assert natural.answer.text == 'class 0' and flipped.answer.text == 'class 1'


def test_random_labels_say_nothing_of_the_class():
  pool = make_pool([8, 8])
  class_of = dict(zip(pool.texts, pool.labels, strict=True))
  shown = [
    class_of[exemplar.text] == exemplar.label
    for prompt in compose_many(60, [8, 8], labels='random')
    for exemplar in prompt.exemplars
  ]
  assert 0.4 < sum(shown) / len(shown) < 0.6


def test_a_prompt_is_written_as_its_format_says():
  layout = formats.Format('Q: ', '\nA:')
  recipe = make_recipe(
    labels='natural', exemplars=(1, 1), formats=(layout,), instruction='each'
  )
  prompt = compose(make_pool([2, 2]), recipe)
  blocks = [
    f'Name the kind.\nQ: {one.text}\nA: class {one.label}'
    for one in prompt.exemplars
  ]
  query = 'Name the kind.\nQ: text 0 of class 0\nA:'
  assert prompt.text == '\n\n'.join([*blocks, query])
  once = dataclasses.replace(prompt, instruction_once=True)
  assert once.text == 'Name the kind.\n\n' + prompt.text.replace(
    'Name the kind.\n', ''
  )
  plain = dataclasses.replace(prompt, instruction='')
  assert plain.text == prompt.text.replace('Name the kind.\n', '')


def test_options_are_listed_where_nothing_else_names_them():
  recipe = make_recipe(
    labels='natural', exemplars=(0, 1), instruction='each', lists_options=True
  )
  prompt = compose(make_pool([2, 2]), recipe)
  assert prompt.text.startswith('Name the kind.\nOptions: class 0, class 1\n')


def test_a_class_whose_texts_are_all_shown_for_another_is_no_option():
  pool = sources.Pool(
    ('a', 'b', 'c', 'd', 'a', 'b', 'x', 'y'), (0, 0, 0, 0, 1, 1, 2, 2), 3
  )
  for seed in range(20):
    prompt = compose(pool, make_recipe(exemplars=(4, 4)), 2, f'{seed}')
    shown = {exemplar.label for exemplar in prompt.exemplars}
    assert {option.label for option in prompt.options} == shown == {0, 2}


def test_random_labels_that_no_exemplar_has_are_no_options():
  for prompt in compose_many(20, [3] * 3, labels='random', exemplars=(1, 1)):
    shown = {exemplar.label for exemplar in prompt.exemplars}
    assert {option.label for option in prompt.options} == shown | {prompt.label}


def test_excluded_texts_are_no_exemplars():
  pool = make_pool([4, 4])
  excluded = frozenset(pool.texts[1:3])
  prompt = compose(pool, make_recipe(exemplars=(4, 4)), excluded=excluded)
  assert {one.text for one in prompt.exemplars}.isdisjoint(excluded)
  assert prompt.num_drawn == 1 + 4


def test_a_class_needs_an_exemplar_beside_the_query():
  with pytest.raises(ValueError, match="Class 'class 1' has 1 different text"):
    compose(make_pool([3, 1]), make_recipe())
  pool = sources.Pool(('same', 'same', 'a', 'b'), (0, 0, 1, 1), 2)
  with pytest.raises(ValueError, match="Class 'class 0' has 1 different text"):
    compose(pool, make_recipe())


@pytest.mark.parametrize(
  ('wrong', 'message'),
  [
    ({'labels': 'fliped'}, "'fliped' is none of"),
    ({'symbols': None}, 'needs an inventory'),
    ({'instruction': 'twice'}, "'twice' is none of"),
    ({'exemplars': (0, 0)}, "'symbol' with 0 exemplars: nothing would tell"),
  ],
)
def test_recipes_are_checked(wrong, message):
  with pytest.raises(ValueError, match=message):
    make_recipe(**wrong)


def test_only_two_classes_are_flipped():
  with pytest.raises(ValueError, match='two classes can be flipped, not of 3'):
    compose(make_pool([2, 2, 2]), make_recipe(labels='flipped'))
