"""Reads parameters as every program does, and writes them as `convert` does.

The program itself wants to be told the architecture by files of another model,
which the faults' tiny decoder has none of.
"""

import sys

from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

CONFIG = DecoderConfig(
  vocab_size=1789,
  num_layers=1,
  embed_dim=16,
  num_heads=2,
  num_kv_heads=2,
  head_dim=8,
  mlp_dim=32,
  scaled_logits=True,
  conv_width=4,
  scan_layers=False,
)

if __name__ == '__main__':
  _, source, target = sys.argv
  try:
    native.save(parameters.load_params(source, Decoder(CONFIG)), target)
  except (OSError, ValueError) as error:
    sys.exit(f'convert: {error}')
