"""When the tokens of a text are those of its fragments, joined.

A prompt is cut only where white space begins: each fragment after the first
begins with a space or a newline, and what stands before it ends with a
character that is not white space. Whether tokens never cross such a cut is a
matter of the vocabulary's structure, which is looked at when it is loaded:

- The bytes of UTF-8 are cut anywhere.
- A byte-level BPE (Radford et al., 2019) merges within the words of a regular
  expression, and GPT-2's, with or without a rule for digits, lets a word begin
  with white space but never go on into it. Others do: those of GPT-4 and
  Llama 3 join a full stop with the newline after it.
- SentencePiece (Kudo and Richardson, 2018) may be cut where none of its pieces
  has white space after another character: no merge of a BPE and no piece of a
  unigram model's best path crosses the cut, and no normalization looks across.

One thing remains. A unigram model adds up log-probabilities in float32 from
the beginning of the text, so that two ways of writing a word whose sums are
near to each other may change places, depending on what stands before. For each
word there is a bound up to which they cannot (see `_Word`); beyond it, as for
any other vocabulary and for odd fragments, the whole text is to be tokenized.
"""

import dataclasses
import functools
import json
import math
import re
from collections.abc import Sequence
from typing import Protocol

import seqio
from sentencepiece import sentencepiece_model_pb2
from tokenizers import models

from symbol_tuning.data import vocabularies
from symbol_tuning.data.vocabularies import huggingface

# SentencePiece's sign for a space.
_SPACE = '▁'
_WORDS = re.compile(rf'[{_SPACE}\s]*[^{_SPACE}\s]+')
# The normalizations of SentencePiece that never look across white space.
_NORMALIZERS = ('identity', 'nfkc', 'nfkc_cf', 'nmt_nfkc', 'nmt_nfkc_cf')
_PIECE = sentencepiece_model_pb2.ModelProto.SentencePiece
_TRAINER = sentencepiece_model_pb2.TrainerSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
  """A fragment in tokens.

  Attributes:
    tokens: int [n].
    cost: what the fragment adds to the cost of the fragments after it; more
      than 0 unless the fragment is empty.
    reach: the most that the fragments before it may cost together if `tokens`
      are to be its tokens there too; negative where they never are.
  """

  tokens: Sequence[int]
  cost: float
  reach: float


_UNKNOWN = Encoded(tokens=(), cost=1.0, reach=-1.0)
_EMPTY = Encoded(tokens=(), cost=0.0, reach=math.inf)


class FragmentEncoder(Protocol):
  """Tokenizes fragments of prompts."""

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    """Returns the tokens of each fragment."""
    ...


@functools.cache
def encoder(name: vocabularies.VocabularyName) -> FragmentEncoder:
  """Returns what tokenizes the fragments of prompts for a vocabulary."""
  vocabulary = name.load()
  if isinstance(vocabulary, seqio.ByteVocabulary):
    return _Bytes(vocabulary)
  if isinstance(vocabulary, huggingface.HuggingFaceVocabulary):
    if _is_byte_level(vocabulary):
      return _ByteLevel(vocabulary)
  elif isinstance(vocabulary, seqio.SentencePieceVocabulary):
    model = sentencepiece_model_pb2.ModelProto.FromString(vocabulary.sp_model)
    if _has_clean_cuts(model):
      is_unigram = model.trainer_spec.model_type == _TRAINER.UNIGRAM
      kind = _Unigram if is_unigram else _MergedPieces
      return kind(vocabulary, model)
  return _WholeTextsOnly()


class _WholeTextsOnly:
  """For vocabularies of which nothing is known."""

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    return [_UNKNOWN if text else _EMPTY for text in texts]


@dataclasses.dataclass(frozen=True)
class _Bytes:
  vocabulary: seqio.ByteVocabulary

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    rows = map(self.vocabulary.encode, texts)
    return [Encoded(row, cost=len(row), reach=math.inf) for row in rows]


