"""Folders of config.json and safetensors, written and read back."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import safetensors.numpy
import tiny_models

from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import safetensors_files
from symbol_tuning.models.decoder import Decoder


@pytest.fixture
def folder(tmp_path, params, config):
  folder = tmp_path / 'exported'
  parameters.export(params, config, folder)
  return folder


def _assert_same(found, expected):
  def check(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)

  jax.tree.map(check, found, expected)


@pytest.mark.parametrize('tied', [True, False])
def test_an_export_is_imported_bit_by_bit(tmp_path, config, tied):
  config = dataclasses.replace(
    config, tied_embeddings=tied, param_dtype='bfloat16', norm_epsilon=1e-6
  )
  model = Decoder(config)
  params = tiny_models.random_params(config)
  parameters.export(params, config, tmp_path / 'model')
  found = parameters.read_config(tmp_path / 'model', param_dtype='bfloat16')
  assert found == config
  _assert_same(parameters.load_params(tmp_path / 'model', model), params)


def test_weights_may_be_split_over_files(folder, model, params):
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  (folder / 'model.safetensors').unlink()
  names = sorted(tensors)
  parts = {'a.safetensors': names[::2], 'b.safetensors': names[1::2]}
  for file, part in parts.items():
    part_tensors = {name: tensors[name] for name in part}
    safetensors.numpy.save_file(part_tensors, folder / file)
  weight_map = {name: file for file, part in parts.items() for name in part}
  index = folder / 'model.safetensors.index.json'
  index.write_text(json.dumps({'weight_map': weight_map}))
  _assert_same(parameters.load_params(folder, model), params)
  (folder / 'b.safetensors').unlink()
  with pytest.raises(FileNotFoundError, match=r'lacks b\.safetensors'):
    parameters.load_params(folder, model)


def test_a_repeated_tied_embedding_is_left_out(folder, model, params):
  path = folder / 'model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  tensors['lm_head.weight'] = tensors['model.embed_tokens.weight']
  safetensors.numpy.save_file(tensors, path)
  _assert_same(parameters.load_params(path, model), params)
  tensors['lm_head.weight'] = tensors['lm_head.weight'] + 1
  safetensors.numpy.save_file(tensors, path)
  with pytest.raises(ValueError, match=r'no place for: lm_head\.weight'):
    parameters.load_params(path, model)


def test_a_truncated_file_is_named(folder, model):
  path = folder / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(ValueError, match=r'model\.safetensors is not a whole'):
    parameters.load_params(folder, model)


def test_another_shape_is_named_with_both_and_its_cause(folder, config):
  other = Decoder(dataclasses.replace(config, mlp_dim=48))
  with pytest.raises(ValueError) as error:
    parameters.load_params(folder / 'model.safetensors', other)
  for part in (
    'model.layers.0.mlp.down_proj.weight in ',
    'has shape (24, 40), but the model needs (24, 48)',
    'DecoderConfig.mlp_dim',
  ):
    assert part in str(error.value)


def test_another_number_of_layers_is_named(folder, config):
  for count, problem in ((2, 'has no place for'), (4, 'lacks')):
    other = Decoder(dataclasses.replace(config, num_layers=count))
    with pytest.raises(ValueError, match=f'{problem}.*num_layers'):
      parameters.load_params(folder / 'model.safetensors', other)


def test_each_device_reads_its_own_ranges_once(
  folder, config, params, monkeypatch
):
  """A quarter of each matrix and no byte of another device's."""
  ranges = []
  read = safetensors_files.SafeTensor.__getitem__

  def recorded(tensor, index):
    array = read(tensor, index)
    ranges.append(array.size)
    return array

  monkeypatch.setattr(safetensors_files.SafeTensor, '__getitem__', recorded)
  model = Decoder(config)
  mesh = jax.make_mesh((4,), ('fsdp',))
  shardings = tiny_models.shardings(model, mesh, embed='fsdp')
  loaded = parameters.load_params(folder, model, shardings)
  _assert_same(loaded, params)
  assert sum(ranges) == parameters.num_params(model)
  assert max(ranges) == 40 * 24 // 4


def test_an_index_may_not_lead_out_of_the_folder(folder, model):
  (folder / 'model.safetensors').unlink()
  index = folder / 'model.safetensors.index.json'
  for name in ('../other.safetensors', '/etc/passwd', 'a/b.safetensors'):
    index.write_text(json.dumps({'weight_map': {'x': name}}))
    with pytest.raises(ValueError, match='is not a file of this folder'):
      parameters.load_params(folder, model)
  index.write_text('{}')
  message = r'index\.json is not an index of weights'
  with pytest.raises(ValueError, match=message):
    parameters.load_params(folder, model)


