"""The tokenizer that belongs to a model, as the files `transformers` reads.

A GGUF file keeps its vocabulary in its header, and merges or scores; the
byte-level BPE (Radford et al. 2019) or SentencePiece's BPE (Kudo and Richardson
2018, arXiv 1808.06226) that they are of is rebuilt with the `tokenizers`
library. A Hugging Face folder's files are copied.
"""

import functools
import json
import shutil
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

from symbol_tuning.models.checkpoints import gguf

SPECIAL_TOKENS = {
  'bos_token_id': 'bos_token_id',
  'eos_token_id': 'eos_token_id',
  'unk_token_id': 'unknown_token_id',
  'pad_token_id': 'padding_token_id',
}  # Hugging Face's name → GGUF's
NORMAL = 1  # of the token types, those that text is merged into
CONTROL, USER_DEFINED = 3, 4  # those that are never split
SPACE = '▁'  # how SentencePiece writes it

TOKENIZER_CONFIG = 'tokenizer_config.json'
CHAT_TEMPLATE = 'chat_template.jinja'
# All of a folder that is not weights.
DESCRIPTION = ('*.json', '*.jinja', '*.txt', 'tokenizer.model')
COPIED = (
  'tokenizer.json',
  TOKENIZER_CONFIG,
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  CHAT_TEMPLATE,
  'generation_config.json',
)


def from_gguf(path: str | Path) -> tokenizers.Tokenizer:
  """The tokenizer in a GGUF file's header.

  Raises:
    ValueError: it is of another kind, or splits text in an unknown way.
  """
  return _tokenizer(_open(Path(path)), path)


def special_token_ids(source: str | Path) -> dict[str, int]:
  """{'bos_token_id': …} of a GGUF file or of a folder's config.json."""
  source = Path(source)
  if not source.is_dir():
    return _special_token_ids(_open(source))
  config = json.loads((source / 'config.json').read_text(encoding='utf-8'))
  ids = {key: config.get(key) for key in SPECIAL_TOKENS}
  return {key: value for key, value in ids.items() if value is not None}


def chat_template(source: str | Path) -> str | None:
  """The Jinja program of a GGUF file or a folder that writes conversations."""
  file = Path(source) / CHAT_TEMPLATE
  if file.is_file():
    return file.read_text(encoding='utf-8')
  template = _tokenizer_config(source).get('chat_template')
  if isinstance(template, list):  # several, by name
    named = {entry['name']: entry['template'] for entry in template}
    return named.get('default')
  return template


def special_tokens(source: str | Path) -> dict[str, str]:
  """{'bos_token': …} of a GGUF file or of a folder's tokenizer_config.json."""
  config = _tokenizer_config(source)
  names = [key.removesuffix('_id') for key in SPECIAL_TOKENS]
  tokens = {name: config.get(name) for name in names}
  return {
    name: token['content'] if isinstance(token, dict) else token
    for name, token in tokens.items()
    if token is not None
  }


def _tokenizer_config(source: str | Path) -> dict[str, Any]:
  source = Path(source)
  if not source.is_dir():
    return _settings(_open(source))
  file = source / TOKENIZER_CONFIG
  if not file.is_file():
    return {}
  return json.loads(file.read_text(encoding='utf-8'))


def write(source: str | Path, folder: str | Path) -> None:
  """Writes the tokenizer of a GGUF file or a folder into another folder."""
  source, folder = Path(source), Path(folder)
  if source.is_dir():
    for name in COPIED:
      if (source / name).is_file():
        shutil.copyfile(source / name, folder / name)
    return
  reader = _open(source)
  _tokenizer(reader, source).save(str(folder / 'tokenizer.json'))
  settings = json.dumps(_settings(reader), indent=2, ensure_ascii=False)
  (folder / TOKENIZER_CONFIG).write_text(settings, encoding='utf-8')


@functools.lru_cache(maxsize=1)
def _open(path: Path) -> GGUFReader:
  """Opens a GGUF file, whose long header is read but once."""
  return gguf.open_file(path)


