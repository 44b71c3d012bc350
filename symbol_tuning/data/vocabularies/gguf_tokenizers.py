"""Tokenizers rebuilt from the header of a GGUF file.

The header keeps the vocabulary, and merges or scores; the byte-level BPE
(Radford et al. 2019) or SentencePiece's BPE (Kudo and Richardson 2018, arXiv
1808.06226) that they are of is rebuilt with the `tokenizers` library.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tokenizers
from gguf import GGUFReader
from tokenizers import (
  decoders,
  models,
  normalizers,
  pre_tokenizers,
  processors,
)

from symbol_tuning import gguf_files

SPECIAL_TOKENS = {
  'bos_token_id': 'bos_token_id',
  'eos_token_id': 'eos_token_id',
  'unk_token_id': 'unknown_token_id',
  'pad_token_id': 'padding_token_id',
}  # Hugging Face's name → GGUF's
NORMAL = 1  # of the token types, those that text is merged into
CONTROL, USER_DEFINED = 3, 4  # those that are never split
SPACE = '▁'  # how SentencePiece writes it

# How text is split before merging: the patterns of the models' tokenizer.json.
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r'\s*[\r\n]+|\s+(?!\S)|\s+'
_WORDS = rf'{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+'
_SIGNS = r' ?[^\s\p{L}\p{N}]+[\r\n]*'
_GPT_4 = rf'{_WORDS}|\p{{N}}{{1,3}}|{_SIGNS}|{_REST}'
_QWEN_2 = rf'{_WORDS}|\p{{N}}|{_SIGNS}|{_REST}'
_UPPER = r'[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]'
_LOWER = r'[\p{Ll}\p{Lm}\p{Lo}\p{M}]'
_FIRST = r'[^\r\n\p{L}\p{N}]?'
_SIGNS_AND_SLASHES = r' ?[^\s\p{L}\p{N}]+[\r\n/]*'
_TEKKEN = (
  rf'{_FIRST}{_UPPER}*{_LOWER}+|{_FIRST}{_UPPER}+{_LOWER}*|\p{{N}}|'
  rf'{_SIGNS_AND_SLASHES}|{_REST}'
)
_GPT_4O = (
  rf'{_FIRST}{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|'
  rf'{_FIRST}{_UPPER}+{_LOWER}*{_CONTRACTIONS}?|\p{{N}}{{1,3}}|'
  rf'{_SIGNS_AND_SLASHES}|{_REST}'
)
_PATTERNS = {
  'llama-bpe': _GPT_4,
  'llama3': _GPT_4,
  'falcon3': _GPT_4,
  'dbrx': _GPT_4,
  'smaug-bpe': _GPT_4,
  'qwen2': _QWEN_2,
  'deepseek-r1-qwen': _QWEN_2,
  'tekken': _TEKKEN,
  'gpt-4o': _GPT_4O,
}
# GPT-2's own pattern; those of the second kind part single digits first.
_GPT_2 = ('gpt-2', 'olmo', 'phi-2')
_GPT_2_DIGITS = ('smollm', 'starcoder', 'refact')
# Words that are a token are never merged from parts; texts begin with BOS.
_WHOLE_WORDS = ('llama-bpe', 'llama3', 'falcon3', 'tekken')


def build(reader: GGUFReader, path: str | Path) -> tokenizers.Tokenizer:
  """The tokenizer in a file's header.

  Args:
    reader: of the file.
    path: of it, for errors.

  Raises:
    ValueError: it is of another kind, splits text in an unknown way, or lacks
      something.
  """
  kind = gguf_files.metadata(reader, 'tokenizer.ggml.model')
  pre = gguf_files.metadata(reader, 'tokenizer.ggml.pre')
  if kind in ('gpt2', 'llama'):
    tokens = _needed(reader, 'tokens', path)
    types = _needed(reader, 'token_type', path)
    _check_special_tokens(reader, len(tokens), path)
  if kind == 'gpt2':
    tokenizer = _byte_level_bpe(reader, tokens, pre, path)
  elif kind == 'llama':
    tokenizer = _sentencepiece_bpe(reader, tokens, types, path)
  else:
    raise ValueError(
      f'The tokenizer in {path} is of kind {kind!r}; only byte-level BPE '
      "('gpt2') and SentencePiece's ('llama') are read from GGUF. Use the "
      "model's own tokenizer files."
    )
  tokenizer.add_tokens(
    [
      tokenizers.AddedToken(token, special=kind == CONTROL, normalized=False)
      for token, kind in zip(tokens, types, strict=True)
      if kind in (CONTROL, USER_DEFINED)
    ]
  )
  begins = kind == 'llama' or pre in _WHOLE_WORDS  # llama.cpp's defaults
  if gguf_files.metadata(reader, 'tokenizer.ggml.add_bos_token', begins):
    bos_id = _needed(reader, 'bos_token_id', path)
    bos = tokens[bos_id]
    tokenizer.post_processor = processors.TemplateProcessing(
      single=[bos, '$A'], special_tokens=[(bos, bos_id)]
    )
  return tokenizer


def special_token_ids(reader: GGUFReader) -> dict[str, int]:
  """{'bos_token_id': …}, under Hugging Face's names."""
  ids = {
    key: gguf_files.metadata(reader, f'tokenizer.ggml.{name}')
    for key, name in SPECIAL_TOKENS.items()
  }
  return {key: value for key, value in ids.items() if value is not None}


