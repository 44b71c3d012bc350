"""Converts checkpoints: GGUF, Hugging Face folders and our own.

To take a run's newest checkpoint to `transformers`, with the architecture and
the tokenizer of the model that it started from:

  python -m symbol_tuning.convert --source=MODEL_DIR --target=FOLDER \\
    --architecture=SmolLM2-135M-Instruct.Q4_1.gguf

To see what is understood of a model, without reading its weights:

  python -m symbol_tuning.convert --describe=Qwen3-0.6B

To make a checkpoint that many hosts can load in shards:

  python -m symbol_tuning.convert --source=FOLDER --target=CHECKPOINT \\
    --target_format=checkpoint
"""

import collections
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging

from symbol_tuning import files, hub
from symbol_tuning.data.vocabularies import tokenizer_files
from symbol_tuning.gin_utils import quiet
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.config import DTYPES, DecoderConfig
from symbol_tuning.models.decoder import Decoder

FORMATS = ('huggingface', 'checkpoint')

_SOURCE = flags.DEFINE_string(
  'source',
  None,
  'A .gguf or .safetensors file, a Hugging Face folder, a MODEL_DIR (its '
  'newest checkpoint) or one of its checkpoints/<step>.',
)
_TARGET = flags.DEFINE_string(
  'target', None, 'The folder to write; must not exist.'
)
_DESCRIBE = flags.DEFINE_string(
  'describe',
  None,
  'Instead: a GGUF file, a Hugging Face folder or a name on the hub, of which '
  'is printed what is understood.',
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
_DTYPE = flags.DEFINE_enum(
  'dtype', DTYPES[0], DTYPES, 'Of the parameters written.'
)


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
    dtype: of the parameters written, as `DecoderConfig.param_dtype`.

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
    native.save(params, config, target)


def _write_folder(
  params: parameters.Params,
  config: DecoderConfig,
  architecture: str,
  target: str,
) -> None:
  """Writes what transformers opens; the target appears when it is complete."""
  original = hub.local_description(architecture)
  _check_tokenizer(original, config)
  with files.new_folder(target, last='config.json') as temporary:
    tokenizer_files.write(original, temporary)
    parameters.export(
      params,
      config,
      temporary,
      parameters.read_family(architecture),
      tokenizer_files.special_token_ids(original),
    )


def _check_tokenizer(source: Path, config: DecoderConfig) -> None:
  """Raises ValueError if a tokenizer has tokens that the model does not."""
  file = tokenizer_files.find(source)
  if file is None:
    return
  count = tokenizer_files.from_file(file).get_vocab_size()
  if count > config.vocab_size:
    raise ValueError(
      f'{file} has {count:,} tokens, but vocab_size of the model is '
      f'{config.vocab_size:,}: it is the tokenizer of another model.'
    )


def describe(path: str) -> str:
  """What is understood of a model's files, without reading its weights.

  Args:
    path: a Hugging Face folder or its config.json, a GGUF file, or a name on
      the hub.

  Raises:
    FileNotFoundError: nothing there says what the model is.
    ValueError: it asks for something that the decoder does not have.
  """
  config = parameters.read_config(path)
  family = parameters.read_family(path)
  lines = {
    'family': f'{family.name} ({family.architecture})',
    **_described_sizes(config),
    **_described_positions(config),
    **_described_tokenizer(path, config),
    'context': f'{config.context_length:,} tokens',
  }
  return '\n'.join(f'{name:<11} {text}' for name, text in lines.items())


def _described_sizes(config: DecoderConfig) -> dict[str, str]:
  gate = 'gated ' if config.gated_mlp else ''
  norms = '' if config.qk_norm == 'none' else ', queries and keys normalized'
  tied = 'the embedding' if config.tied_embeddings else 'a matrix of its own'
  return {
    'layers': (
      f'{config.num_layers} of width {config.embed_dim:,}, MLP '
      f'{config.mlp_dim:,} ({gate}{config.activation})'
    ),
    'heads': (
      f'{config.num_heads} for queries, {config.num_kv_heads} for keys and '
      f'values, of width {config.head_dim}{norms}'
    ),
    'parameters': f'{parameters.num_params(Decoder(config)):,}',
    'vocabulary': f'{config.vocab_size:,} tokens; logits from {tied}',
  }


def _described_positions(config: DecoderConfig) -> dict[str, str]:
  kinds = collections.Counter(config.kind_of_layer)
  rope = f'base {config.rope_base:,.0f}'
  if config.rotary_dim:
    rope += f', {config.rotary_dim} of {config.head_dim} channels'
  if scaling := config.rope_scaling:
    rope += f', scaled: {scaling.kind}, {scaling.factor:g} times'
  if kinds['local'] and config.local_rope_base:
    rope += f'; of local layers base {config.local_rope_base:,.0f}'
  if config.learned_positions:
    rope = f'none; {config.learned_positions:,} learned positions'
  elif kinds['unrotated']:
    rope += f'; none in {kinds["unrotated"]} layers'
  window = 'none'
  if kinds['local']:
    window = f'{config.local_window:,} tokens in {kinds["local"]} layers'
  return {'RoPE': rope, 'window': window}


def _described_tokenizer(path: str, config: DecoderConfig) -> dict[str, str]:
  source = hub.local_description(path)
  _check_tokenizer(source, config)
  file = tokenizer_files.find(source)
  if file is None:
    return {'tokenizer': f'none: there is no {tokenizer_files.TOKENIZER}'}
  tokenizer = tokenizer_files.from_file(file)
  start = [
    tokenizer.id_to_token(i) or f'token {i}'
    for i in tokenizer_files.text_start(tokenizer)
  ]
  begins = f'texts begin with {"".join(start)}' if start else 'no BOS'
  chat = 'a' if tokenizer_files.chat_template(source) else 'no'
  return {
    'tokenizer': (
      f'{tokenizer_files.kind(tokenizer)}, {tokenizer.get_vocab_size():,} '
      f'tokens; {begins}; {chat} chat template'
    )
  }


def main(argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'Unknown arguments: {" ".join(argv[1:])}')
  logging.set_verbosity(logging.WARNING)
  with quiet.nothing_after_failure():
    try:
      _run()
    except (OSError, ValueError) as error:
      sys.exit(f'convert: {error}')


def _run() -> None:
  if _DESCRIBE.value:
    print(describe(_DESCRIBE.value))
    return
  if not (_SOURCE.value and _TARGET.value):
    raise ValueError('give --source and --target, or --describe')
  convert(
    _SOURCE.value,
    _TARGET.value,
    _TARGET_FORMAT.value,
    _ARCHITECTURE.value,
    _SCAN_LAYERS.value,
    _DTYPE.value,
  )
  print(f'Wrote {_TARGET.value}.')


if __name__ == '__main__':
  app.run(main)
