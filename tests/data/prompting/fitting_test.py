"""Tests of fitting prompts into a length, with every kind of vocabulary."""

import numpy as np
import pytest
import seqio
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting import composing, fitting, frames, symbols

BYTES = seqio.ByteVocabulary()
EACH = pytest.mark.parametrize(
  'name', [vocabularies.Bytes(), vocabularies.tiny()], ids=['bytes', 'pieces']
)
SYMBOLS = symbols.SymbolTable({'letters': tuple('ABCDEFGHIJKLMNOPQRST')})


def make_fitter(vocabulary=BYTES, separator='eos', **lengths):
  return fitting.Fitter(vocabulary, frames.of(separator, vocabulary), **lengths)


def make_prompts(num_classes=3, k=3, count=8, words=3):
  labels = tuple(c for c in range(num_classes) for _ in range(6))
  texts = tuple(f'{"word " * words}{i}' for i in range(len(labels)))
  pool = sources.Pool(texts, labels, num_classes)
  recipe = composing.Recipe('symbol', (k, k), symbols=SYMBOLS)
  names = [f'class {c}' for c in range(num_classes)]
  composer = composing.Composer(pool, names, '', recipe)
  return [
    composer.compose(i * 5 % len(pool), f'seed {i}') for i in range(count)
  ]


def fitted_pairs(fitter, **choices):
  """Prompts, each with what is fitted of it."""
  prompts = make_prompts(**choices)
  return zip(prompts, fitter.fit(prompts), strict=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 400))
def test_as_many_exemplars_are_kept_as_fit(max_inputs):
  for whole, fitted in fitted_pairs(make_fitter(max_inputs=max_inputs)):
    least = len(BYTES.encode(whole.kept(2).text)) + 1
    if least > max_inputs:
      assert fitted is None
      continue
    assert len(fitted.inputs) <= max_inputs
    assert fitted.prompt.is_answerable and fitted.prompt.exemplars
    num_kept = len(fitted.prompt.exemplars)
    assert fitted.prompt == whole.kept(num_kept)
    if num_kept < len(whole.exemplars):
      more = whole.kept(num_kept + 1)
      assert len(BYTES.encode(more.text)) + 1 > max_inputs


@EACH
@pytest.mark.parametrize('separator', ['eos', 'none'])
def test_tokens_are_the_whole_text_within_its_frame(name, separator):
  vocabulary = name.load()
  for whole, fitted in fitted_pairs(make_fitter(vocabulary, separator)):
    tokens = fitted.inputs.tolist()
    if separator == 'eos':
      assert tokens.pop() == vocabulary.eos_id
    assert tokens == vocabulary.encode(whole.text)
    assert vocabulary.decode(tokens) == whole.text == fitted.text
    assert fitted.inputs.dtype == np.int32


def test_a_prompt_does_not_depend_on_the_others_it_is_fitted_with():
  fitter = make_fitter(max_inputs=150)
  for prompt, fitted in fitted_pairs(fitter):
    (alone,) = fitter.fit([prompt])
    assert (alone is None) == (fitted is None)
    if alone:
      assert alone.text == fitted.text


def test_with_more_classes_than_fit_some_are_shown_and_are_the_options():
  fitter = make_fitter(max_inputs=200)
  for whole, fitted in fitted_pairs(fitter, num_classes=15, k=2):
    shown = {exemplar.label for exemplar in fitted.prompt.exemplars}
    assert 1 < len(shown) < 15 and whole.label in shown
    assert {option.label for option in fitted.prompt.options} == shown


def test_what_has_no_room_for_two_classes_is_dropped():
  """With one option, any answer would be right."""
  for whole in make_prompts(count=3):
    one, two = (len(BYTES.encode(whole.kept(n).text)) + 1 for n in (1, 2))
    assert make_fitter(max_inputs=one).fit([whole]) == [None]
    (fitted,) = make_fitter(max_inputs=two).fit([whole])
    assert len(fitted.prompt.options) == 2


def test_prompts_without_exemplars_are_the_query_alone():
  pool = sources.Pool(('one', 'two'), (0, 1), 2)
  recipe = composing.Recipe('natural', (0, 0))
  prompt = composing.Composer(pool, ['a', 'b'], '', recipe).compose(1, '')
  (fitted,) = make_fitter().fit([prompt])
  assert fitted.text == f'{prompt.format.prefix}two{prompt.format.infix}'


def test_labels_follow_a_space_and_end():
  fitter = make_fitter(max_targets=4)
  option = fitter.option('hi')
  assert option.text == ' hi'
  assert option.tokens.tolist() == [*BYTES.encode(' hi'), BYTES.eos_id]
  assert fitter.written('').tokens.tolist() == [BYTES.eos_id]
  with pytest.raises(ValueError, match=r"label 'long' .* 6 tokens .* 4"):
    fitter.option('long')


def test_texts_that_no_prompt_has_room_for_are_found_ahead():
  fitter = make_fitter(max_inputs=20)
  texts = ['short', 'x' * 19, 'y' * 400, 'y' * 400]
  assert fitter.too_long(texts) == {'y' * 400}
  assert not make_fitter().too_long(texts)


@EACH
@pytest.mark.parametrize('separator', ['eos', 'none'])
def test_labels_have_loss_once_their_class_was_shown(name, separator):
  vocabulary = name.load()
  fitter = make_fitter(vocabulary, separator)
  for fitted in fitter.fit(make_prompts(k=2)):
    loss = fitter.label_loss(fitted)
    assert loss.shape == fitted.inputs.shape
    ends = np.flatnonzero(np.diff([*loss, 0]) < 0) + 1
    starts = np.flatnonzero(np.diff([0, *loss]) > 0)
    marked = [
      vocabulary.decode(fitted.inputs[a:b].tolist()).strip()
      for a, b in zip(starts, ends, strict=True)
    ]
    written = {one.label: one.text for one in fitted.prompt.options}
    seen, expected = set(), []
    for exemplar in fitted.prompt.exemplars:
      if exemplar.label in seen:
        expected.append(written[exemplar.label])
      seen.add(exemplar.label)
    assert marked == expected and len(expected) == 3
