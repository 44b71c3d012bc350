"""Which vocabulary a model has: named here, loaded when text is tokenized.

A name costs nothing: a host that reads tokenized examples from a cache checks
the fingerprint of its vocabulary without TensorFlow or SeqIO.
"""

import dataclasses
import functools
import os
import pathlib
from typing import TYPE_CHECKING, Protocol

from symbol_tuning import files, gguf_files, hub

if TYPE_CHECKING:
  import seqio

TINY_MODEL = pathlib.Path(__file__).parent / 'assets' / 'tiny.model'
_TOKENIZER_FILE = 'tokenizer.json'
# All that may say something of a folder's tokenizer.
_TOKENIZER_FILES = ('*.json', '*.jinja')


class VocabularyName(Protocol):
  """A vocabulary, not yet loaded."""

  def load(self) -> 'seqio.Vocabulary':
    """Returns the vocabulary; loaded once."""
    ...

  def fingerprint(self) -> str:
    """Returns what tells the vocabulary from every other."""
    ...


@dataclasses.dataclass(frozen=True)
class SentencePiece:
  """A SentencePiece model.

  Attributes:
    path: the .model file.
  """

  path: str

  def load(self) -> 'seqio.Vocabulary':
    import seqio

    return seqio.SentencePieceVocabulary(str(self._file()))

  def fingerprint(self) -> str:
    return f'sentencepiece {_sha256(self._file())}'

  def _file(self) -> pathlib.Path:
    return files.local_copy(_existing(self.path, 'SentencePiece model'))


def tiny() -> SentencePiece:
  """Returns the vocabulary of the tiny world (see data.synthetic)."""
  return SentencePiece(os.fspath(TINY_MODEL))


@dataclasses.dataclass(frozen=True)
class Bytes:
  """The bytes of UTF-8, as in ByT5."""

  def load(self) -> 'seqio.Vocabulary':
    import seqio

    return seqio.ByteVocabulary()

  def fingerprint(self) -> str:
    return 'bytes'


@dataclasses.dataclass(frozen=True)
class HuggingFace:
  """The tokenizer of a Hugging Face checkpoint or of a GGUF file.

  Attributes:
    path: a folder with tokenizer.json, such a file, a .gguf file, or a name on
      the Hugging Face hub.
    eos_token: the token that ends a sequence; by default the one that the
      folder's config.json or the GGUF file names.
  """

  path: str
  eos_token: str | None = None

  def load(self) -> 'seqio.Vocabulary':
    from symbol_tuning.data.vocabularies import huggingface

    return huggingface.load(self._file(), self.eos_token)

  def fingerprint(self) -> str:
    from symbol_tuning.data.vocabularies import tokenizer_files

    file = self._file()
    eos: int | str | None = self.eos_token
    template = None
    if file.suffix != '.gguf':  # A GGUF file holds both, and is hashed whole.
      eos = eos or tokenizer_files.end_of_sequence(file.parent)
      template = tokenizer_files.chat_template(file.parent)
    chat = f' chat {template!r}' if template else ''
    return f'tokenizer {_sha256(file)} eos {eos}{chat}'

  def _file(self) -> pathlib.Path:
    path = hub.resolve(self.path)
    if path.is_dir():
      path /= _TOKENIZER_FILE
    file = _existing(path, 'tokenizer')
    if file.suffix == '.gguf':
      return gguf_files.local_copy(file)
    # Beside it stand the end of a sequence and a chat template.
    return files.local_folder(file.parent, _TOKENIZER_FILES) / file.name


def _existing(path: str | files.Path, what: str) -> files.Path:
  file = files.path(path)
  if not file.is_file():
    raise FileNotFoundError(
      f'No {what} at {file}: the path of the vocabulary is wrong.'
    )
  return file


_sha256 = functools.cache(files.sha256)
