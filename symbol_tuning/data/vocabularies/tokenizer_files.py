"""The tokenizer that belongs to a model: a folder's files, or a GGUF header.

Both are read alike, and written as the files that `transformers` reads.
"""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import tokenizers
from gguf import GGUFReader

from symbol_tuning import gguf_files, reading
from symbol_tuning.data.vocabularies import gguf_tokenizers

TOKENIZER = 'tokenizer.json'
TOKENIZER_CONFIG = 'tokenizer_config.json'
CHAT_TEMPLATE = 'chat_template.jinja'
CONFIGS = ('generation_config.json', 'config.json')  # the latter wins
COPIED = (
  TOKENIZER,
  TOKENIZER_CONFIG,
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  CHAT_TEMPLATE,
  'generation_config.json',
)
_ANY_TEXT = 'a'
LFS_POINTER = b'version https://git-lfs'


def find(source: Path) -> Path | None:
  """The file of a folder or GGUF file that holds the tokenizer, if any."""
  file = source if source.suffix == '.gguf' else source / TOKENIZER
  return file if file.is_file() else None


def from_file(path: str | Path) -> tokenizers.Tokenizer:
  """The tokenizer of a tokenizer.json or a GGUF file.

  Texts are tokenized whole, whatever truncation and padding the file stores.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it cannot be read, is of another kind, or splits text in an
      unknown way.
  """
  path = Path(path)
  if path.suffix == '.gguf':
    return gguf_tokenizers.build(_open(path), path)
  data = path.read_bytes()
  if data.startswith(LFS_POINTER):
    raise ValueError(
      f'{path} is a pointer of Git LFS, not the file itself: fetch it with '
      '"git lfs pull".'
    )
  try:
    tokenizer = tokenizers.Tokenizer.from_buffer(data)
  except Exception as error:  # the library raises nothing more particular
    raise ValueError(
      f'{path} is no tokenizer that tokenizers {tokenizers.__version__} reads '
      f'({error}): fetch it again, or update tokenizers.'
    ) from error
  tokenizer.no_truncation()
  tokenizer.no_padding()
  return tokenizer


def kind(tokenizer: tokenizers.Tokenizer) -> str:
  """What the tokenizer is, in a few words."""
  model = tokenizer.model
  if isinstance(model, tokenizers.models.BPE):
    return "SentencePiece's BPE" if model.byte_fallback else 'byte-level BPE'
  return type(model).__name__


def text_start(tokenizer: tokenizers.Tokenizer) -> tuple[int, ...]:
  """The tokens that the tokenizer begins every text with: BOS, or none."""
  plain = tokenizer.encode(_ANY_TEXT, add_special_tokens=False).ids
  begun = tokenizer.encode(_ANY_TEXT).ids
  places = range(len(begun) - len(plain) + 1)
  starts = (i for i in places if begun[i : i + len(plain)] == plain)
  return tuple(begun[: next(starts, 0)])


def special_token_ids(source: str | Path) -> dict[str, int]:
  """{'bos_token_id': …} of a GGUF file or of a folder's config files."""
  source = Path(source)
  if not source.is_dir():
    return gguf_tokenizers.special_token_ids(_open(source))
  values: dict[str, Any] = {}
  for name in CONFIGS:
    found = _read_json(source / name)
    texts = found.get('text_config') or {}
    for key in gguf_tokenizers.SPECIAL_TOKENS:
      value = found.get(key, texts.get(key))
      if value is not None:
        values[key] = value
  return values


def end_of_sequence(source: str | Path) -> int | str | None:
  """The id, or else the text, of the token that ends a sequence, if stored."""
  stored = special_token_ids(source).get('eos_token_id')
  if isinstance(stored, list):
    stored = stored[0] if stored else None
  return special_tokens(source).get('eos_token') if stored is None else stored


def chat_template(source: str | Path) -> str | None:
  """The Jinja program of a GGUF file or a folder that writes conversations."""
  file = Path(source) / CHAT_TEMPLATE
  if file.is_file():
    with reading.explained(file, 'a chat template'):
      return file.read_text(encoding='utf-8')
  template = _tokenizer_config(source).get('chat_template')
  if isinstance(template, list):  # several, by name
    with reading.explained(Path(source) / TOKENIZER_CONFIG, 'chat templates'):
      named = {entry['name']: entry['template'] for entry in template}
    return named.get('default')
  return template


def special_tokens(source: str | Path) -> dict[str, str]:
  """{'bos_token': …} of a GGUF file or of a folder's tokenizer_config.json."""
  config = _tokenizer_config(source)
  names = [key.removesuffix('_id') for key in gguf_tokenizers.SPECIAL_TOKENS]
  tokens = {name: config.get(name) for name in names}
  return {
    name: token['content'] if isinstance(token, dict) else token
    for name, token in tokens.items()
    if token is not None
  }


def write(source: str | Path, folder: str | Path) -> None:
  """Writes the tokenizer of a GGUF file or a folder into another folder."""
  source, folder = Path(source), Path(folder)
  if source.is_dir():
    for name in COPIED:
      if (source / name).is_file():
        shutil.copyfile(source / name, folder / name)
    return
  reader = _open(source)
  gguf_tokenizers.build(reader, source).save(str(folder / TOKENIZER))
  settings = json.dumps(_settings(reader), indent=2, ensure_ascii=False)
  (folder / TOKENIZER_CONFIG).write_text(settings, encoding='utf-8')


def _open(path: Path) -> GGUFReader:
  """Opens a GGUF file, the first part of several."""
  return _open_part(gguf_files.parts(path)[0])


@functools.lru_cache(maxsize=1)
def _open_part(path: Path) -> GGUFReader:
  """Opens a GGUF file, whose long header is read but once."""
  return gguf_files.open_file(path)


def _tokenizer_config(source: str | Path) -> dict[str, Any]:
  source = Path(source)
  if not source.is_dir():
    return _settings(_open(source))
  return _read_json(source / TOKENIZER_CONFIG)


def _read_json(path: Path) -> dict[str, Any]:
  """The values of a file; none if there is no such file."""
  if not path.is_file():
    return {}
  with reading.explained(path):
    values = json.loads(path.read_text(encoding='utf-8'))
  if not isinstance(values, dict):
    raise ValueError(f'{path} holds no settings, but {values!r:.40}.')
  return values


def _settings(reader: GGUFReader) -> dict[str, Any]:
  """What tokenizer_config.json says of a GGUF file's tokenizer."""
  tokens = gguf_files.metadata(reader, 'tokenizer.ggml.tokens')
  architecture = gguf_files.metadata(reader, 'general.architecture')
  settings = {
    'tokenizer_class': 'PreTrainedTokenizerFast',
    'clean_up_tokenization_spaces': False,
    'model_max_length': gguf_files.metadata(
      reader, f'{architecture}.context_length'
    ),
    'chat_template': gguf_files.metadata(reader, 'tokenizer.chat_template'),
  }
  for key, index in gguf_tokenizers.special_token_ids(reader).items():
    settings[key.removesuffix('_id')] = tokens[index]
  return {key: value for key, value in settings.items() if value is not None}
