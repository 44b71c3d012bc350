"""GGUF files written as llama.cpp writes them, read back."""

import dataclasses

import gguf as gguf_library
import gguf_models
import jax
import numpy as np
import pytest
import tiny_models

from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder


@pytest.fixture
def path(tmp_path, params, config):
  path = tmp_path / 'model.gguf'
  gguf_models.write(path, params, config)
  return path


def test_header_and_weights_make_a_model_of_unscanned_layers(
  path, config, params
):
  unscanned = dataclasses.replace(config, scan_layers=False)
  assert parameters.read_config(path, scan_layers=False) == unscanned
  loaded = parameters.load_params(path, Decoder(unscanned))
  expected = tiny_models.unstack_layers(params)
  jax.tree.map(np.testing.assert_array_equal, loaded, expected)


def test_another_architecture_is_named(tmp_path):
  path = tmp_path / 'falcon.gguf'
  writer = gguf_library.GGUFWriter(path, 'falcon')
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.close()
  with pytest.raises(ValueError, match="is 'falcon'; supported: 'llama'"):
    parameters.read_config(path)


@pytest.mark.parametrize('kept', [slice(-2000), slice(20, None)])
def test_a_file_cut_short_or_of_another_kind_is_named(path, model, kept):
  path.write_bytes(path.read_bytes()[kept])
  with pytest.raises(ValueError, match=r'model\.gguf is not a whole GGUF file'):
    parameters.load_params(path, model)


def test_another_configuration_is_named(path, config):
  other = Decoder(dataclasses.replace(config, rope_base=1e4, mlp_dim=41))
  with pytest.raises(ValueError) as error:
    parameters.load_params(path, other)
  assert 'mlp_dim is 41 and 40 in the checkpoint' in str(error.value)
  assert 'rope_base is 10000.0 and 5000.0' in str(error.value)
