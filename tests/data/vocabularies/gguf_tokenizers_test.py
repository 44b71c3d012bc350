"""Tokenizers of well-known kinds: a tokenizer.json, and GGUF made of it.

Each is trained here, with the splitting of text that the models' own
tokenizer.json has; what `tokenizers` makes of awkward texts is the truth.
"""

import json

import gguf
import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from symbol_tuning.data import vocabularies
from symbol_tuning.data.vocabularies import tokenizer_files

GPT_4 = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
  r'| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)
QWEN_2 = GPT_4.replace(r'\p{N}{1,3}', r'\p{N}')
NEMO = (
  r'[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+'
  r'|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*'
  r'|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)
# llama.cpp's name → the pattern, whether whole words are kept and text is
# composed (NFC), and the token that texts begin with.
KINDS = {
  'llama-bpe': (GPT_4, True, False, '<|begin_of_text|>'),
  'dbrx': (GPT_4, False, False, None),
  'qwen2': (QWEN_2, False, True, None),
  'tekken': (NEMO, True, False, '<s>'),
}
CORPUS = (
  "It's the children's 1234 toys, isn't it? WE'LL see: 3.14159 == π!\n\n",
  'Input: a good film\nOutput: 90129\n\nInput: dull\r\n\tOutput: dvoj\n',
  'naïve café — Ünïcode “quotes” 中文分词 日本語 한국어 العربية 😀👩‍👩‍👧',
  'def f(x_1):\n    return x_1 ** 2  # CamelCase and snake_case\n',
)


def awkward_texts():
  """200 texts: pieces of the corpus, shuffled, cut and joined badly."""
  rng = np.random.default_rng(0)
  pieces = [
    *''.join(CORPUS),
    *('  ', '\n\n', ' \n', "'S", "'ll", '①', 'e\u0301', '\u200d', '\ufeff'),
    *('<|end|>', '<|', '1', '22', '333', '4444', 'ÅÄÖ', '\x00', '\u3000'),
  ]
  for _ in range(200):
    yield ''.join(rng.choice(pieces, rng.integers(0, 40)))


@pytest.fixture(scope='module', params=KINDS)
def files(request, tmp_path_factory):
  """A folder with tokenizer.json, and a GGUF file of the same tokenizer."""
  pattern, whole_words, composed, bos = KINDS[request.param]
  tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=whole_words))
  if composed:
    tokenizer.normalizer = normalizers.NFC()
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
      pre_tokenizers.Split(tokenizers.Regex(pattern), 'isolated'),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
  )
  tokenizer.decoder = decoders.ByteLevel()
  special = ['<|end|>', *([bos] if bos else [])]
  trainer = trainers.BpeTrainer(
    vocab_size=420,
    special_tokens=special,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
  )
  tokenizer.train_from_iterator(CORPUS * 3, trainer)
  if bos:
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
      single=[bos, '$A'], special_tokens=[(bos, 1)]
    )
  folder = tmp_path_factory.mktemp(request.param)
  tokenizer.save(str(folder / 'tokenizer.json'))
  (folder / 'config.json').write_text('{"eos_token_id": 0}')
  _write_gguf(folder / 'model.gguf', tokenizer, request.param, special)
  return folder


def _write_gguf(path, tokenizer, pre, special):
  writer = gguf.GGUFWriter(path, 'llama')
  ids = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
  merges = json.loads(tokenizer.to_str())['model']['merges']
  writer.add_tokenizer_model('gpt2')
  writer.add_tokenizer_pre(pre)
  writer.add_token_list([token for token, _ in ids])
  writer.add_token_types([3 if token in special else 1 for token, _ in ids])
  writer.add_token_merges([' '.join(pair) for pair in merges])
  writer.add_eos_token_id(0)
  if len(special) > 1:
    writer.add_bos_token_id(1)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.close()


def test_gguf_gives_the_tokens_of_the_models_own_file(files):
  theirs = tokenizers.Tokenizer.from_file(str(files / 'tokenizer.json'))
  ours = tokenizer_files.from_file(files / 'model.gguf')
  for text in awkward_texts():
    assert ours.encode(text).ids == theirs.encode(text).ids, repr(text)
  assert ours.encode('a<|end|>').ids[-1] == 0
  assert tokenizer_files.text_start(ours) == tokenizer_files.text_start(theirs)


@pytest.mark.parametrize('name', ['', 'model.gguf'])
def test_prompts_are_read_whole_and_special_tokens_in_them_are_text(
  files, name
):
  vocabulary = vocabularies.HuggingFace(str(files / name)).load()
  theirs = tokenizers.Tokenizer.from_file(str(files / 'tokenizer.json'))
  composed = theirs.normalizer is not None
  for text in awkward_texts():
    ids = vocabulary.encode(text)
    assert not {0, 1 if vocabulary.text_start else 0} & set(ids)
    if composed:
      text = theirs.normalizer.normalize_str(text)
    assert vocabulary.decode(ids) == text
