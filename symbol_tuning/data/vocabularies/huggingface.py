"""A `tokenizers` tokenizer under SeqIO's interface, which SeqIO lacks."""

import functools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf
import tokenizers

from symbol_tuning.data.prompting import frames
from symbol_tuning.data.vocabularies import chat, tokenizer_files


@functools.cache
def load(file: pathlib.Path, eos_token: str | None) -> 'HuggingFaceVocabulary':
  """Returns the vocabulary of a tokenizer.json or a .gguf file.

  Args:
    file: an existing file; config.json beside a tokenizer.json is read too.
    eos_token: the token that ends a sequence, or None for the model's own.

  Raises:
    ValueError: if the tokenizer cannot be read, or no token is known to end a
      sequence.
  """
  source = file if file.suffix == '.gguf' else file.parent
  tokenizer = tokenizer_files.from_file(file)
  eos_id = eos_token or tokenizer_files.end_of_sequence(source)
  if isinstance(eos_id, str):
    eos_id = tokenizer.token_to_id(eos_id)
  if eos_id is None:
    raise ValueError(
      f'{file} has no token {eos_token or "that ends a sequence"}: set'
      ' vocabularies.HuggingFace.eos_token.'
    )
  return HuggingFaceVocabulary(
    tokenizer,
    eos_id,
    tokenizer_files.chat_template(source),
    tokenizer_files.special_tokens(source),
  )


class HuggingFaceVocabulary(seqio.Vocabulary):
  """The tokens of a `tokenizers` tokenizer.

  Text is encoded as it stands: special tokens are never added around it (see
  `text_start` for those that a prompt begins with), and what looks like one
  within it is text, lest data could end a prompt or speak for the model. Id 0
  pads, as everywhere in SeqIO, even where it is a token of its own: rows are
  told apart by segment ids, never by their padding.
  """

  def __init__(
    self,
    tokenizer: tokenizers.Tokenizer,
    eos_id: int,
    chat_template: str | None = None,
    special_tokens: Mapping[str, str] | None = None,
  ):
    """Takes a tokenizer.

    Args:
      tokenizer: of texts; special tokens in them are no longer seen.
      eos_id: the token that ends a sequence.
      chat_template: see `chat`; None if there is none.
      special_tokens: texts of the tokens that the template may write.
    """
    super().__init__()
    tokenizer.encode_special_tokens = True
    self.tokenizer = tokenizer
    self.chat_template = chat_template
    self._special_tokens = special_tokens or {}
    self._eos_id = eos_id

  @property
  def bos_id(self) -> None:
    return None

  @property
  def eos_id(self) -> int:
    return self._eos_id

  @property
  def unk_id(self) -> None:
    return None

  @property
  def _base_vocab_size(self) -> int:
    return self.tokenizer.get_vocab_size()

  def _encode(self, s: str) -> list[int]:
    return self.tokenizer.encode(s, add_special_tokens=False).ids

  def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
    """Tokenizes texts at once, on all cores."""
    encodings = self.tokenizer.encode_batch_fast(
      list(texts), add_special_tokens=False
    )
    return [encoding.ids for encoding in encodings]

  def _decode(self, ids: Sequence[int]) -> str:
    return self.tokenizer.decode(list(ids), skip_special_tokens=True)

  def encode_markup(self, text: str) -> list[int]:
    """Tokenizes as `transformers` does by default.

    Special tokens are added, and seen in the text.
    """
    return self._markup.encode(text).ids

  @functools.cached_property
  def _markup(self) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer.from_str(self.tokenizer.to_str())
    tokenizer.encode_special_tokens = False
    return tokenizer

  @functools.cached_property
  def text_start(self) -> tuple[int, ...]:
    """The tokens that the tokenizer begins every text with: BOS, or none."""
    return tokenizer_files.text_start(self._markup)

  @functools.cached_property
  def chat_frame(self) -> frames.Frame:
    """The tokens of the turns of a conversation.

    An answer ends with the first special token that the template writes after
    it, or with EOS if it writes none.

    Raises:
      ValueError: if there is no chat template, or it cannot be used.
    """
    if self.chat_template is None:
      raise ValueError('the vocabulary has no chat template')
    text = chat.turns(self.chat_template, self._special_tokens)
    before, between, after = (
      self._markup.encode(part, add_special_tokens=False).ids
      for part in (text.before, text.between, text.after)
    )
    added = self.tokenizer.get_added_tokens_decoder()
    ends = [i for i in after if i in added and added[i].special]
    end = ends[0] if ends else self._eos_id
    return frames.Frame(tuple(before), tuple(between), end, spaced=False)

  def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
    def encode(texts: np.ndarray) -> np.ndarray:
      return np.array(self._encode(texts[0].decode('utf-8')), np.int32)

    ids = tf.numpy_function(encode, [s[tf.newaxis]], tf.int32, stateful=False)
    ids.set_shape([None])
    return ids

  def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
    def decode(row: np.ndarray) -> bytes:
      return self._decode(row.tolist()).encode('utf-8')

    text = tf.numpy_function(decode, [ids], tf.string, stateful=False)
    text.set_shape([])
    return text