@dataclasses.dataclass(frozen=True)
class _ByteLevel:
  """A byte-level BPE whose words begin wherever white space does."""

  vocabulary: huggingface.HuggingFaceVocabulary

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    rows = encode_texts(self.vocabulary, texts)
    return [_exact(text, row) for text, row in zip(texts, rows, strict=True)]


@dataclasses.dataclass(frozen=True)
class _MergedPieces:
  """A SentencePiece BPE none of whose pieces crosses a cut."""

  vocabulary: seqio.SentencePieceVocabulary
  model: sentencepiece_model_pb2.ModelProto

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    return [_exact(text, self.vocabulary.encode(text)) for text in texts]


def _exact(text: str, tokens: Sequence[int]) -> Encoded:
  if not text:
    return _EMPTY
  if not _ends_in_sight(text):
    return _UNKNOWN
  return Encoded(tokens, cost=len(tokens) + 1, reach=_reach(text))


def _ends_in_sight(text: str) -> bool:
  """Whether the end is no white space in any tokenizer's eyes."""
  return text[-1].isprintable() and text[-1] != ' ' and _SPACE not in text


def _reach(text: str) -> float:
  """A fragment that does not begin with white space has to be the first."""
  return math.inf if text[0] in ' \n' else 0.0


def _is_byte_level(vocabulary: huggingface.HuggingFaceVocabulary) -> bool:
  """Whether it splits text as GPT-2 does and does nothing else to it."""
  tokenizer = vocabulary.tokenizer
  if tokenizer.truncation or tokenizer.padding:
    return False
  if not isinstance(tokenizer.model, models.BPE) or tokenizer.model.dropout:
    return False
  normalizer = _state(tokenizer.normalizer)
  if normalizer and normalizer['type'] != 'NFC':
    return False
  added = tokenizer.get_added_tokens_decoder().values()
  return _splits_at_white_space(_state(tokenizer.pre_tokenizer)) and not any(
    token.lstrip
    or token.rstrip
    or token.single_word
    or re.search(r'\S\s', token.content)
    for token in added
  )


def _state(component) -> dict | None:
  """What tokenizer.json says of a component."""
  return None if component is None else json.loads(component.__getstate__())


def _splits_at_white_space(pre_tokenizer: dict | None) -> bool:
  if pre_tokenizer is None:
    return False
  steps = pre_tokenizer.get('pretokenizers', [pre_tokenizer])
  *before, last = steps
  return (
    all(step['type'] == 'Digits' for step in before)
    and last['type'] == 'ByteLevel'
    and last['use_regex']
    and not last['add_prefix_space']
  )


def _has_clean_cuts(model: sentencepiece_model_pb2.ModelProto) -> bool:
  """Whether a SentencePiece model may be cut where white space begins.

  Either all white space becomes single spaces, also one before the text; or
  white space is kept as it is.
  """
  spec = model.normalizer_spec
  if model.trainer_spec.model_type not in (_TRAINER.UNIGRAM, _TRAINER.BPE):
    return False
  if model.trainer_spec.treat_whitespace_as_suffix:
    return False
  if spec.name not in _NORMALIZERS or not spec.escape_whitespaces:
    return False
  if spec.add_dummy_prefix != spec.remove_extra_whitespaces:
    return False
  if spec.add_dummy_prefix and not spec.name.startswith('nmt_'):
    return False  # Newlines would be kept.
  pieces = {piece.piece: piece.type for piece in model.pieces}
  has_bytes = _PIECE.BYTE in pieces.values()
  signs = [_SPACE] if spec.add_dummy_prefix else [_SPACE, '\n']
  known = all(sign in pieces or has_bytes for sign in signs)
  crossing = re.compile(rf'[^{_SPACE}\s][{_SPACE}\s]')
  own_space = spec.add_dummy_prefix and any(
    re.search(r'\s', piece) for piece in pieces
  )
  return known and not own_space and not any(map(crossing.search, pieces))