def _tokenizer(reader: GGUFReader, path: str | Path) -> tokenizers.Tokenizer:
  kind = gguf.metadata(reader, 'tokenizer.ggml.model')
  tokens = gguf.metadata(reader, 'tokenizer.ggml.tokens')
  types = gguf.metadata(reader, 'tokenizer.ggml.token_type')
  if kind == 'gpt2':
    tokenizer = _byte_level_bpe(reader, tokens, path)
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
  if gguf.metadata(reader, 'tokenizer.ggml.add_bos_token', False):
    bos_id = _special_token_ids(reader)['bos_token_id']
    bos = tokens[bos_id]
    tokenizer.post_processor = processors.TemplateProcessing(
      single=[bos, '$A'], special_tokens=[(bos, bos_id)]
    )
  return tokenizer


def _byte_level_bpe(
  reader: GGUFReader, tokens: list[str], path: str | Path
) -> tokenizers.Tokenizer:
  merges = gguf.metadata(reader, 'tokenizer.ggml.merges')
  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab={token: i for i, token in enumerate(tokens)},
      merges=[tuple(merge.split(' ')) for merge in merges],
    )
  )
  tokenizer.pre_tokenizer = _pre_tokenizer(
    gguf.metadata(reader, 'tokenizer.ggml.pre'), path
  )
  tokenizer.decoder = decoders.ByteLevel()
  return tokenizer


def _sentencepiece_bpe(
  reader: GGUFReader, tokens: list[str], types: list[int], path: str | Path
) -> tokenizers.Tokenizer:
  """Characters that have no token become those of their bytes."""
  if gguf.metadata(reader, 'tokenizer.ggml.add_space_prefix', True):
    raise ValueError(
      f'The tokenizer in {path} puts a space before every text, which is not '
      "supported. Use the model's own tokenizer files."
    )
  scores = gguf.metadata(reader, 'tokenizer.ggml.scores')
  unknown_id = _special_token_ids(reader).get('unk_token_id')
  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab={token: i for i, token in enumerate(tokens)},
      merges=list(_merges(tokens, scores, types)),
      unk_token=None if unknown_id is None else tokens[unknown_id],
      fuse_unk=True,
      byte_fallback=True,
    )
  )
  tokenizer.normalizer = normalizers.Replace(' ', SPACE)
  tokenizer.decoder = decoders.Sequence(
    [decoders.Replace(SPACE, ' '), decoders.ByteFallback(), decoders.Fuse()]
  )
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


def _special_token_ids(reader: GGUFReader) -> dict[str, int]:
  ids = {
    key: gguf.metadata(reader, f'tokenizer.ggml.{name}')
    for key, name in SPECIAL_TOKENS.items()
  }
  return {key: value for key, value in ids.items() if value is not None}


def _settings(reader: GGUFReader) -> dict[str, Any]:
  """What tokenizer_config.json says of a GGUF file's tokenizer."""
  tokens = gguf.metadata(reader, 'tokenizer.ggml.tokens')
  architecture = gguf.metadata(reader, 'general.architecture')
  settings = {
    'tokenizer_class': 'PreTrainedTokenizerFast',
    'clean_up_tokenization_spaces': False,
    'model_max_length': gguf.metadata(reader, f'{architecture}.context_length'),
    'chat_template': gguf.metadata(reader, 'tokenizer.chat_template'),
  }
  for key, index in _special_token_ids(reader).items():
    settings[key.removesuffix('_id')] = tokens[index]
  return {key: value for key, value in settings.items() if value is not None}


def _pre_tokenizer(
  name: str | None, path: str | Path
) -> pre_tokenizers.PreTokenizer:
  """How text is split before merging, by llama.cpp's name for it."""
  byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
  if name == 'gpt-2':
    return byte_level
  if name == 'smollm':
    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, byte_level])
  raise ValueError(
    f'The tokenizer in {path} splits text as {name!r}, which is not known '
    "here (gpt-2, smollm). Use the model's own tokenizer.json."
  )
