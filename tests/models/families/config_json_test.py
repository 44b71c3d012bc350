"""What a config.json may say, in every spelling, and what is refused."""

import dataclasses
import json

import pytest
import tiny_models

from symbol_tuning.models import families, parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.models.rotary import RopeScaling

SIZES = {
  'vocab_size': 50,
  'hidden_size': 16,
  'intermediate_size': 24,
  'num_hidden_layers': 4,
  'num_attention_heads': 4,
  'num_key_value_heads': 4,
}


def read(model_type, **values):
  values = SIZES | {'model_type': model_type} | values
  return families.read_config(values, 'folder/config.json')


def test_what_a_file_leaves_out_is_as_transformers_has_it():
  llama = families.read_config({'model_type': 'llama'}, 'config.json')
  assert (llama.embed_dim, llama.mlp_dim, llama.num_layers) == (4096, 11008, 32)
  assert (llama.norm_epsilon, llama.tied_embeddings) == (1e-6, False)
  gemma = families.read_config({'model_type': 'gemma2'}, 'config.json')
  assert (gemma.num_heads, gemma.head_dim, gemma.num_layers) == (8, 256, 26)
  assert (gemma.attention_soft_cap, gemma.logit_soft_cap) == (50.0, 30.0)
  assert gemma.layer_kinds == ('local', 'global')
  assert read('mistral').local_window == 4096
  assert read('mistral', sliding_window=None).layer_kinds == ('global',)
  assert read('qwen3').head_dim == 128
  assert read('smollm3').layer_kinds == (*['global'] * 3, 'unrotated')


@pytest.mark.parametrize('family', families.FAMILIES, ids=lambda x: x.name)
def test_the_defaults_are_those_of_transformers(family):
  transformers = pytest.importorskip('transformers')
  theirs = transformers.AutoConfig.for_model(family.model_type)
  for name, value in family.defaults.items():
    unread = {'gemma': ('hidden_activation', 'query_pre_attn_scalar')}
    if name in unread.get(family.model_type, ()) or not hasattr(theirs, name):
      continue
    found = getattr(theirs, name)
    # What is None in the file may be made of other values.
    assert value is None or found in (value, None) or not found, name


def test_both_spellings_of_rope_are_read():
  scaling = {
    'factor': 8.0,
    'low_freq_factor': 1.0,
    'high_freq_factor': 4.0,
    'original_max_position_embeddings': 8192,
  }
  old = read(
    'llama', rope_theta=5e5, rope_scaling={'type': 'llama3', **scaling}
  )
  new = read(
    'llama',
    rope_parameters={'rope_type': 'llama3', 'rope_theta': 5e5, **scaling},
  )
  assert old == new
  assert old.rope_scaling == RopeScaling('llama3', 8.0, 8192)
  old = read(
    'gemma3_text',
    head_dim=8,
    rope_theta=1e6,
    rope_local_base_freq=100.0,
    rope_scaling={'rope_type': 'linear', 'factor': 8.0},
    sliding_window_pattern=2,
  )
  new = read(
    'gemma3_text',
    head_dim=8,
    rope_parameters={
      'full_attention': {
        'rope_type': 'linear',
        'factor': 8.0,
        'rope_theta': 1e6,
      },
      'sliding_attention': {'rope_type': 'default', 'rope_theta': 100.0},
    },
    layer_types=['sliding_attention', 'full_attention'] * 2,
  )
  assert old == new
  assert old.rope_scaling == RopeScaling('linear', 8.0)


@pytest.mark.parametrize(
  ('model_type', 'values', 'message'),
  [
    ('gptj', {}, r"^model_type in folder/config\.json is 'gptj'; supported: "),
    ('mixtral', {'num_local_experts': 8}, "'mixtral', a mixture of experts"),
    ('t5', {'is_encoder_decoder': True}, "'t5', an encoder and a decoder"),
    ('mamba', {}, "'mamba', a state-space model"),
    (
      'llama',
      {'quantization_config': {'quant_method': 'gptq'}},
      r"quantization_config in folder/config\.json is 'gptq'",
    ),
    ('llama', {'hidden_act': 'xielu'}, "hidden_act in .* is 'xielu'; support"),
    ('llama', {'hidden_size': '16'}, "hidden_size in .* is '16'; supported: a"),
    ('llama', {'num_hidden_layers': 0}, 'is 0; supported: a whole number'),
    ('llama', {'rms_norm_eps': None}, 'rms_norm_eps in .* is None; supported'),
    (
      'llama',
      {'rope_scaling': {'rope_type': 'mrope'}},
      "rope_type in .* is 'mrope'; supported: 'default', 'linear'",
    ),
    (
      'llama',
      {'rope_scaling': {'rope_type': 'llama3', 'factor': 8.0}},
      "supported: the numbers that 'llama3' needs",
    ),
    (
      'llama',
      {'rope_scaling': {'rope_type': 'longrope', 'short_factor': 1.0}},
      "supported: the numbers that 'longrope' needs",
    ),
    (
      'llama',
      {'rope_theta': 0},
      'rope_theta in .* is 0; supported: a number above 0',
    ),
    ('llama', {'head_dim': 7}, r'config\.json: DecoderConfig\.head_dim is 7'),
    (
      'gemma3_text',
      {'layer_types': ['chunked_attention'] * 4},
      r'layer_types in .* supported: .sliding_attention. and',
    ),
    (
      'gemma3_text',
      {'use_bidirectional_attention': True},
      'use_bidirectional_attention in .* is True; supported: False',
    ),
    ('smollm3', {'no_rope_layers': [1, 2]}, 'no_rope_layers in .*4 layers'),
    ('gpt2', {'scale_attn_by_inverse_layer_idx': True}, 'is True; supported'),
  ],
)
def test_what_the_decoder_lacks_is_refused_in_one_line(
  model_type, values, message
):
  with pytest.raises(ValueError, match=message) as error:
    read(model_type, **values)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  'scaling',
  [
    RopeScaling('linear', 4.0),
    RopeScaling('dynamic', 2.0, 2048),
    RopeScaling('llama3', 32.0, 8192),
    RopeScaling('yarn', 4.0, 1024, attention_factor=1.5, truncate=False),
    RopeScaling(
      'longrope',
      8.0,
      256,
      attention_factor=1.1,
      short_factors=(1.0, 1.5, 2.0, 2.5),
      long_factors=(1.0, 3.0, 9.0, 10.0),
    ),
  ],
  ids=lambda scaling: scaling.kind,
)
def test_scaling_is_written_as_it_is_read(scaling):
  config = dataclasses.replace(tiny_models.LLAMA, rope_scaling=scaling)
  values = families.write_config(config, families.of_decoder(config))
  again = families.read_config(json.loads(json.dumps(values)), 'config.json')
  assert again == config


