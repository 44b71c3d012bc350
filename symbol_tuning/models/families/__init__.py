"""Families of published models: one file each, one registry.

`docs/adding_a_family.md` adds one.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import ConfigJson, explained
from symbol_tuning.models.families.family import Family
from symbol_tuning.models.families.gemma import Gemma, Gemma2, Gemma3
from symbol_tuning.models.families.gpt2 import Gpt2
from symbol_tuning.models.families.gpt_neox import GptNeoX
from symbol_tuning.models.families.granite import Granite
from symbol_tuning.models.families.llama import Llama
from symbol_tuning.models.families.mistral import Mistral
from symbol_tuning.models.families.olmo2 import Olmo2
from symbol_tuning.models.families.olmo3 import Olmo3
from symbol_tuning.models.families.phi3 import Phi3
from symbol_tuning.models.families.qwen import Qwen2, Qwen3
from symbol_tuning.models.families.smollm3 import SmolLM3

# Where a decoder fits several, it is written as the first.
FAMILIES: tuple[Family, ...] = (
  Llama(),
  Mistral(),
  Qwen2(),
  Qwen3(),
  Gemma(),
  Gemma2(),
  Gemma3(),
  Olmo2(),
  Olmo3(),
  Phi3(),
  Granite(),
  SmolLM3(),
  GptNeoX(),
  Gpt2(),
)

PUBLISHED = pathlib.Path(__file__).parent / 'published'

# Models that see images too, whose text part is of a family above.
TEXT_CONFIG = 'text_config'
MULTIMODAL = ('gemma3', 'mistral3')

# Fields that say how a model is run; all others change what it computes.
FIELDS_OF_EXECUTION = frozenset(
  (
    'context_length',
    'dropout_rate',
    'scan_layers',
    'remat',
    'attention_implementation',
    'dtype',
    'param_dtype',
  )
)


def published(name: str) -> pathlib.Path:
  """The config.json of a well-known model, which comes with this package.

  It says what a model is where its weights are not at hand, such as when a
  step is compiled for a slice of TPUs.

  Raises:
    ValueError: there is none of that name.
  """
  path = PUBLISHED / f'{name}.json'
  if not path.is_file():
    known = ', '.join(sorted(path.stem for path in PUBLISHED.glob('*.json')))
    raise ValueError(f'No published model is called {name!r}; known: {known}.')
  return path


def of_config_json(values: Mapping[str, Any], path: Any) -> Family:
  """The family of the model that a config.json describes.

  Raises:
    ValueError: it is of none that is known, or its weights are quantized.
  """
  values = text_values(values, path)
  if quantization := values.get('quantization_config'):
    method = quantization
    if isinstance(quantization, Mapping):
      method = quantization.get('quant_method')
    raise ValueError(
      f'quantization_config in {path} is {method!r}; supported: weights that '
      'are not quantized (bfloat16, float16, float32). Name the model that '
      'this one was made from.'
    )
  model_type = values.get('model_type')
  for family in FAMILIES:
    if family.model_type == model_type:
      return family
  known = ', '.join(repr(family.model_type) for family in FAMILIES)
  raise ValueError(
    f'model_type in {path} is {model_type!r}{_reason(values)}; supported: '
    f'{known}.'
  )


def of_gguf_architecture(architecture: str, path: Any) -> Family:
  """The family of the model in a GGUF file.

  Raises:
    ValueError: it is of none that is read.
  """
  known = {x.gguf_architecture: x for x in FAMILIES if x.gguf_architecture}
  if architecture not in known:
    raise ValueError(
      f'general.architecture in {path} is {architecture!r}; supported: '
      f'{", ".join(map(repr, known))}.'
    )
  return known[architecture]


def of_decoder(config: DecoderConfig) -> Family:
  """The first family that has a decoder like this one.

  Raises:
    ValueError: none has.
  """
  found = {family: differences(family, config) for family in FAMILIES}
  nearest = min(found, key=lambda family: len(found[family]))
  if not found[nearest]:
    return nearest
  raise ValueError(
    'No family of published models has such a decoder; the nearest is '
    f'{nearest.name}, but DecoderConfig.{"; ".join(found[nearest])}.'
  )


def differences(family: Family, config: DecoderConfig) -> list[str]:
  """In what a decoder differs from the nearest one of a family."""
  written = family.defaults | family.write_config(config)
  values = ConfigJson(written, f'the config.json of {family.name}')
  try:
    nearest = DecoderConfig(**family.read_config(values))
  except ValueError as error:  # not even a value that the family may have
    return [str(error)] * len(DecoderConfig.__dataclass_fields__)
  return config_differences(config, nearest, family.name)


def config_differences(
  ours: DecoderConfig, theirs: DecoderConfig, name: str
) -> list[str]:
  """'field is … and … in `name`', of each field that changes the result."""
  return [
    f'{field} is {getattr(ours, field)!r} and {getattr(theirs, field)!r} in '
    f'{name}'
    for field in DecoderConfig.__dataclass_fields__
    if field not in FIELDS_OF_EXECUTION
    and _meant(ours, field) != _meant(theirs, field)
  ]


def _meant(config: DecoderConfig, field: str) -> Any:
  """A field's value; several patterns may mean the same kinds of layers."""
  if field == 'layer_kinds':
    return config.kind_of_layer
  return getattr(config, field)