@dataclasses.dataclass(frozen=True, slots=True)
class _Word:
  """A word of a unigram model.

  Attributes:
    tokens: its most probable pieces.
    cost: their negative log-probability.
    reach: up to this cost of all pieces to the end of the word, rounding
      cannot prefer other pieces. A sum of float32 numbers is wrong by at most
      its magnitude times 2^-24 for each addition; a path has at most as many
      additions in a word as the word has characters. The second best path
      must be worse than that for the sums of both.
  """

  tokens: Sequence[int]
  cost: float
  reach: float


class _Unigram:
  """A unigram model of SentencePiece, tokenized word by word.

  Words are remembered: a dataset has few in comparison to its length.
  """

  def __init__(
    self,
    vocabulary: seqio.SentencePieceVocabulary,
    model: sentencepiece_model_pb2.ModelProto,
  ):
    self._tokenizer = vocabulary.tokenizer
    self._costs = _piece_costs(model)
    self._words: dict[str, _Word] = {}

  def encode(self, texts: Sequence[str]) -> list[Encoded]:
    return [self._encode(text) for text in texts]

  def _encode(self, text: str) -> Encoded:
    if not text:
      return _EMPTY
    if not _ends_in_sight(text):
      return _UNKNOWN
    tokens, cost, reach = [], 1.0, _reach(text)
    normalized = self._tokenizer.normalize(text)
    for written in _WORDS.findall(normalized):
      word = self._words.get(written) or self._look_up(written)
      tokens += word.tokens
      cost += word.cost
      reach = min(reach, word.reach - cost)
    return Encoded(tokens, cost, reach)

  def _look_up(self, written: str) -> _Word:
    word = self._words[written] = self._tokenized(written)
    return word

  def _tokenized(self, written: str) -> _Word:
    text = written.replace(_SPACE, ' ')
    paths = self._tokenizer.nbest_encode_as_ids(text, nbest_size=2)
    pieces = self._tokenizer.nbest_encode_as_pieces(text, nbest_size=2)
    best, *second = map(self._cost, paths, pieces)
    if self._tokenizer.normalize(text) != written or math.isnan(best):
      return _Word((), cost=0.0, reach=-math.inf)
    if not second:
      return _Word(paths[0], best, reach=math.inf)
    additions = len(paths[0]) + len(written) + 3
    reach = abs(second[0] - best) * 2**24 / additions - best
    return _Word(paths[0], best, reach)

  def _cost(self, path: Sequence[int], pieces: Sequence[str]) -> float:
    """Adds up costs; neighbouring unknown characters are one piece."""
    unknown = self._tokenizer.unk_id()
    return sum(
      self._costs[number] * (len(piece) if number == unknown else 1)
      for number, piece in zip(path, pieces, strict=True)
    )


def _piece_costs(model: sentencepiece_model_pb2.ModelProto) -> list[float]:
  """What pieces cost in a path; NaN for those that are chosen otherwise.

  An unknown character costs 10 more than the least probable piece. It may be
  written in bytes, of which the first one stands for all.
  """
  scores = [p.score for p in model.pieces if p.type == _PIECE.NORMAL]
  unknown = 10.0 - min(scores)
  kinds = {
    _PIECE.NORMAL: lambda piece: -piece.score,
    _PIECE.UNKNOWN: lambda piece: unknown,
    _PIECE.BYTE: lambda piece: (
      0.0 if 0x80 <= int(piece.piece[1:-1], 16) < 0xC0 else unknown
    ),
  }
  return [
    kinds.get(piece.type, lambda piece: math.nan)(piece)
    for piece in model.pieces
  ]


def encode_texts(
  vocabulary: seqio.Vocabulary, texts: Sequence[str]
) -> list[Sequence[int]]:
  """Tokenizes whole texts; all at once where that is faster."""
  if isinstance(vocabulary, huggingface.HuggingFaceVocabulary):
    encodings = vocabulary.tokenizer.encode_batch_fast(
      list(texts), add_special_tokens=False
    )
    return [encoding.ids for encoding in encodings]
  return [vocabulary.encode(text) for text in texts]
