"""What stands around a prompt and ends its label: the separator.

'eos' ends the prompt with EOS, as in the paper. 'none' has the label follow as
plain text, for models that were never trained so. 'chat' asks in the first
turn of a conversation, as a model expects that was tuned to answer instructions
and ships a chat template; its label has no space in front.

Models whose tokenizer begins every text with BOS, as those of Gemma and Llama
do, have read no text without it: there every prompt begins with it.
"""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import seqio

SEPARATORS = ('eos', 'none', 'chat')


@dataclasses.dataclass(frozen=True)
class Frame:
  """The tokens around prompts and labels.

  Attributes:
    before: a prompt.
    between: the prompt and its label.
    end: ends the label.
    spaced: whether the label begins with a space.
  """

  before: tuple[int, ...]
  between: tuple[int, ...]
  end: int
  spaced: bool = True


def of(separator: str, vocabulary: 'seqio.Vocabulary') -> Frame:
  """Returns the frame of a separator.

  Raises:
    ValueError: if it is unknown, or the vocabulary does not support it.
  """
  eos_id = vocabulary.eos_id
  if eos_id is None or eos_id < 0:
    raise ValueError(
      'The vocabulary has no token that ends a sequence (EOS), which ends every'
      ' label: train the SentencePiece model with one (eos_id).'
    )
  before = getattr(vocabulary, 'text_start', ())
  if separator == 'eos':
    return Frame(before, (eos_id,), eos_id)
  if separator == 'none':
    return Frame(before, (), eos_id)
  if separator != 'chat':
    raise ValueError(
      f'separator {separator!r} is none of {", ".join(SEPARATORS)}.'
    )
  if not _has_chat(vocabulary):
    raise ValueError(
      "separator 'chat': the vocabulary has no chat template. Models that were"
      ' tuned to answer instructions ship one, in tokenizer_config.json,'
      ' chat_template.jinja or their GGUF file; for others choose'
      f' {" or ".join(supported(vocabulary))}.'
    )
  return vocabulary.chat_frame


def supported(vocabulary: 'seqio.Vocabulary') -> tuple[str, ...]:
  """Returns the separators that a vocabulary supports."""
  return SEPARATORS if _has_chat(vocabulary) else SEPARATORS[:2]


def _has_chat(vocabulary: 'seqio.Vocabulary') -> bool:
  return getattr(vocabulary, 'chat_template', None) is not None
