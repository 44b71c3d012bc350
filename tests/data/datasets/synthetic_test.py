"""Tests of the tiny world: its stand-ins, its documents, its vocabulary."""

import collections
import re

import pytest
import seqio
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import catalog, synthetic, synthetic_vocabulary
from symbol_tuning.data.prompting import formats, symbols

ALL_WORDS = [*synthetic.lexicon(), *synthetic.fillers()]


def words_of(row, spec):
  return [word for name in spec.text_columns for word in row[name].split()]


def raw_labels(spec):
  return spec.label_values or tuple(range(spec.num_classes))


@pytest.fixture(scope='module')
def vocabulary():
  return vocabularies.tiny().load()


@pytest.mark.parametrize('spec', catalog.CATALOG.values(), ids=lambda s: s.name)
def test_rows_have_the_columns_and_classes_of_the_dataset(spec):
  rows = synthetic.rows(spec, 'train', 60, seed=0)
  columns = {*spec.text_columns, spec.label_column}
  assert all(row.keys() == columns for row in rows)
  counts = collections.Counter(row[spec.label_column] for row in rows)
  assert counts.keys() == set(raw_labels(spec))
  assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize('spec', catalog.CATALOG.values(), ids=lambda s: s.name)
def test_a_text_has_the_words_of_its_class_and_a_few_fillers(spec):
  fillers = set(synthetic.fillers())
  rows = synthetic.rows(spec, 'validation', 300, seed=1)
  num_fillers = num_words = 0
  for row in rows:
    words = words_of(row, spec)
    label_id = raw_labels(spec).index(row[spec.label_column])
    assert set(words) <= {*synthetic.concept(spec.name, label_id), *fillers}
    num_fillers += len(fillers.intersection(words))
    num_words += len(words)
  assert 0.03 < num_fillers / num_words < 0.2


@settings(max_examples=20, deadline=None)
@given(
  spec=st.sampled_from(list(catalog.CATALOG.values())),
  seed=st.integers(0, 2**31 - 1),
)
def test_rows_follow_from_seed_split_and_dataset(spec, seed):
  rows = synthetic.rows(spec, 'train', 40, seed)
  assert rows == synthetic.rows(spec, 'train', 40, seed)
  assert rows != synthetic.rows(spec, 'train', 40, seed + 1)
  assert rows != synthetic.rows(spec, 'validation', 40, seed)


def test_words_are_made_up_once():
  assert len(set(ALL_WORDS)) == len(ALL_WORDS)


@pytest.mark.parametrize('spec', catalog.CATALOG.values(), ids=lambda s: s.name)
def test_classes_of_a_dataset_share_no_word(spec):
  concepts = [synthetic.concept(spec.name, i) for i in range(spec.num_classes)]
  words = [word for concept in concepts for word in concept]
  assert len(set(words)) == len(words) == 8 * spec.num_classes


def test_held_out_concepts_are_not_those_of_tuning():
  tuned, held_out = (
    [
      set(synthetic.concept(spec.name, label_id))
      for spec in specs
      for label_id in range(spec.num_classes)
    ]
    for specs in (catalog.TUNING_DATASETS, catalog.EVALUATION_DATASETS)
  )
  for concept in held_out:
    assert max(len(concept & other) for other in tuned) <= 2


def test_no_word_of_the_tiny_world_is_a_symbol():
  reserved = catalog.natural_label_words()
  for split in ('tuning', 'evaluation'):
    for group in symbols.inventory(split, reserved=reserved).values():
      assert not set(group).intersection(ALL_WORDS)


def test_words_are_the_same_on_every_machine():
  words = synthetic.concept('sst2', 0)
  assert words[:3] == ('bzizlozle', 'zliplemlu', 'vridvozve')


def test_documents_follow_from_their_seed():
  documents = synthetic.documents(50, seed=0)
  assert documents == synthetic.documents(50, seed=0)
  assert documents != synthetic.documents(50, seed=1)


def test_documents_name_the_classes_of_every_dataset():
  documents = synthetic.documents(4_000, seed=0)
  told = set()
  for document in documents:
    for statement in document.rstrip('.').split('. '):
      words, label = statement.split(' is ')
      for spec in catalog.CATALOG.values():
        if label in spec.labels:
          concept = synthetic.concept(spec.name, spec.labels.index(label))
          if set(words.split()) <= set(concept):
            told.add((spec.name, label))
  specs = catalog.CATALOG.values()
  assert told == {(spec.name, one) for spec in specs for one in spec.labels}


def test_the_vocabulary_file_is_the_one_that_is_built():
  assert synthetic_vocabulary.PATH.read_bytes() == synthetic_vocabulary.build()


def test_special_tokens(vocabulary):
  assert (vocabulary.pad_id, vocabulary.eos_id, vocabulary.unk_id) == (0, 1, 2)


@given(text=st.text(st.sampled_from([chr(i) for i in range(32, 127)] + ['\n'])))
def test_ascii_text_survives(vocabulary, text):
  assert vocabulary.decode(vocabulary.encode(text)) == text


def test_tiny_words_labels_and_fixed_parts_are_single_pieces(vocabulary):
  assert all(len(vocabulary.encode(f' {word}')) == 1 for word in ALL_WORDS)
  assert len(vocabulary.encode(formats.BLANK_LINE)) == 1
  for style in formats.FORMATS:
    assert len(vocabulary.encode(style.infix)) == 1
  for spec in catalog.CATALOG.values():
    for word in re.findall(' [A-Za-z]+', spec.instruction):
      assert len(vocabulary.encode(word)) == 1


def test_options_are_few_pieces(vocabulary):
  options = vocabulary.encode('\nOptions: negative, positive')
  pieces = [vocabulary.decode([piece]) for piece in options]
  assert pieces == ['\nOptions:', ' negative', ',', ' positive']


def test_a_symbol_is_written_in_its_characters(vocabulary):
  for symbol in ('40517', 'EQXD', 'zebra'):
    pieces = [vocabulary.decode([i]) for i in vocabulary.encode(f' {symbol}')]
    assert pieces == [f' {symbol[0]}', *symbol[1:]]


def test_tensorflow_tokenizes_alike(vocabulary):
  prompt = 'Input: Premise: blah\nHypothesis: it\nOutput: 123\n\nIs "it" x?'
  assert isinstance(vocabulary, seqio.SentencePieceVocabulary)
  assert vocabulary.encode_tf(prompt).numpy().tolist() == vocabulary.encode(
    prompt
  )
