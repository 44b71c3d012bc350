"""Converts checkpoints: GGUF, Hugging Face folders and our own.

To take a run's newest checkpoint to `transformers`, with the architecture and
the tokenizer of the model that it started from:

  python -m symbol_tuning.convert --source=MODEL_DIR --target=FOLDER \\
    --architecture=SmolLM2-135M-Instruct.Q4_1.gguf

To make a checkpoint that many hosts can load in shards:

  python -m symbol_tuning.convert --source=FOLDER --target=CHECKPOINT \\
    --target_format=checkpoint
"""

import sys
from collections.abc import Sequence

from absl import app, flags, logging

from symbol_tuning import files, hub
from symbol_tuning.data.vocabularies import tokenizer_files
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

FORMATS = ('huggingface', 'checkpoint')

_SOURCE = flags.DEFINE_string(
  'source',
  None,
  'A .gguf or .safetensors file, a Hugging Face folder, a MODEL_DIR (its '
  'newest checkpoint) or one of its checkpoints/<step>.',
  required=True,
)
_TARGET = flags.DEFINE_string(
  'target', None, 'The folder to write; must not exist.', required=True
)
_TARGET_FORMAT = flags.DEFINE_enum(
  'target_format', FORMATS[0], FORMATS, 'What to write.'
)
_ARCHITECTURE = flags.DEFINE_string(
  'architecture',
  None,
  'The GGUF file or Hugging Face folder that says what the model is and holds '
  'its tokenizer; needed where the source is a checkpoint of ours or a '
  '.safetensors file.',
)
_SCAN_LAYERS = flags.DEFINE_bool(
  'scan_layers', True, 'Whether a checkpoint of ours has its layers stacked.'
)
_DTYPE = flags.DEFINE_string('dtype', 'float32', 'Of the parameters written.')


def convert(
  source: str,
  target: str,
  target_format: str = 'huggingface',
  architecture: str | None = None,
  scan_layers: bool = True,
  dtype: str = 'float32',
) -> None:
  """Reads a checkpoint of any kind and writes it in another format.

  Args:
    source: whatever `parameters.load_params` reads.
    target: the folder to write; must not exist.
    target_format: 'huggingface' or 'checkpoint'.
    architecture: the GGUF file or Hugging Face folder that describes the model
      and holds its tokenizer; the source itself if None.
    scan_layers: whether a checkpoint of ours, read or written, has its layers
      stacked.
    dtype: of the parameters written.

  Raises:
    FileNotFoundError: source or architecture is missing.
    FileExistsError: the target is there already.
    ValueError: the source cannot be read, or its model not be written.
  """
  if files.path(target).exists():
    raise FileExistsError(f'{target} exists; name a folder that does not.')
  architecture = architecture or source
  config = parameters.read_config(
    architecture, scan_layers=scan_layers, param_dtype=dtype
  )
  params = parameters.load_params(source, Decoder(config))
  if target_format == 'huggingface':
    _write_folder(params, config, architecture, target)
  else:
    native.save(params, target)


def _write_folder(
  params: parameters.Params,
  config: DecoderConfig,
  architecture: str,
  target: str,
) -> None:
  """Writes what transformers opens; the target appears when it is complete."""
  original = hub.local_description(architecture)
  with files.new_folder(target, last='config.json') as temporary:
    tokenizer_files.write(original, temporary)
    parameters.export(
      params,
      config,
      temporary,
      parameters.read_family(architecture),
      tokenizer_files.special_token_ids(original),
    )


def main(argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'Unknown arguments: {" ".join(argv[1:])}')
  logging.set_verbosity(logging.WARNING)
  try:
    convert(
      _SOURCE.value,
      _TARGET.value,
      _TARGET_FORMAT.value,
      _ARCHITECTURE.value,
      _SCAN_LAYERS.value,
      _DTYPE.value,
    )
  except (OSError, ValueError) as error:
    sys.exit(f'convert: {error}')
  print(f'Wrote {_TARGET.value}.')


if __name__ == '__main__':
  app.run(main)
