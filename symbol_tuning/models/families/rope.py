"""RoPE and its scaling in a config.json.

transformers 4 writes rope_theta and rope_scaling, 5 rope_parameters, which
holds both. All are read, and where two contradict each other none is chosen;
what is written both versions read.
"""

import math
from collections.abc import Mapping
from typing import Any

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.families.config_json import GLOBAL, LOCAL, ConfigJson
from symbol_tuning.models.rotary import RopeScaling

ORIGINAL = 'original_max_position_embeddings'
SHARE = 'partial_rotary_factor'
LOCAL_BASE = 'rope_local_base_freq'
# The numbers of each kind of scaling, beside its factor: their names in a
# config.json, and in RopeScaling.
NUMBERS: dict[str, dict[str, str]] = {
  'default': {},
  'linear': {},
  'dynamic': {},
  'llama3': {
    'low_freq_factor': 'low_frequency_factor',
    'high_freq_factor': 'high_frequency_factor',
  },
  'yarn': {
    'beta_fast': 'beta_fast',
    'beta_slow': 'beta_slow',
    'truncate': 'truncate',
    'attention_factor': 'attention_factor',
  },
  'longrope': {
    'short_factor': 'short_factors',
    'long_factor': 'long_factors',
    'attention_factor': 'attention_factor',
  },
}


def read(config: ConfigJson, share: str = SHARE) -> dict[str, Any]:
  """The fields of DecoderConfig that say how positions are rotated.

  Args:
    config: the file.
    share: an older name in it for the share of channels that are rotated.

  Raises:
    ValueError: RoPE is scaled in an unknown way, or in two ways; it differs by
      kinds of layers, has no base above 0, or rotates no channels.
  """
  flat, by_kind = _parameters(config)
  if by_kind:
    raise config.error('rope_parameters', by_kind, 'one for all layers')
  return _read(config, flat, share)


def read_by_kind(config: ConfigJson) -> dict[str, Any]:
  """The same of models whose local layers are rotated in a way of their own.

  Only the others are scaled, and what names no kind of layer is of the others.
  The base of local layers is theirs where neither the file nor the defaults
  say.

  Raises:
    ValueError: as `read`, but for kinds of layers; or local layers are scaled.
  """
  flat, by_kind = _parameters(config)
  of_local = by_kind.get(LOCAL, {})
  if read_scaling(config, of_local):
    raise config.error('rope_parameters', of_local, "rope_type 'default'")
  fields = _read(config, flat | by_kind.get(GLOBAL, {}), SHARE)
  base = of_local.get('rope_theta', config.values.get(LOCAL_BASE))
  if base is None:
    base = fields['rope_base']
  return fields | {'local_rope_base': config.above_0(LOCAL_BASE, base)}