def read_config(
  values: Mapping[str, Any], path: Any, **overrides: Any
) -> DecoderConfig:
  """The decoder that a config.json describes.

  Args:
    values: of the file.
    path: of it, for errors.
    **overrides: DecoderConfig fields.

  Raises:
    ValueError: it asks for something that the decoder does not have.
  """
  family = of_config_json(values, path)
  # Of RoPE, null is as good as nothing.
  said = {
    name: value
    for name, value in text_values(values, path).items()
    if value is not None
    or not name.startswith(('rope_', 'rotary_', 'partial_rotary_'))
  }
  known = {**family.defaults, **said}
  with explained(path):
    fields = family.read_config(ConfigJson(known, path))
  return decoder_config(fields | overrides, path)


def decoder_config(fields: Mapping[str, Any], path: Any) -> DecoderConfig:
  """The decoder of these fields.

  Raises:
    ValueError: there is none; the file that they are from is named.
  """
  try:
    return DecoderConfig(**fields)
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error


def write_config(config: DecoderConfig, family: Family) -> dict[str, Any]:
  """The values of a config.json, for versions 4 and 5 of transformers."""
  return {
    'architectures': [family.architecture],
    'model_type': family.model_type,
    'torch_dtype': config.param_dtype,
    **family.write_config(config),
  }


def text_values(values: Mapping[str, Any], path: Any) -> Mapping[str, Any]:
  """Those of the text part, if a model sees images too.

  Raises:
    ValueError: the text part is no object.
  """
  if values.get('model_type') not in MULTIMODAL or TEXT_CONFIG not in values:
    return values
  text = values[TEXT_CONFIG]
  if not isinstance(text, Mapping):
    raise ConfigJson(values, path).error(TEXT_CONFIG, text, 'an object')
  outer = ('tie_word_embeddings', 'quantization_config', 'torch_dtype')
  return {name: values[name] for name in outer if name in values} | {**text}


def _reason(values: Mapping[str, Any]) -> str:
  """Why a model is not supported, as far as its config.json shows."""
  name = str(values.get('model_type')).lower()
  if 'moe' in name or any(
    values.get(key)
    for key in ('num_local_experts', 'num_experts', 'n_routed_experts')
  ):
    return ', a mixture of experts, which this decoder is not'
  if values.get('is_encoder_decoder') or 't5' in name:
    return ', an encoder and a decoder; this framework has decoders only'
  if any(part in name for part in ('mamba', 'rwkv', 'ssm', 'jamba', 'zamba')):
    return ', a state-space model; this decoder has attention only'
  return ''
