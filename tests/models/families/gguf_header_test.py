"""What the header of a GGUF file says is read, or refused."""

import dataclasses
import functools
import math
import pathlib

import gguf as gguf_library
import gguf_models
import pytest

from symbol_tuning import convert
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.models.rotary import RopeScaling

FOLDER = pathlib.Path(__file__).parents[2] / 'golden'


@functools.cache
def golden(name):
  """A recorded model's configuration, but for its scaling, and its family."""
  config = parameters.read_config(FOLDER / name)
  params = parameters.load_params(FOLDER / name, Decoder(config))
  config = dataclasses.replace(config, rope_scaling=None)
  if name == 'qwen2':  # whose windows llama.cpp's files leave out
    config = dataclasses.replace(
      config, layer_kinds=('global',), local_window=0
    )
  return params, config, parameters.read_family(FOLDER / name)


def read(path, name, header, family=None):
  """What is read of a recorded model's file whose header says more."""
  params, config, own = golden(name)
  gguf_models.write(path, params, config, family or own, header=header)
  return parameters.read_config(path)


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'model.gguf'


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('attention.sliding_window', 4),
    ('attention.sliding_window_pattern', [True, False]),
    ('attention.causal', False),
    ('attention.clamp_kqv', 8.0),
    ('attention.max_alibi_bias', 8.0),
    ('attention.scale', 0.5),
    ('attention.temperature_scale', 0.1),
    ('attention.value_length', 6),
    ('final_logit_softcapping', 30.0),
    ('attn_logit_softcapping', 50.0),
    ('embedding_scale', 12.0),
    ('residual_scale', 0.22),
    ('logit_scale', 8.0),
    ('use_parallel_residual', True),
    ('expert_count', 8),
    ('rope.freq_base_swa', 1e4),
    ('rope.scaling.attn_factor', 1.2),
    ('rope.scaling.alpha', 1000.0),
    ('rope.scaling.yarn_log_multiplier', 0.1),
    ('rope.dimension_sections', [16, 24, 24, 0]),
    ('something.new', 'x'),
  ],
)
def test_what_changes_a_model_and_is_not_read_is_refused(path, key, value):
  said = rf'model\.gguf says llama\.{key} = .*, which is not read'
  with pytest.raises(ValueError, match=said) as error:
    read(path, 'llama2', {key: value})
  assert '\n' not in str(error.value)


NOTHING = {
  'vocab_size': 7,
  'tensor_data_layout': 'Meta AI original pth',
  'pooling_type': 3,
  'attention.sliding_window': 0,
  'attention.sliding_window_pattern': [False, False],
  'attention.causal': True,
  'attention.clamp_kqv': 0.0,
  'attention.layer_norm_epsilon': 1e-3,
  'expert_count': 0,
  'expert_used_count': 0,
  'expert_shared_feed_forward_length': 96,
  'final_logit_softcapping': 0.0,
  'rope.scaling.attn_factor': 1.0,
  'rope.scaling.factor': 1.0,
  'rope.scaling.original_context_length': 9,
}
NAMES = (
  *('llama2', 'qwen2', 'qwen3', 'gemma', 'gemma2', 'gemma3', 'olmo2', 'phi3'),
  *('granite', 'smollm3', 'gpt_neox'),
)


@pytest.mark.parametrize('name', NAMES)
def test_what_changes_nothing_may_be_said(path, name):
  _, config, _ = golden(name)
  windows = ('gemma2', 'gemma3', 'phi3')  # and these say another
  header = {
    key: value
    for key, value in NOTHING.items()
    if not (name in windows and 'sliding' in key)
    and not (name == 'gemma2' and 'softcapping' in key)
    and not (name == 'gpt_neox' and 'epsilon' in key)
  }
  header['attention.value_length'] = config.head_dim
  expected = read(path, name, {})
  path.unlink()
  assert read(path, name, header) == expected


def test_an_olmo_3_is_not_read_as_an_olmo_2(path):
  olmo2 = golden('olmo2')[2]
  params, config, _ = golden('olmo3')
  is_local = [kind == 'local' for kind in config.kind_of_layer]
  header = {'attention.sliding_window_pattern': is_local}
  gguf_models.write(path, params, config, olmo2, header=header)
  said = r'says olmo2\.attention\.sliding_window = \d+, olmo2\.attention\.slid'
  with pytest.raises(ValueError, match=said):
    parameters.read_config(path)


