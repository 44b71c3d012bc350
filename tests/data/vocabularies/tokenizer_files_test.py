"""Tokenizers rebuilt from the header of a GGUF file."""

import dataclasses
import functools
import json

import gguf
import gguf_models
import hypothesis
import pytest
import sentencepiece
import tiny_models
import tokenizers
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from symbol_tuning.data.vocabularies import tokenizer_files

CONFIG = dataclasses.replace(
  tiny_models.LLAMA, vocab_size=len(gguf_models.TOKENS)
)


def _write(path, pre='smollm'):
  params = tiny_models.random_params(CONFIG)
  gguf_models.write(path, params, CONFIG, pre=pre)


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'model.gguf'
  _write(path)
  return path


def test_text_is_merged_and_special_tokens_are_kept_whole(path):
  tokenizer = tokenizer_files.from_file(path)
  encoding = tokenizer.encode('<|start|>ab a12!<|end|>')
  assert encoding.tokens == [
    *('<|start|>', 'ab', 'Ġa', '1', '2', '!', '<|end|>'),
  ]
  assert encoding.ids == [1, 6, 5, 7, 8, 9, 0]
  assert tokenizer.decode(encoding.ids) == 'ab a12!'


def test_smollm_splits_digits_from_the_space_before(path):
  assert tokenizer_files.from_file(path).encode(' 12').tokens == ['Ġ', '1', '2']


def test_special_ids_are_those_of_the_header(path):
  assert tokenizer_files.special_token_ids(path) == {
    'bos_token_id': 1,
    'eos_token_id': 0,
  }


def test_files_are_written_and_copied(path, tmp_path):
  first, second = tmp_path / 'first', tmp_path / 'second'
  first.mkdir()
  second.mkdir()
  tokenizer_files.write(path, first)
  tokenizer_files.write(first, second)
  for name in ('tokenizer.json', 'tokenizer_config.json'):
    assert (first / name).read_bytes() == (second / name).read_bytes()
  settings = json.loads((second / 'tokenizer_config.json').read_text())
  assert settings['eos_token'] == '<|end|>'
  read = tokenizers.Tokenizer.from_file(str(second / 'tokenizer.json'))
  expected = tokenizer_files.from_file(path)
  assert read.encode('ab a1').ids == expected.encode('ab a1').ids


def _write_header(path, **values):
  writer = gguf.GGUFWriter(path, 'llama')
  for name, value in values.items():
    key = f'tokenizer.ggml.{name}'
    if isinstance(value, list):
      writer.add_array(key, value)
    else:
      writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.close()


BYTE_LEVEL = {
  'model': 'gpt2',
  'pre': 'smollm',
  'tokens': ['a', 'b', 'ab'],
  'token_type': [1, 1, 1],
  'merges': ['a b'],
  'bos_token_id': 0,
  'add_bos_token': True,
}
SENTENCEPIECE = BYTE_LEVEL | {'model': 'llama', 'scores': [0.0, 0.0, 1.0]}


@pytest.mark.parametrize(
  ('header', 'lacking'),
  [
    *((BYTE_LEVEL, x) for x in ('tokens', 'token_type', 'merges')),
    (BYTE_LEVEL, 'bos_token_id'),
    (SENTENCEPIECE, 'scores'),
    (SENTENCEPIECE, 'bos_token_id'),
  ],
)
def test_what_a_header_lacks_is_named(tmp_path, header, lacking):
  path = tmp_path / 'model.gguf'
  _write_header(path, **header)
  tokenizer_files.from_file(path)
  path = tmp_path / 'lacking.gguf'
  _write_header(path, **{x: v for x, v in header.items() if x != lacking})
  message = rf'lacking\.gguf lacks tokenizer\.ggml\.{lacking}, which'
  with pytest.raises(ValueError, match=message):
    tokenizer_files.from_file(path)


def test_a_special_token_beyond_the_others_is_named(tmp_path):
  path = tmp_path / 'model.gguf'
  _write_header(path, **BYTE_LEVEL | {'bos_token_id': 3})
  with pytest.raises(
    ValueError, match=r'bos_token_id in .* is 3, but there are'
  ):
    tokenizer_files.from_file(path)


