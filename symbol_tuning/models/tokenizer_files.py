"""The tokenizer that belongs to a model, as the files `transformers` reads.

A GGUF file keeps its vocabulary and merges in its header; the byte-level BPE
that they are of (Radford et al. 2019) is rebuilt with the `tokenizers` library.
A Hugging Face folder's files are copied.
"""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import tokenizers
from gguf import GGUFReader
from tokenizers import decoders, models, pre_tokenizers

from symbol_tuning.models import gguf

SPECIAL_TOKENS = {
  'bos_token_id': 'bos_token_id',
  'eos_token_id': 'eos_token_id',
  'unk_token_id': 'unknown_token_id',
  'pad_token_id': 'padding_token_id',
}  # Hugging Face's name → GGUF's
CONTROL, USER_DEFINED = 3, 4  # token types that are never split

TOKENIZER_CONFIG = 'tokenizer_config.json'
CHAT_TEMPLATE = 'chat_template.jinja'
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
    ValueError: it is not a byte-level BPE, or splits text in an unknown way.
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
  if kind != 'gpt2':
    raise ValueError(
      f'The tokenizer in {path} is of kind {kind!r}; only byte-level BPE '
      "('gpt2') is read from GGUF. Use the model's own tokenizer files."
    )
  tokens = gguf.metadata(reader, 'tokenizer.ggml.tokens')
  types = gguf.metadata(reader, 'tokenizer.ggml.token_type')
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
  for token, kind in zip(tokens, types, strict=True):
    if kind in (CONTROL, USER_DEFINED):
      special = kind == CONTROL
      added = tokenizers.AddedToken(token, special=special, normalized=False)
      add = tokenizer.add_special_tokens if special else tokenizer.add_tokens
      add([added])
  return tokenizer


def _special_token_ids(reader: GGUFReader) -> dict[str, int]:
  ids = {
    key: gguf.metadata(reader, f'tokenizer.ggml.{name}')
    for key, name in SPECIAL_TOKENS.items()
  }
  return {key: value for key, value in ids.items() if value is not None}


def _settings(reader: GGUFReader) -> dict[str, Any]:
  """What tokenizer_config.json says of a GGUF file's tokenizer."""
  tokens = gguf.metadata(reader, 'tokenizer.ggml.tokens')
  settings = {
    'tokenizer_class': 'PreTrainedTokenizerFast',
    'clean_up_tokenization_spaces': False,
    'model_max_length': gguf.metadata(reader, 'llama.context_length'),
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
