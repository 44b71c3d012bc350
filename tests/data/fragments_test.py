"""Tests that the tokens of fragments, joined, are those of the whole text."""

import numpy as np
import pytest
import sentencepiece
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from symbol_tuning.data import fragments, token_tables, vocabularies
from symbol_tuning.data.datasets import synthetic
from symbol_tuning.data.prompting import composing

DOCUMENTS = [
  *synthetic.documents(300, seed=0),
  *(f'Input: {i}\nOutput: {i * 37}.\n\n' for i in range(400)),
]


def sentence_piece(folder, kind, keeps_white_space):
  """Trains a model with few pieces, so that many paths are alike."""
  keeping = {
    'normalization_rule_name': 'identity',
    'add_dummy_prefix': False,
    'remove_extra_whitespaces': False,
    'byte_fallback': True,
    'user_defined_symbols': ['\n'] if kind == 'bpe' else [],
  }
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(DOCUMENTS),
    model_prefix=str(folder / 'm'),
    model_type=kind,
    vocab_size=500,
    hard_vocab_limit=False,
    minloglevel=2,
    **(keeping if keeps_white_space else {}),
  )
  return vocabularies.SentencePiece(str(folder / 'm.model'))


def byte_level(folder, normalizer=None, **changes):
  tokenizer = tokenizers.Tokenizer(models.BPE())
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
      pre_tokenizers.Digits(individual_digits=True),
      pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
  )
  tokenizer.decoder = decoders.ByteLevel()
  if normalizer:
    tokenizer.normalizer = normalizer
  trainer = trainers.BpeTrainer(
    vocab_size=600,
    special_tokens=['<end>'],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
  )
  tokenizer.train_from_iterator(DOCUMENTS, trainer)
  tokenizer.add_tokens(['<b>'])
  for name, value in changes.items():
    setattr(tokenizer, name, value)
  tokenizer.save(str(folder / 'tokenizer.json'))
  return vocabularies.HuggingFace(str(folder), eos_token='<end>')


KINDS = {
  'unigram': lambda folder: sentence_piece(folder, 'unigram', False),
  'unigram that keeps white space': lambda folder: sentence_piece(
    folder, 'unigram', True
  ),
  'pieces that are merged': lambda folder: sentence_piece(folder, 'bpe', False),
  'merged pieces that keep white space': lambda folder: sentence_piece(
    folder, 'bpe', True
  ),
  'byte level': byte_level,
  'byte level, normalized': lambda folder: byte_level(
    folder, normalizers.NFC()
  ),
  'bytes': lambda folder: vocabularies.Bytes(),
}


@pytest.fixture(scope='module', params=KINDS)
def vocabulary(request, tmp_path_factory):
  folder = tmp_path_factory.mktemp('vocabulary')
  return KINDS[request.param](folder)


def joined(name, parts):
  """Returns the joined tokens of fragments and whether they are exact."""
  texts = np.array(['', *parts], object)
  table = token_tables.TokenTable(texts, fragments.encoder(name))
  numbers = np.arange(1, len(texts))[np.newaxis]
  tokens, (length,) = table.join(numbers)
  assert len(tokens) == length
  return tokens.tolist(), table.is_exact(numbers)[0]


# What tokenizers and normalizers look at: digits, contractions, marks that
# combine, white space of all kinds, special tokens.
odd = st.text(
  st.sampled_from("ab19.'s:é\u0301\u0308\u200b\u00a0\u2028 \t\n▁´¨ﷺ🙂한ᄀ<end>")
)
texts = st.one_of(odd, st.text(), st.sampled_from(DOCUMENTS[:9]))
prompt_parts = st.lists(
  st.one_of(
    st.sampled_from(['\n\nInput:', '\nOutput:', ' ->', '\n\nX =', ' 3000']),
    st.builds('{}{}'.format, st.sampled_from([' ', '\n\n', '\n']), texts),
  ),
  max_size=12,
)


