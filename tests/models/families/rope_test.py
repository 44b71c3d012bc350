"""How positions are rotated, in every place and shape that says so."""

import pytest

from symbol_tuning.models import families
from symbol_tuning.models.rotary import RopeScaling

SIZES = {
  'vocab_size': 50,
  'hidden_size': 32,
  'intermediate_size': 24,
  'num_hidden_layers': 4,
  'num_attention_heads': 4,
  'num_key_value_heads': 4,
  'head_dim': 8,
  'max_position_embeddings': 64,
}
YARN = {
  'rope_type': 'yarn',
  'factor': 4.0,
  'original_max_position_embeddings': 16,
}
ATTENTION_FACTOR = 1.1386294361119891  # 0.1 ln(4) + 1, section 3.4 of YaRN
SCALING = RopeScaling('yarn', 4.0, 16, attention_factor=ATTENTION_FACTOR)
BY_KIND = ('olmo3', 'gemma3_text')
ALIKE = tuple(
  family.model_type
  for family in families.FAMILIES
  if family.model_type not in (*BY_KIND, 'gpt2')
)


def read(model_type, **values):
  values = SIZES | {'model_type': model_type} | values
  return families.read_config(values, 'folder/config.json')


@pytest.mark.parametrize('model_type', BY_KIND)
def test_what_names_no_kind_of_layer_is_of_the_global_ones(model_type):
  flat = {**YARN, 'rope_theta': 500.0}
  config = read(model_type, rope_parameters=flat)
  assert (config.rope_base, config.rope_scaling) == (500.0, SCALING)
  of_local = {'sliding_attention': {'rope_theta': config.local_rope_base}}
  by_kind = {'full_attention': flat, **of_local}
  assert read(model_type, rope_parameters=by_kind) == config
  assert read(model_type, rope_parameters=flat | of_local) == config


def test_local_layers_have_the_base_of_the_family_where_none_is_said():
  flat = {'rope_type': 'default', 'rope_theta': 500.0}
  assert read('olmo3', rope_parameters=flat).local_rope_base == 500.0
  assert read('gemma3_text', rope_parameters=flat).local_rope_base == 1e4


@pytest.mark.parametrize('model_type', ALIKE)
def test_a_rotation_by_kind_is_refused_where_layers_are_rotated_alike(
  model_type,
):
  by_kind = {'full_attention': {**YARN, 'rope_theta': 1e6}}
  message = r'^rope_parameters in folder/config\.json is .*yarn.*: one for all'
  with pytest.raises(ValueError, match=message):
    read(model_type, rope_parameters=by_kind)


@pytest.mark.parametrize('model_type', [*ALIKE, *BY_KIND])
def test_a_scaling_added_to_a_file_that_has_none_is_read(model_type):
  said = {'rope_type': 'default', 'rope_theta': 500.0}
  config = read(model_type, rope_parameters=said, rope_scaling=YARN)
  assert config.rope_scaling.kind == 'yarn'
  assert config.rope_base == 500.0


@pytest.mark.parametrize('model_type', ['qwen3', 'olmo3'])
@pytest.mark.parametrize(
  ('older', 'newer'),
  [
    (YARN, {**YARN, 'factor': 8.0}),
    (YARN, {'rope_type': 'linear', 'factor': 4.0}),
    ({'rope_type': 'default'}, YARN),
    ({**YARN, 'rope_theta': 1e4}, {'rope_theta': 1e6}),
    ({'partial_rotary_factor': 0.5}, {'partial_rotary_factor': 0.25}),
  ],
)
def test_two_places_that_contradict_each_other_are_named(
  model_type, older, newer
):
  message = '^rope_scaling in .* supported: what rope_parameters says'
  with pytest.raises(ValueError, match=message):
    read(model_type, rope_scaling=older, rope_parameters=newer)


@pytest.mark.parametrize('model_type', ['qwen3', 'olmo3'])
def test_two_places_that_say_the_same_are_read(model_type):
  config = read(
    model_type,
    rope_scaling={**YARN, 'beta_fast': None},
    rope_parameters={**YARN, 'beta_fast': 32, 'rope_theta': 500.0},
  )
  assert (config.rope_base, config.rope_scaling) == (500.0, SCALING)


@pytest.mark.parametrize(
  ('model_type', 'values', 'name'),
  [
    ('gpt_neox', {'rotary_pct': 0.0}, 'rotary_pct'),
    ('gpt_neox', {'rotary_pct': 0.01}, 'rotary_pct'),
    ('gpt_neox', {'rotary_pct': '0.25'}, 'rotary_pct'),
    ('phi3', {'partial_rotary_factor': 0}, 'partial_rotary_factor'),
    ('phi3', {'partial_rotary_factor': 1.5}, 'partial_rotary_factor'),
    (
      'llama',
      {'rope_parameters': {'partial_rotary_factor': 0.0}},
      'partial_rotary_factor',
    ),
  ],
)
def test_a_share_that_rotates_no_channels_is_named(model_type, values, name):
  with pytest.raises(ValueError, match=rf'^{name} in folder/config\.json is'):
    read(model_type, **values)


def test_a_share_is_found_in_every_place():
  neox = read('gpt_neox', rotary_pct=0.5)
  assert neox.rotary_dim == 4
  parameters = {'partial_rotary_factor': 0.5, 'rope_theta': 1e4}
  assert read('gpt_neox', rope_parameters=parameters) == neox
  assert read('gpt_neox', partial_rotary_factor=0.5) == neox
  assert read('gpt_neox', partial_rotary_factor=None).rotary_dim == 2


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'rope_scaling': [1]}, r'rope_scaling in .* is \[1\]; supported: an obj'),
    ({'rope_scaling': 'linear'}, "rope_scaling in .* is 'linear'; supported"),
    ({'rope_parameters': [1]}, r'rope_parameters in .* is \[1\]; supported'),
    ({'rope_scaling': {**YARN, 'factor': 0}}, 'factor in .* a number above 0'),
    (
      {'rope_scaling': {'rope_type': 'linear', 'factor': 'x'}},
      "rope_scaling in .* the numbers that 'linear' needs",
    ),
    ({'rope_theta': '1e6'}, "rope_theta in .* is '1e6'; supported: a number"),
    ({'rope_parameters': {'rope_theta': 0}}, 'rope_theta in .* is 0; supp'),
  ],
)
def test_a_value_of_another_type_is_named(values, message):
  with pytest.raises(ValueError, match=message):
    read('llama', **values)