def _needed(reader: GGUFReader, name: str, path: str | Path) -> Any:
  """The value of a key that tokenizers of this kind must have."""
  value = gguf_files.metadata(reader, f'tokenizer.ggml.{name}')
  if value is None:
    raise ValueError(
      f'{path} lacks tokenizer.ggml.{name}, which its tokenizer needs: fetch '
      "it again, or use the model's own tokenizer files."
    )
  return value


def _check_special_tokens(
  reader: GGUFReader, num_tokens: int, path: str | Path
) -> None:
  """Raises ValueError if one is not among the tokens."""
  for key, index in special_token_ids(reader).items():
    if index >= num_tokens:
      raise ValueError(
        f'tokenizer.ggml.{SPECIAL_TOKENS[key]} in {path} is {index}, but there '
        f'are {num_tokens:,} tokens: fetch the file again.'
      )


def _byte_level_bpe(
  reader: GGUFReader, tokens: list[str], pre: str | None, path: str | Path
) -> tokenizers.Tokenizer:
  merges = _needed(reader, 'merges', path)
  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab={token: i for i, token in enumerate(tokens)},
      merges=[tuple(merge.split(' ')) for merge in merges],
      ignore_merges=pre in _WHOLE_WORDS,
    )
  )
  tokenizer.pre_tokenizer = _pre_tokenizer(pre, path)
  tokenizer.decoder = decoders.ByteLevel()
  if _PATTERNS.get(pre or '') == _QWEN_2:
    tokenizer.normalizer = normalizers.NFC()
  return tokenizer


def _pre_tokenizer(
  name: str | None, path: str | Path
) -> pre_tokenizers.PreTokenizer:
  """How text is split before merging, by llama.cpp's name for it."""
  if name in _PATTERNS:
    split = pre_tokenizers.Split(
      tokenizers.Regex(_PATTERNS[name]), behavior='isolated'
    )
    return pre_tokenizers.Sequence(
      [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
  byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
  if name in _GPT_2:
    return byte_level
  if name in _GPT_2_DIGITS:
    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, byte_level])
  known = ', '.join((*_GPT_2, *_GPT_2_DIGITS, *_PATTERNS))
  raise ValueError(
    f'tokenizer.ggml.pre in {path} is {name!r}; supported: {known}. Use the '
    "model's own tokenizer.json."
  )


def _sentencepiece_bpe(
  reader: GGUFReader, tokens: list[str], types: list[int], path: str | Path
) -> tokenizers.Tokenizer:
  """Characters that have no token become those of their bytes."""
  scores = _needed(reader, 'scores', path)
  unknown_id = special_token_ids(reader).get('unk_token_id')
  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab={token: i for i, token in enumerate(tokens)},
      merges=list(_merges(tokens, scores, types)),
      unk_token=None if unknown_id is None else tokens[unknown_id],
      fuse_unk=True,
      byte_fallback=True,
    )
  )
  begins_with_space = gguf_files.metadata(
    reader, 'tokenizer.ggml.add_space_prefix', True
  )
  normalize: list[normalizers.Normalizer] = [normalizers.Replace(' ', SPACE)]
  decode: list[decoders.Decoder] = [
    decoders.Replace(SPACE, ' '),
    decoders.ByteFallback(),
    decoders.Fuse(),
  ]
  if begins_with_space:
    normalize.insert(0, normalizers.Prepend(SPACE))
    decode.append(decoders.Strip(' ', 1, 0))
  tokenizer.normalizer = normalizers.Sequence(normalize)
  tokenizer.decoder = decoders.Sequence(decode)
  return tokenizer


def _merges(
  tokens: list[str], scores: list[float], types: list[int]
) -> Iterator[tuple[str, str]]:
  """All ways to make a token of two, those of the highest score first.

  SentencePiece joins whichever neighbours make the token of the highest score.
  """
  known = set(tokens)
  normal = [i for i, kind in enumerate(types) if kind == NORMAL]
  for i in sorted(normal, key=scores.__getitem__, reverse=True):
    for length in range(1, len(tokens[i])):
      pair = tokens[i][:length], tokens[i][length:]
      if known.issuperset(pair):
        yield pair