def test_a_pickle_is_refused_with_what_makes_safetensors_of_it(folder, model):
  (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')
  with pytest.raises(FileNotFoundError, match=r'a pickle.*python -c') as error:
    parameters.load_params(folder, model)
  assert '\n' not in str(error.value)


def test_numbers_of_another_kind_are_named(folder, model):
  path = folder / 'model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  name = 'model.norm.weight'
  tensors[name] = tensors[name].astype(np.int8)
  safetensors.numpy.save_file(tensors, path)
  with pytest.raises(
    ValueError, match=r'model\.norm\.weight in .* is of dtype'
  ):
    parameters.load_params(folder, model)


def test_leftovers_and_a_missing_beginning_of_names_do_no_harm(
  folder, model, params
):
  path = folder / 'model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  tensors['model.layers.0.self_attn.rotary_emb.inv_freq'] = np.ones(4)
  tensors['model.layers.0.attn.masked_bias'] = np.ones(1)
  safetensors.numpy.save_file(tensors, path)
  _assert_same(parameters.load_params(folder, model), params)
  tensors = {name.removeprefix('model.'): x for name, x in tensors.items()}
  safetensors.numpy.save_file(tensors, path)
  _assert_same(parameters.load_params(folder, model), params)


@pytest.mark.parametrize(
  'prefix', ['language_model.model.', 'model.language_model.']
)
def test_the_text_part_of_a_model_that_sees_images_is_read(tmp_path, prefix):
  config = tiny_models.GEMMA
  params = tiny_models.random_params(config)
  parameters.export(params, config, tmp_path)
  path = tmp_path / 'model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  tensors = {
    name.replace('model.', prefix, 1): x for name, x in tensors.items()
  }
  tensors['vision_tower.patch.weight'] = np.ones(3, np.float32)
  tensors['model.multi_modal_projector.weight'] = np.ones(3, np.float32)
  safetensors.numpy.save_file(tensors, path)
  text = json.loads((tmp_path / 'config.json').read_text())
  values = {'model_type': 'gemma3', 'text_config': text}
  (tmp_path / 'config.json').write_text(json.dumps(values))
  _assert_same(parameters.load_params(tmp_path, Decoder(config)), params)


def test_what_is_written_is_split_into_files_of_limited_size(
  tmp_path, config, model, params
):
  parameters.export(params, config, tmp_path, shard_bytes=10_000)
  paths = sorted(tmp_path.glob('model-*-of-*.safetensors'))
  assert len(paths) > 2
  assert max(path.stat().st_size for path in paths) < 12_000
  _assert_same(parameters.load_params(tmp_path, model), params)


def test_an_export_replaces_one_of_another_number_of_files(
  tmp_path, config, model, params
):
  for shift, shard_bytes in enumerate((20_000, 10_000, 10**9, 10_000), 1):
    shifted = jax.tree.map(lambda x, shift=shift: x + shift, params)
    parameters.export(shifted, config, tmp_path, shard_bytes=shard_bytes)
    _assert_same(parameters.load_params(tmp_path, model), shifted)
    names = {path.name for path in tmp_path.glob('*.safetensors')}
    index = tmp_path / 'model.safetensors.index.json'
    if index.exists():
      weight_map = json.loads(index.read_text())['weight_map']
      assert names == set(weight_map.values())
    else:
      assert names == {'model.safetensors'}


@pytest.mark.parametrize('shard_bytes', [10_000, 10**9])
def test_half_of_an_export_is_not_read_with_the_rest_of_an_earlier_one(
  folder, config, model, params, shard_bytes
):
  broken = {name: x for name, x in params.items() if name != 'token_embedding'}
  with pytest.raises(KeyError, match='token_embedding'):
    parameters.export(broken, config, folder, shard_bytes=shard_bytes)
  assert bool(list(folder.glob('*.safetensors'))) == (shard_bytes == 10_000)
  with pytest.raises(FileNotFoundError, match='is no checkpoint'):
    parameters.load_params(folder, model)


def test_one_file_is_read_before_those_of_an_index_as_transformers_does(
  folder, config, model, params
):
  weights = (folder / 'model.safetensors').read_bytes()
  older = jax.tree.map(lambda x: x + 1, params)
  parameters.export(older, config, folder, shard_bytes=10_000)
  (folder / 'model.safetensors').write_bytes(weights)
  _assert_same(parameters.load_params(folder, model), params)


def test_an_adapter_beside_a_model_is_not_left_out_in_silence(folder, model):
  (folder / 'adapter_config.json').write_text('{"peft_type": "LORA"}')
  with pytest.raises(ValueError, match='merge it into the model'):
    parameters.load_params(folder, model)