@pytest.mark.parametrize(
  ('header', 'scaling'),
  [
    ({'rope.scaling.factor': 4.0}, RopeScaling('linear', 4.0)),
    ({'rope.scale_linear': 4.0}, RopeScaling('linear', 4.0)),
    ({'rope.scaling.type': 'none', 'rope.scaling.factor': 4.0}, None),
    ({'rope.scaling.type': 'linear', 'rope.scaling.factor': 0.0}, None),
  ],
)
def test_a_factor_is_of_a_linear_scaling_if_of_none_that_is_named(
  path, header, scaling
):
  assert read(path, 'llama2', header).rope_scaling == scaling


YARN = {
  'rope.scaling.type': 'yarn',
  'rope.scaling.factor': 4.0,
  'rope.scaling.original_context_length': 16,
}


def test_all_that_is_said_of_yarn_is_read(path):
  plain = RopeScaling('yarn', 4.0, 16, attention_factor=0.1 * math.log(4) + 1)
  assert read(path, 'llama2', YARN).rope_scaling == plain
  path.unlink()
  said = {
    'rope.scaling.yarn_beta_fast': 8.0,
    'rope.scaling.yarn_beta_slow': 2.0,
    'rope.scaling.yarn_attn_factor': 1.5,
    'rope.scaling.yarn_ext_factor': 1.0,
  }
  scaling = read(path, 'llama2', YARN | said).rope_scaling
  assert scaling == dataclasses.replace(
    plain, beta_fast=8.0, beta_slow=2.0, attention_factor=1.5
  )


def test_an_attention_factor_is_not_rounded_to_that_of_the_header(path):
  said = {'rope.scaling.yarn_attn_factor': 0.1 * math.log(4) + 1}
  scaling = read(path, 'llama2', YARN | said).rope_scaling
  assert scaling.attention_factor == said['rope.scaling.yarn_attn_factor']


@pytest.mark.parametrize(
  'header',
  [{'rope.scaling.attn_factor': 2.0}, {'rope.scaling.yarn_ext_factor': 0.0}],
)
def test_what_is_not_read_of_yarn_is_refused(path, header):
  with pytest.raises(ValueError, match='which is not read'):
    read(path, 'llama2', YARN | header)


def test_the_attention_factor_of_longrope_is_read(path):
  params = parameters.load_params(
    FOLDER / 'phi3_long', Decoder(parameters.read_config(FOLDER / 'phi3_long'))
  )
  config = parameters.read_config(FOLDER / 'phi3_long')
  scaling = dataclasses.replace(config.rope_scaling, attention_factor=1.5)
  config = dataclasses.replace(config, rope_scaling=scaling)
  gguf_models.write(path, params, config)
  assert parameters.read_config(path) == config


def test_the_base_and_the_pattern_of_local_layers_are_read(path):
  config = read(
    path,
    'gemma3',
    {
      'rope.freq_base_swa': 500.0,
      'attention.sliding_window_pattern': [True, False, True, False],
    },
  )
  assert config.local_rope_base == 500.0
  assert config.layer_kinds == ('local', 'global')
  path.unlink()
  config = read(path, 'gemma3', {'attention.sliding_window_pattern': 3})
  assert config.kind_of_layer == ('local', 'local', 'global', 'local')


def test_a_granite_without_rope_is_refused(path):
  assert read(path, 'granite', {'rope.scaling.finetuned': True})
  path.unlink()
  with pytest.raises(ValueError, match=r'rope_finetuned in .* is False; s'):
    read(path, 'granite', {'rope.scaling.finetuned': False})
  path.unlink()
  assert read(path, 'llama2', {'rope.scaling.finetuned': False})


@pytest.mark.parametrize(
  ('kind', 'message'),
  [
    ('adapter', r"general\.type in .* is 'adapter'; supported: 'model'"),
    ('model', r'A value in .*model\.gguf is not as it is in such files'),
  ],
)
def test_a_file_without_a_whole_model_is_named(path, kind, message):
  writer = gguf_library.GGUFWriter(path, 'llama')
  writer.add_type(kind)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  with pytest.raises(ValueError, match=message):
    convert.describe(str(path))
