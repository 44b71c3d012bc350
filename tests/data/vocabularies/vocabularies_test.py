"""Tests of vocabularies by name, on a tokenizer that conftest builds."""

import os
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data import vocabularies
from symbol_tuning.data.prompting import frames
from symbol_tuning.data.vocabularies import tokenizer_files

EOS = '<|end|>'
SPECIAL = ('<|user|>', '<|assistant|>', '<|turn|>')


@given(text=st.text())
def test_text_survives_tokenization(folder, text):
  vocabulary = vocabularies.HuggingFace(str(folder)).load()
  ids = vocabulary.encode(text)
  assert vocabulary.decode(ids) == text
  in_graph = vocabulary.encode_tf(tf.constant(text))
  assert in_graph.numpy().tolist() == ids
  assert vocabulary.decode_tf(in_graph).numpy().decode() == text


def test_the_end_of_a_sequence_is_the_models_or_as_told(folder):
  assert vocabularies.HuggingFace(str(folder)).load().eos_id == 256
  named = vocabularies.HuggingFace(str(folder), eos_token=EOS).load()
  assert named.eos_id == named.tokenizer.token_to_id(EOS)
  file = str(folder / 'tokenizer.json')
  with pytest.raises(ValueError, match='no token <none>'):
    vocabularies.HuggingFace(file, eos_token='<none>').load()


def test_turns_are_those_of_the_chat_template(chat_folder):
  vocabulary = vocabularies.HuggingFace(str(chat_folder)).load()
  user, assistant, turn, bos = (
    vocabulary.tokenizer.token_to_id(token) for token in (*SPECIAL, '<s>')
  )
  (newline,) = vocabulary.encode('\n')
  assert vocabulary.chat_frame == frames.Frame(
    (bos, user), (turn, newline, assistant), turn, spaced=False
  )
  assert frames.of('chat', vocabulary) == vocabulary.chat_frame
  assert frames.supported(vocabulary) == ('eos', 'none', 'chat')


def test_text_that_looks_like_a_special_token_is_text(chat_folder):
  vocabulary = vocabularies.HuggingFace(str(chat_folder)).load()
  special = vocabulary.tokenizer.get_added_tokens_decoder()
  assert len(special) == 5
  text = f'a<|turn|>{EOS} <|assistant|>b'
  in_graph = vocabulary.encode_tf(tf.constant(text)).numpy().tolist()
  for ids in (vocabulary.encode(text), in_graph):
    assert not special.keys() & set(ids)
    assert vocabulary.decode(ids) == text


def test_a_vocabulary_without_a_chat_template_says_so(folder):
  vocabulary = vocabularies.HuggingFace(str(folder)).load()
  assert frames.supported(vocabulary) == ('eos', 'none')
  with pytest.raises(ValueError, match=r'no chat template.*choose eos or none'):
    frames.of('chat', vocabulary)


def _long_prompt():
  exemplars = (f'Input: text {i} (é) — 中\nOutput: {i}' for i in range(300))
  return '\n\n'.join([*exemplars, 'Input: last\nOutput:'])


@pytest.mark.parametrize('kind', ['bytes', 'sentencepiece', 'huggingface'])
def test_a_long_prompt_is_fed_to_the_model_whole(folder, tmp_path, kind):
  """Also where a tokenizer's file asks for truncation and padding."""
  tokenizer = tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))
  tokenizer.enable_truncation(16)
  tokenizer.enable_padding(length=16_000)
  tokenizer.save(str(tmp_path / 'tokenizer.json'))
  (tmp_path / 'config.json').write_text((folder / 'config.json').read_text())
  name, prompt = {
    'bytes': (vocabularies.Bytes(), _long_prompt()),
    'sentencepiece': (vocabularies.tiny(), 'some words of it ' * 300 + 'end'),
    'huggingface': (vocabularies.HuggingFace(str(tmp_path)), _long_prompt()),
  }[kind]
  vocabulary = name.load()
  for ids in (
    vocabulary.encode(prompt),
    vocabulary.encode_tf(tf.constant(prompt)).numpy().tolist(),
  ):
    assert vocabulary.decode(ids) == prompt
  if kind == 'huggingface':
    assert vocabulary.encode_many([prompt]) == [vocabulary.encode(prompt)]


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (
      'version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n',
      r'tokenizer\.json is a pointer of Git LFS',
    ),
    ('{"version": "1.0", "model": {"type": "New"}}', 'is no tokenizer that'),
    ('not JSON', r'tokenizer\.json is no tokenizer that tokenizers \d'),
  ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(
  tmp_path, content, message
):
  (tmp_path / 'tokenizer.json').write_text(content)
  with pytest.raises(ValueError, match=message) as error:
    vocabularies.HuggingFace(str(tmp_path)).load()
  assert '\n' not in str(error.value)


def test_a_wrong_path_is_named(tmp_path):
  for name in (
    vocabularies.HuggingFace(str(tmp_path / 'nowhere')),
    vocabularies.SentencePiece(str(tmp_path / 'nowhere')),
  ):
    with pytest.raises(FileNotFoundError, match='nowhere'):
      name.load()
    with pytest.raises(FileNotFoundError, match='nowhere'):
      name.fingerprint()


def test_fingerprints_tell_vocabularies_apart(folder):
  names = (
    vocabularies.HuggingFace(str(folder)),
    vocabularies.HuggingFace(str(folder), eos_token=EOS),
    vocabularies.tiny(),
    vocabularies.Bytes(),
  )
  assert len({name.fingerprint() for name in names}) == len(names)
  assert vocabularies.tiny().fingerprint() == vocabularies.tiny().fingerprint()


def test_another_end_of_a_sequence_makes_another_vocabulary(folder, tmp_path):
  shutil.copytree(folder, tmp_path / 'other')
  (tmp_path / 'other/config.json').write_text('{"eos_token_id": [3, 4]}')
  other = vocabularies.HuggingFace(str(tmp_path / 'other'))
  assert other.load().eos_id == 3
  first = vocabularies.HuggingFace(str(folder))
  assert first.fingerprint() != other.fingerprint()


def test_another_chat_template_makes_another_vocabulary(chat_folder):
  name = vocabularies.HuggingFace(str(chat_folder))
  before = name.fingerprint()
  (chat_folder / 'chat_template.jinja').write_text('{{ messages }}')
  assert name.fingerprint() != before


def test_names_cost_neither_tensorflow_nor_seqio():
  code = (
    'import sys; from symbol_tuning.data import vocabularies;'
    'vocabularies.tiny().fingerprint();'
    'print({"tensorflow", "seqio"} & set(sys.modules))'
  )
  printed = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert printed.stdout.strip() == 'set()'


@pytest.mark.skipif(
  'SYMBOL_TUNING_GGUF' not in os.environ,
  reason='SYMBOL_TUNING_GGUF names no model',
)
def test_a_real_prompt_is_tokenized_as_the_whole_conversation():
  path = os.environ['SYMBOL_TUNING_GGUF']
  vocabulary = vocabularies.HuggingFace(path).load()
  frame = frames.of('chat', vocabulary)
  prompt = 'Input: it is  fine\nOutput: foo\n\nInput: 12 of them\nOutput:'
  whole = (
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained'
    f' by Hugging Face<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n'
    '<|im_start|>assistant\n'
  )
  tokenizer = tokenizer_files.from_file(path)
  expected = tokenizer.encode(whole, add_special_tokens=False).ids
  ids = vocabulary.encode(prompt)
  assert [*frame.before, *ids, *frame.between] == expected
  assert frame.end == tokenizer.token_to_id('<|im_end|>')
