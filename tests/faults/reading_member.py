"""Reads parameters as every program does, and writes them as `convert` does.

The program itself wants to be told the architecture by files of another model,
which the faults' tiny decoder has none of.
"""

import sys

import gin
from faults import programs

from symbol_tuning import gin_utils
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.decoder import Decoder

if __name__ == '__main__':
  _, source, target = sys.argv
  small = [flag.removeprefix('--gin.') for flag in programs.SMALL]
  gin_utils.parse(['models/tiny.gin'], small)
  model = gin.get_configurable(Decoder)()
  try:
    params = parameters.load_params(source, model)
    native.save(params, model.config, target)
  except (OSError, ValueError) as error:
    sys.exit(f'convert: {error}')
