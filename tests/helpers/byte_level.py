"""A tokenizer whose tokens are bytes, as Hugging Face writes it."""

import tokenizers
from tokenizers import decoders, models, pre_tokenizers


def tokenizer(*special: str) -> tokenizers.Tokenizer:
  """Returns a tokenizer without merges; its special tokens follow its bytes."""
  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  vocabulary = {character: number for number, character in enumerate(alphabet)}
  made = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
  made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  made.decoder = decoders.ByteLevel()
  made.add_special_tokens(list(special))
  return made