def _parameters(
  config: ConfigJson,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
  """What rope_parameters says of all layers, and of each kind of them."""
  values = config.mapping('rope_parameters')
  by_kind = {
    kind: {x: value for x, value in said.items() if value is not None}
    for kind, said in values.items()
    if isinstance(said, Mapping)
  }
  flat = {x: value for x, value in values.items() if x not in by_kind}
  return flat, by_kind


def _read(
  config: ConfigJson, parameters: dict[str, Any], share: str
) -> dict[str, Any]:
  """What rope_parameters says together with rope_scaling, its older name."""
  older = config.mapping('rope_scaling')
  scaling = read_scaling(config, parameters)
  older_scaling = read_scaling(config, older)
  if (scaling and older and scaling != older_scaling) or any(
    parameters.get(name, older[name]) != older[name]
    for name in ('rope_theta', SHARE)
    if name in older
  ):
    raise config.error(
      'rope_scaling', older, f'what rope_parameters says ({parameters})'
    )
  said = older | parameters
  # GPT-NeoX has a name of its own.
  name = 'rope_theta' if 'rope_theta' in config.values else 'rotary_emb_base'
  return {
    'rope_base': config.above_0(name, said.get('rope_theta')),
    'rotary_dim': _rotary_dim(config, said.get(SHARE), share),
    'rope_scaling': scaling or older_scaling,
  }


def _rotary_dim(config: ConfigJson, share: Any, older_name: str) -> int:
  """DecoderConfig.rotary_dim, of a share of the channels of a head."""
  known = config.values
  name = SHARE
  if share is None:
    name = SHARE if SHARE in known else older_name
    share = known.get(name, 1.0)
  head_dim = config.head_dim()
  rotary_dim = int(head_dim * config.above_0(name, share))
  if not 0 < rotary_dim <= head_dim:
    raise config.error(name, share, f'a share of {head_dim} channels')
  return 0 if rotary_dim == head_dim else rotary_dim


def read_scaling(
  config: ConfigJson, values: Mapping[str, Any]
) -> RopeScaling | None:
  """How RoPE is scaled; None if it is not.

  Args:
    config: the file.
    values: its rope_scaling or rope_parameters.

  Raises:
    ValueError: it is scaled in an unknown way, or a number is missing.
  """
  kind = values.get('rope_type') or values.get('type') or 'default'
  if kind == 'su':  # an early name
    kind = 'longrope'
  if kind not in NUMBERS:
    raise config.error('rope_type', kind, ', '.join(map(repr, NUMBERS)))
  if kind == 'default':
    return None
  context = config.size('max_position_embeddings')
  original = config.values.get(ORIGINAL) or values.get(ORIGINAL) or context
  known = {name: value for name, value in values.items() if value is not None}
  try:
    if kind in ('yarn', 'longrope'):
      factor = float(known.get('factor', context / original))
      defaults = {
        'beta_fast': 32,
        'beta_slow': 1,
        'truncate': True,
        'attention_factor': _attention_factor(kind, factor, original, known),
      }
      known = defaults | known | {'factor': factor}
    factor = float(known['factor'])
    numbers = {
      field: _number(field, known[name])
      for name, field in NUMBERS[kind].items()
    }
  except (ArithmeticError, KeyError, TypeError, ValueError) as error:
    raise config.error(
      'rope_scaling', dict(values), f'the numbers that {kind!r} needs ({error})'
    ) from error
  config.above_0('factor', factor)
  if kind == 'linear':
    return RopeScaling(kind, factor)
  if kind == 'dynamic':
    return RopeScaling(kind, factor, context)
  return RopeScaling(kind, factor, original, **numbers)


def _number(field: str, value: Any) -> Any:
  """Several floats, True or False, or a float: what the field holds."""
  if field in ('short_factors', 'long_factors'):
    return tuple(map(float, value))
  return bool(value) if field == 'truncate' else float(value)


def _attention_factor(
  kind: str, factor: float, original: int, known: Mapping[str, Any]
) -> float:
  """By what queries and keys are multiplied where the file does not say."""
  if factor <= 1:
    return 1.0
  if kind == 'longrope':
    return math.sqrt(1 + math.log(factor) / math.log(original))

  def magnitude(scale: float) -> float:
    return 0.1 * scale * math.log(factor) + 1

  scale, of_all_dims = known.get('mscale'), known.get('mscale_all_dim')
  if scale and of_all_dims:
    return magnitude(scale) / magnitude(of_all_dims)
  return magnitude(1.0)


def write(config: DecoderConfig) -> dict[str, Any]:
  """The values of a config.json that `read` reads."""
  values: dict[str, Any] = {'rope_theta': config.rope_base}
  if config.rotary_dim:
    values['partial_rotary_factor'] = config.rotary_dim / config.head_dim
  if config.rope_scaling:
    values['rope_scaling'] = write_scaling(config.rope_scaling)
  return values


def write_by_kind(config: DecoderConfig) -> dict[str, Any]:
  """The values of a config.json that `read_by_kind` reads."""
  of_global: dict[str, Any] = {'rope_type': 'default'}
  if config.rope_scaling:
    of_global = write_scaling(config.rope_scaling)
  return write(config) | {
    'rope_parameters': {
      GLOBAL: of_global | {'rope_theta': config.rope_base},
      LOCAL: {
        'rope_type': 'default',
        'rope_theta': config.local_rope_base or config.rope_base,
      },
    }
  }


def write_scaling(scaling: RopeScaling) -> dict[str, Any]:
  """The rope_scaling of a config.json."""
  values: dict[str, Any] = {
    'rope_type': scaling.kind,
    'factor': scaling.factor,
  }
  numbers = NUMBERS[scaling.kind]
  if numbers:
    values[ORIGINAL] = scaling.original_context
  return values | {
    name: getattr(scaling, field) for name, field in numbers.items()
  }
