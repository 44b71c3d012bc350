"""Every family that llama.cpp has, through a GGUF file and back."""

import dataclasses
import pathlib

import gguf as gguf_library
import gguf_models
import jax
import numpy as np
import pytest

from symbol_tuning.models import families, parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.models.rotary import RopeScaling

FOLDER = pathlib.Path(__file__).parents[2] / 'golden'
# What llama.cpp's format has no place for is fixed there, to these values.
FIXED = {
  'gemma2': {'attention_scale': 0.0},
  'gemma3': {
    'layer_kinds': ('local',),  # all four of six
    'local_rope_base': 10_000.0,
  },
  'llama3': {
    'rope_base': 1e9,
    'rope_scaling': RopeScaling('llama3', 8.0, 8192),
  },
  'qwen2': {
    'layer_kinds': ('global',),
    'local_window': 0,
    'rope_scaling': RopeScaling('linear', 4.0),
  },
  'smollm3': {'layer_kinds': (*['global'] * 3, 'unrotated')},
}
NAMES = (
  *('llama2', 'llama3', 'llama_biases', 'qwen2', 'qwen3', 'gemma', 'gemma2'),
  *('gemma3', 'olmo2', 'granite', 'smollm3', 'gpt_neox', 'phi3'),
)


@pytest.mark.parametrize('name', NAMES)
def test_a_file_gives_the_model_that_it_was_made_of(name, tmp_path):
  config = parameters.read_config(FOLDER / name)
  params = parameters.load_params(FOLDER / name, Decoder(config))
  family = parameters.read_family(FOLDER / name)
  config = dataclasses.replace(config, **FIXED.get(name, {}))
  path = tmp_path / 'model.gguf'
  gguf_models.write(path, params, config, family)
  assert parameters.read_config(path) == config
  assert parameters.read_family(path) is family
  tolerance = 1e-6 if family.gguf_adds_one else 0
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance),
    parameters.load_params(path, Decoder(config)),
    params,
  )


def test_the_parts_of_a_model_are_found_by_any_of_them(tmp_path):
  config = parameters.read_config(FOLDER / 'llama2')
  params = parameters.load_params(FOLDER / 'llama2', Decoder(config))
  gguf_models.write(
    tmp_path / 'model.gguf', params, config, split_max_tensors=9
  )
  paths = sorted(tmp_path.iterdir())
  assert len(paths) > 2
  for path in paths:
    assert parameters.read_config(path) == config
    loaded = parameters.load_params(path, Decoder(config))
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
  paths[1].unlink()
  with pytest.raises(FileNotFoundError, match=f'lacks {paths[1].name}'):
    parameters.read_config(paths[0])


def test_other_frequencies_than_llamas_are_refused(tmp_path):
  config = parameters.read_config(FOLDER / 'llama2')
  params = parameters.load_params(FOLDER / 'llama2', Decoder(config))
  config = dataclasses.replace(
    config, rope_scaling=RopeScaling('llama3', 8.0, 64)
  )
  gguf_models.write(tmp_path / 'model.gguf', params, config)
  with pytest.raises(ValueError, match=r'rope_freqs\.weight in .* another way'):
    parameters.read_config(tmp_path / 'model.gguf')


def test_every_architecture_has_a_name_of_llama_cpp():
  known = set(gguf_library.MODEL_ARCH_NAMES.values())
  for family in families.FAMILIES:
    if family.gguf_architecture:
      assert family.gguf_architecture in known