def test_a_decoder_is_of_the_first_family_that_has_it():
  assert families.of_decoder(tiny_models.LLAMA).name == 'Llama'
  assert families.of_decoder(tiny_models.GEMMA).name == 'Gemma 3'
  windowed = dataclasses.replace(
    tiny_models.LLAMA, layer_kinds=('local',), local_window=9
  )
  assert families.of_decoder(windowed).name == 'Mistral'


@pytest.mark.parametrize(
  'change', [{'conv_width': 4}, {'parallel_block': True}, {'norm': 'layer'}]
)
def test_a_decoder_of_no_family_is_named_with_what_is_its_own(change):
  other = dataclasses.replace(tiny_models.LLAMA, **change)
  with pytest.raises(ValueError, match=f'DecoderConfig.*{next(iter(change))}'):
    families.of_decoder(other)


@pytest.mark.parametrize('field', ['rope_scaling', 'rope_parameters'])
def test_dynamic_scaling_is_nothing_up_to_the_models_length(field):
  values = {field: {'rope_type': 'dynamic', 'factor': 4.0}}
  scaling = read('llama', max_position_embeddings=64, **values).rope_scaling
  assert (scaling.divisors(8, 1e4, 64) == 1).all()
  with pytest.raises(
    ValueError, match='Rows of 65 tokens are longer than the 6'
  ):
    scaling.divisors(8, 1e4, 65)


@pytest.mark.parametrize(
  ('name', 'count'),
  [
    ('smollm2_135m', 134_515_008),
    ('llama3.2_1b', 1_235_814_400),
    ('llama3.1_8b', 8_030_261_248),
    ('llama3.3_70b', 70_553_706_496),
    ('qwen3_0.6b', 596_049_920),
    ('qwen3_8b', 8_190_735_360),
    ('qwen3_32b', 32_762_123_264),
    ('gemma2_9b', 9_241_705_984),
    ('gemma3_270m', 268_098_176),
    ('gemma3_1b', 999_885_952),
  ],
)
def test_published_models_have_as_many_parameters_as_published(name, count):
  config = parameters.read_config(families.published(name))
  assert parameters.num_params(Decoder(config)) == count


def test_an_unknown_published_model_is_named_beside_those_that_are():
  with pytest.raises(ValueError, match=r"'gpt5'; known: gemma2_9b, .*qwen3_8b"):
    families.published('gpt5')


def test_null_is_the_default_of_rope():
  assert read('llama', rope_theta=None) == read('llama')


@pytest.mark.parametrize(
  ('model_type', 'values', 'message'),
  [
    (
      'qwen2',
      {'use_sliding_window': True, 'max_window_layers': None},
      'max_window_layers in .* is None; supported: a whole number',
    ),
    ('granite', {'logits_scaling': 0}, 'logits_scaling in .* a number above'),
    ('granite', {'attention_multiplier': 0}, 'attention_multiplier in .* is 0'),
    ('gemma2', {'query_pre_attn_scalar': 0}, 'query_pre_attn_scalar in .* is'),
    ('gemma2', {'sliding_window_pattern': '2'}, "pattern in .* is '2'; supp"),
    ('gemma2', {'sliding_window_pattern': 0}, 'pattern in .* is 0; supported'),
    ('gemma2', {'attn_logit_softcapping': 'x'}, "softcapping in .* is 'x'; su"),
    ('llama', {'quantization_config': ['x']}, r"config in .* is \['x'\]; supp"),
    ('gemma3', {'text_config': None}, 'text_config in .* is None; supported'),
    ('gemma3', {'text_config': [1]}, r'text_config in .* is \[1\]; supported'),
    ('qwen3', {'layer_types': 4, 'use_sliding_window': True}, 'A value in fol'),
    ('smollm3', {'no_rope_layers': 4}, 'A value in folder/config.json is not'),
    ('llama', {'rope_scaling': {'rope_type': ['x']}}, 'A value in folder/con'),
  ],
)
def test_a_value_of_another_type_is_named(model_type, values, message):
  with pytest.raises(ValueError, match=message) as error:
    read(model_type, **values)
  assert '\n' not in str(error.value)


def test_qwens_windows_may_begin_at_the_first_layer():
  config = read('qwen2', use_sliding_window=True, max_window_layers=0)
  assert config.layer_kinds == ('local',)


def test_what_only_another_family_reads_is_not_read():
  assert read('llama', rotary_pct=0.5) == read('llama')