@pytest.mark.parametrize('text', ['[1]', '"gpt2"', '{"chat_template": [1]}'])
def test_settings_of_another_shape_are_named(tmp_path, text):
  (tmp_path / 'tokenizer_config.json').write_text(text)
  with pytest.raises(ValueError, match=r'tokenizer_config\.json '):
    tokenizer_files.chat_template(tmp_path)


def test_unknown_splitting_is_named(tmp_path):
  path = tmp_path / 'other.gguf'
  _write(path, pre='poro-chat')
  with pytest.raises(ValueError, match=r"pre in .* is 'poro-chat'; supported"):
    tokenizer_files.from_file(path)


# Token, score and type: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
PIECES = (
  *(('<pad>', 0.0, 3), ('<eos>', 0.0, 3), ('<bos>', 0.0, 3), ('<unk>', 0.0, 2)),
  *((f'<0x{byte:02X}>', 0.0, 6) for byte in range(256)),
  *((' ' * count, 0.0, 4) for count in (2, 3)),
  *(
    (x, -1.0 - i, 1)
    for i, x in enumerate(('ab', '▁a', 'ba', '▁ab', 'aa', 'aba'))
  ),
  *((x, -10.0 - i, 1) for i, x in enumerate('▁ab<>os')),
)


@pytest.fixture(scope='module')
def sentencepiece_path(tmp_path_factory):
  path = tmp_path_factory.mktemp('gguf') / 'sentencepiece.gguf'
  _write_sentencepiece(path, space_prefix=False)
  return path


def _write_sentencepiece(path, space_prefix):
  writer = gguf.GGUFWriter(path, 'gemma3')
  writer.add_tokenizer_model('llama')
  tokens, scores, types = zip(*PIECES, strict=True)
  writer.add_token_list(tokens)
  writer.add_token_scores(scores)
  writer.add_token_types(types)
  writer.add_add_space_prefix(space_prefix)
  writer.add_add_bos_token(True)
  writer.add_pad_token_id(0)
  writer.add_eos_token_id(1)
  writer.add_bos_token_id(2)
  writer.add_unk_token_id(3)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.close()


@pytest.fixture(scope='module')
def original():
  """The same by SentencePiece, which keeps spaces as '▁'."""
  proto = sentencepiece_model_pb2.ModelProto()
  for token, score, kind in PIECES:
    piece = token.replace(' ', '▁')
    proto.pieces.add(piece=piece, score=score, type=kind)
  proto.trainer_spec.model_type = proto.trainer_spec.BPE
  proto.trainer_spec.byte_fallback = True
  proto.trainer_spec.unk_id = 3
  proto.normalizer_spec.add_dummy_prefix = False
  proto.normalizer_spec.remove_extra_whitespaces = False
  return sentencepiece.SentencePieceProcessor(
    model_proto=proto.SerializeToString()
  )


@hypothesis.given(text=st.text('aab  <é'))
def test_scores_merge_as_sentencepiece_does(sentencepiece_path, original, text):
  tokenizer = _cached(sentencepiece_path)
  ids = tokenizer.encode(text, add_special_tokens=False).ids
  assert ids == original.encode(text)
  assert tokenizer.decode(ids) == text


@functools.cache
def _cached(path):
  return tokenizer_files.from_file(path)


def test_a_header_may_ask_for_bos(sentencepiece_path):
  tokenizer = tokenizer_files.from_file(sentencepiece_path)
  assert tokenizer.encode('ab<bos>').tokens == ['<bos>', 'ab', '<bos>']
  tokenizer.encode_special_tokens = True
  assert tokenizer.encode('<bos>').tokens == ['<bos>', *'<bos>']


def test_a_space_before_every_text_is_a_token_of_it(tmp_path):
  path = tmp_path / 'llama2.gguf'
  _write_sentencepiece(path, space_prefix=True)
  tokenizer = tokenizer_files.from_file(path)
  assert tokenizer.encode('ab a').tokens == ['<bos>', '▁ab', '▁a']
  ids = tokenizer.encode(' ab', add_special_tokens=False).ids
  assert tokenizer.decode(ids) == ' ab'
