"""Builds the SentencePiece vocabulary of the tiny world (data.synthetic).

    python -m symbol_tuning.data.datasets.synthetic_vocabulary

writes vocabularies/assets/tiny.model anew: do so when the catalog, the formats
or the tiny world have changed. The pieces are chosen, not learned, so that
prompts are short: one for each word of the tiny world, of an instruction or of
a label, and one for each fixed part of a format or template. All else, symbols
above all, is written in single characters: symbols that were never seen consist
of pieces that were. All pieces score alike, so a text becomes as few of them as
can be.
"""

import re
import string
import tempfile
from collections.abc import Iterator

import sentencepiece
from absl import app, logging
from sentencepiece.sentencepiece_model_pb2 import (  # type: ignore[attr-defined]
  ModelProto,
)

from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import catalog, synthetic
from symbol_tuning.data.prompting.formats import BLANK_LINE, FORMATS

PATH = vocabularies.TINY_MODEL

_SPACE = '▁'
_PIECE_SCORE = -1.0


def pieces() -> list[str]:
  """All pieces of text, sorted; a space is written as SentencePiece does."""
  texts = {*_characters(), *_fixed_parts(), *_english_words(), *_tiny_words()}
  return sorted(text.replace(' ', _SPACE) for text in texts if text)


def build() -> bytes:
  """The vocabulary as a serialized SentencePiece model."""
  model = ModelProto()
  kinds = ModelProto.SentencePiece
  model.pieces.add(piece='<pad>', type=kinds.CONTROL)
  model.pieces.add(piece='</s>', type=kinds.CONTROL)
  model.pieces.add(piece='<unk>', type=kinds.UNKNOWN)
  for piece in pieces():
    model.pieces.add(piece=piece, score=_PIECE_SCORE, type=kinds.NORMAL)
  trainer = model.trainer_spec
  trainer.model_type = trainer.UNIGRAM
  trainer.vocab_size = len(model.pieces)
  trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = 0, 1, 2, -1
  normalizer = model.normalizer_spec
  normalizer.name = 'user_defined'
  normalizer.precompiled_charsmap = _charsmap()
  normalizer.add_dummy_prefix = False
  normalizer.remove_extra_whitespaces = False
  return model.SerializeToString(deterministic=True)


def _charsmap() -> bytes:
  """One rule, no-break space to space: with none, every loading is logged."""
  with tempfile.NamedTemporaryFile('w', suffix='.tsv') as rules:
    rules.write('A0\t20\n')
    rules.flush()
    normalizer = sentencepiece.SentencePieceNormalizer(rule_tsv=rules.name)
  model = ModelProto()
  model.ParseFromString(normalizer.serialized_model_proto())
  return model.normalizer_spec.precompiled_charsmap


def _characters() -> Iterator[str]:
  """What is printable in ASCII, also after a space."""
  yield from ' \n'
  for character in string.ascii_letters + string.digits + string.punctuation:
    yield from (character, f' {character}')


def _fixed_parts() -> Iterator[str]:
  """What formats and templates write around the texts of a prompt."""
  yield from (BLANK_LINE, '\nOptions:')
  for style in FORMATS:
    yield from (style.prefix.strip(' '), style.infix)
  for spec in catalog.CATALOG.values():
    for literal, *_ in string.Formatter().parse(spec.template):
      part = literal.strip(' ')
      yield from (part, f' {part}' if part[:1].isalpha() else '')


def _english_words() -> Iterator[str]:
  """Words as instructions, labels and documents have them, after a space."""
  yield ' is'
  for spec in catalog.CATALOG.values():
    texts = [spec.instruction, *(f' {label}' for label in spec.labels)]
    for text in texts:
      yield from re.findall(' ?[A-Za-z]+', text)


def _tiny_words() -> Iterator[str]:
  for word in (*synthetic.lexicon(), *synthetic.fillers()):
    yield from (word, f' {word}')


def main(_) -> None:
  PATH.parent.mkdir(exist_ok=True)
  PATH.write_bytes(build())
  logging.info('%s: %d pieces', PATH, len(pieces()) + 3)


if __name__ == '__main__':
  app.run(main)
