"""Which decoder a checkpoint of ours is of, in a file beside its arrays.

Shapes do not tell: Llama 3 and 3.1 have the same and differ in RoPE, as do
Qwen2.5 and Qwen2.5-Math. Checkpoints of T5X and of earlier versions have no
such file, and are read as what one takes them for.
"""

import dataclasses
import json

from symbol_tuning import files, reading
from symbol_tuning.models import families
from symbol_tuning.models.checkpoints import parameter_specs
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.rotary import RopeScaling

FILE = 'decoder.json'


def to_text(config: DecoderConfig) -> str:
  """The fields that change what a decoder computes, as JSON."""
  values = {
    name: value
    for name, value in dataclasses.asdict(config).items()
    if name not in families.FIELDS_OF_EXECUTION
  }
  return json.dumps(values, indent=1) + '\n'


def check(folder: files.Path, config: DecoderConfig) -> None:
  """Raises ValueError if a checkpoint is known to be of another decoder.

  Args:
    folder: of the checkpoint.
    config: of the decoder that it is read for.
  """
  path = folder / FILE
  if not path.exists():
    return
  advice = 'read it with the version of this package that wrote it'
  with reading.explained(path, 'the record of a decoder', advice):
    found = _from_text(path.read_text(encoding='utf-8'))
  parameter_specs.check_config(folder, found, config)


def _from_text(text: str) -> DecoderConfig:
  values = json.loads(text)
  if scaling := values['rope_scaling']:
    for name in ('short_factors', 'long_factors'):
      scaling[name] = tuple(scaling[name])
    values['rope_scaling'] = RopeScaling(**scaling)
  return DecoderConfig(**values)