@settings(max_examples=300)
@given(first=texts, parts=prompt_parts)
@example(first='', parts=['x'])
@example(first='a', parts=['b'])
@example(first='a.', parts=['\n\nb ', '\nc'])
@example(first='Input:', parts=[' ▁', '\nOutput:', ' <end>'])
def test_exact_joins_are_the_tokens_of_the_whole_text(vocabulary, first, parts):
  tokens, is_exact = joined(vocabulary, [first, *parts])
  if is_exact:
    assert tokens == vocabulary.load().encode(first + ''.join(parts))


def test_common_prompts_are_exact(vocabulary):
  parts = [
    part
    for i, document in enumerate(DOCUMENTS[:6])
    for part in ('\n\nInput:', f' {document}', '\nOutput:', f' b{i}')
  ]
  assert joined(vocabulary, ['Name it.', *parts])[1]


def test_near_paths_are_exact_until_too_much_goes_before(tmp_path):
  name = sentence_piece(tmp_path, 'unigram', False)
  file = tmp_path / 'm.model'
  model = sentencepiece_model_pb2.ModelProto.FromString(file.read_bytes())
  scores = {'▁': -2, 'a': -3, 'b': -3, 'c': -4}
  scores |= {'ab': -2.5, 'ba': -2.5001, 'ac': -2.5, 'ca': -2.5}
  del model.pieces[3:]
  for piece, score in scores.items():
    model.pieces.add(piece=piece, score=score)
  file.write_bytes(model.SerializeToString())

  # ab|a is hardly better than a|ba, and ac|a is just as good as a|ca.
  assert joined(name, ['c', ' c', ' aba'])[1]
  assert joined(name, ['c', *[' cc'] * 99, ' c'])[1]
  assert not joined(name, ['c', *[' cc'] * 99, ' aba'])[1]
  assert not joined(name, ['aca'])[1]


@pytest.mark.parametrize(
  'change',
  [
    {'pre_tokenizer': pre_tokenizers.ByteLevel(add_prefix_space=True)},
    {'pre_tokenizer': pre_tokenizers.Whitespace()},
    {'normalizer': normalizers.Lowercase()},
  ],
)
def test_tokenizers_of_another_structure_take_whole_texts(tmp_path, change):
  name = byte_level(tmp_path, **change)
  assert not joined(name, ['Input:', ' a'])[1]


def test_tokens_that_reach_over_white_space_forbid_cuts(tmp_path):
  name = byte_level(tmp_path)
  assert joined(name, ['Input:', ' a'])[1]
  file = tmp_path / 'other'
  file.mkdir()
  tokenizer = name.load().tokenizer
  tokenizer.add_tokens([tokenizers.AddedToken('>', rstrip=True)])
  tokenizer.save(str(file / 'tokenizer.json'))
  other = vocabularies.HuggingFace(str(file), eos_token='<end>')
  assert not joined(other, ['Input:', ' a'])[1]


def test_pieces_that_reach_over_white_space_forbid_cuts(tmp_path):
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(DOCUMENTS),
    model_prefix=str(tmp_path / 'm'),
    vocab_size=500,
    hard_vocab_limit=False,
    split_by_whitespace=False,
    minloglevel=2,
  )
  name = vocabularies.SentencePiece(str(tmp_path / 'm.model'))
  assert not joined(name, ['Input:', ' a'])[1]


def test_a_table_tokenizes_each_fragment_once():
  class Counting:
    def __init__(self):
      self.seen = []

    def encode(self, texts):
      self.seen += texts
      return [fragments.Encoded([len(t)] * len(t), 1.0, 9.0) for t in texts]

  counting = Counting()
  texts = np.array(['', 'a', ' bb', ' ccc'], object)
  table = token_tables.TokenTable(texts, counting)
  tokens, lengths = table.join(np.array([[1, 2, 0], [1, 3, 2]]))
  assert tokens.tolist() == [1, 3, 3, 3, 1, 4, 4, 4, 4, 3, 3, 3]
  assert lengths.tolist() == [4, 8]
  assert table.lengths(np.array([3, 3, 0])).tolist() == [4, 4, 0]
  assert sorted(counting.seen) == ['', ' bb', ' ccc', 'a']
  assert composing.join(texts, np.array([[1, 3, 2]])) == ['a ccc bb']
