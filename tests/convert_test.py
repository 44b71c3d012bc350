"""Round trips between the formats of a checkpoint."""

import dataclasses
import json

import gguf_models
import pytest
import tiny_models

from symbol_tuning import convert
from symbol_tuning.data.vocabularies import tokenizer_files
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import safetensors_files
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

CONFIG = DecoderConfig(12, 2, 16, 2, 1, 8, 24)


@pytest.fixture
def folder(tmp_path):
  params = tiny_models.random_params(CONFIG)
  parameters.export(params, CONFIG, tmp_path / 'original')
  return tmp_path / 'original'


@pytest.mark.parametrize('scan_layers', [True, False])
def test_there_and_back_again(folder, tmp_path, scan_layers):
  ours, back = tmp_path / 'ours', tmp_path / 'back'
  convert.convert(folder, ours, 'checkpoint', scan_layers=scan_layers)
  convert.convert(ours, back, architecture=folder, scan_layers=scan_layers)
  for name in ('config.json', 'model.safetensors'):
    assert (folder / name).read_bytes() == (back / name).read_bytes()


def test_a_checkpoint_of_ours_needs_an_architecture(folder, tmp_path):
  convert.convert(folder, tmp_path / 'ours', 'checkpoint')
  with pytest.raises(FileNotFoundError, match=r'ours has no config\.json'):
    convert.convert(tmp_path / 'ours', tmp_path / 'back')


@pytest.mark.parametrize('dtype', ['fp16', 'float64', 'int8'])
def test_an_unknown_dtype_is_named_before_anything_is_written(
  folder, tmp_path, dtype
):
  with pytest.raises(ValueError, match=f"param_dtype is '{dtype}'; choose one"):
    convert.convert(str(folder), str(tmp_path / 'copy'), dtype=dtype)
  assert not (tmp_path / 'copy').exists()


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
def test_parameters_are_written_as_asked(folder, tmp_path, dtype):
  convert.convert(str(folder), str(tmp_path / 'copy'), dtype=dtype)
  config = json.loads((tmp_path / 'copy' / 'config.json').read_text())
  assert config['torch_dtype'] == dtype
  tensors = safetensors_files.tensors([tmp_path / 'copy/model.safetensors'])
  assert {str(x[:].dtype) for x in tensors.values()} == {dtype}


def test_nothing_is_overwritten(folder, tmp_path):
  with pytest.raises(FileExistsError, match='name a folder that does not'):
    convert.convert(folder, tmp_path)


def test_a_description_needs_no_weights(folder):
  (folder / 'model.safetensors').unlink()
  text = convert.describe(str(folder))
  lines = dict(line.split(maxsplit=1) for line in text.splitlines())
  assert lines['family'] == 'Llama (LlamaForCausalLM)'
  assert lines['layers'] == '2 of width 16, MLP 24 (gated silu)'
  count = parameters.num_params(Decoder(CONFIG))
  assert lines['parameters'] == f'{count:,}'
  assert lines['RoPE'] == 'base 10,000'
  assert lines['window'] == 'none'
  assert lines['tokenizer'] == 'none: there is no tokenizer.json'


def test_a_description_tells_local_layers_and_the_tokenizer(tmp_path):
  path = tmp_path / 'model.gguf'
  config = dataclasses.replace(
    tiny_models.GEMMA, local_rope_base=1e4, layer_kinds=('local',)
  )
  gguf_models.write(path, tiny_models.random_params(config), config)
  text = convert.describe(str(path))
  assert 'window      3 tokens in 2 layers' in text
  assert 'byte-level BPE, 50 tokens; no BOS; no chat template' in text
  assert 'queries and keys normalized' in text


def test_the_tokenizer_of_another_model_is_named(folder, tmp_path):
  gguf_models.write(
    tmp_path / 'other.gguf', tiny_models.random_params(CONFIG), CONFIG
  )
  tokenizer = tokenizer_files.from_file(tmp_path / 'other.gguf')
  tokenizer.add_tokens(['<13>', '<14>'])
  tokenizer.save(str(folder / 'tokenizer.json'))
  message = r'tokenizer\.json has 14 tokens, but vocab_size of the model is 12'
  with pytest.raises(ValueError, match=message):
    convert.describe(str(folder))
  with pytest.raises(ValueError, match=message):
    convert.convert(str(folder), str(tmp_path / 'copy'))
  assert not (tmp_path / 'copy').exists()
