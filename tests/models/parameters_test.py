"""Fresh parameters, our own checkpoints, and paths that hold neither."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import tiny_models

from symbol_tuning.evaluation import checkpoint_queue
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.decoder import Decoder


@pytest.fixture
def model_dir(tmp_path, params):
  """A run's folder with checkpoints of steps 2 and 10."""
  with ocp.CheckpointManager(tmp_path / 'checkpoints') as manager:
    for step in (2, 10):
      state = {
        'step': jnp.asarray(step),
        'params': jax.tree.map(lambda x, step=step: x + step, params),
        'opt_state': {'v': np.ones(3)},
        'rng': jax.random.key_data(jax.random.key(0)),
      }
      data = {'position': step}
      manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(data)
        ),
      )
  return tmp_path


def _assert_same(found, expected):
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_the_newest_checkpoint_of_a_run_is_read(
  model_dir, model, params, monkeypatch
):
  monkeypatch.chdir(model_dir.parent)
  newest = jax.tree.map(lambda x: x + 10, params)
  oldest = jax.tree.map(lambda x: x + 2, params)
  for path, expected in (
    (model_dir, newest),
    (model_dir.name, newest),
    (model_dir / 'checkpoints', newest),
    (model_dir / 'checkpoints' / '2', oldest),
    (model_dir / 'checkpoints' / '2' / 'state', oldest),
  ):
    _assert_same(parameters.load_params(path, model), expected)


def test_a_checkpoint_of_t5x_is_read(tmp_path, model, params):
  step = tmp_path / 'checkpoint_60'
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(step / 'state', {'step': 60, 'target': params})
  _assert_same(parameters.load_params(str(step), model), params)


def test_the_latest_checkpoint_of_a_model_dir_of_t5x_is_read(
  tmp_path, model, params, capsys
):
  """Beside what else T5X writes there, and what it has not finished."""
  with ocp.StandardCheckpointer() as checkpointer:
    for step in (0, 60, 120):
      target = jax.tree.map(lambda x, step=step: x + step, params)
      folder = tmp_path / f'checkpoint_{step}'
      saved = {'state': {'step': step}, 'target': target}
      checkpointer.save(folder / 'state', saved)
  for name in ('checkpoint_180.orbax-checkpoint-tmp-5', 'train', 'config.gin'):
    (tmp_path / name / 'state').mkdir(parents=True)
  latest = jax.tree.map(lambda x: x + 120, params)
  _assert_same(parameters.load_params(tmp_path, model), latest)
  assert f'{tmp_path}/checkpoint_120 has no digests' in capsys.readouterr().out


def test_a_saved_checkpoint_is_read_in_the_models_dtype(
  tmp_path, config, params
):
  native.save(params, config, tmp_path / 'converted')
  half = Decoder(dataclasses.replace(config, param_dtype='bfloat16'))
  loaded = parameters.load_params(tmp_path / 'converted', half)
  _assert_same(loaded, jax.tree.map(lambda x: x.astype('bfloat16'), params))


@pytest.mark.parametrize('kind', ['checkpoint', 'huggingface'])
def test_parameters_go_where_the_shardings_say(
  tmp_path, config, model, params, kind
):
  if kind == 'checkpoint':
    native.save(params, config, tmp_path / 'saved')
  else:
    parameters.export(params, config, tmp_path / 'saved')
  mesh = jax.make_mesh((1, 1), ('fsdp', 'tensor'))
  shardings = tiny_models.shardings(model, mesh, embed='fsdp', mlp='tensor')
  loaded = parameters.load_params(tmp_path / 'saved', model, shardings)
  assert jax.tree.map(lambda x: x.sharding, loaded) == shardings
  _assert_same(loaded, params)
  fresh = parameters.init_params(model, jax.random.key(0), shardings)
  assert jax.tree.map(lambda x: x.sharding, fresh) == shardings


def test_fresh_parameters_have_the_spread_of_their_inputs(config):
  config = dataclasses.replace(
    config, embed_dim=64, mlp_dim=256, vocab_size=500
  )
  params = parameters.init_params(Decoder(config), jax.random.key(0))
  block = params['layers']
  for array, inputs in (
    (params['token_embedding']['embedding'], 64),
    (block['attention']['query']['kernel'], 64),
    (block['attention']['output']['kernel'], 4 * 8),
    (block['mlp']['down']['kernel'], 256),
  ):
    np.testing.assert_allclose(array.std(), inputs**-0.5, rtol=0.05)
  first, second = block['mlp']['up']['kernel'][:2]
  assert np.abs(first - second).max() > 0.01


def test_another_shape_is_named_with_both_and_its_cause(model_dir, config):
  other = Decoder(dataclasses.replace(config, vocab_size=11))
  with pytest.raises(ValueError) as error:
    parameters.load_params(model_dir, other)
  for part in (
    'token_embedding/embedding in ',
    'has shape (10, 24), but the model needs (11, 24)',
    'DecoderConfig.vocab_size',
  ):
    assert part in str(error.value)


def test_another_layout_is_named(model_dir, config):
  unscanned = Decoder(dataclasses.replace(config, scan_layers=False))
  with pytest.raises(ValueError, match=r'lacks layers_0/.*scan_layers'):
    parameters.load_params(model_dir, unscanned)


@pytest.mark.parametrize(
  ('saved', 'named'),
  [
    ('checkpoints/10', 'checkpoints/10'),
    ('checkpoint_60', 'checkpoint_60'),
    ('', 'state'),
  ],
)
def test_a_folder_of_two_models_is_refused_until_one_is_named(
  tmp_path, config, model, params, saved, named
):
  """As where a run was kept in the folder of the model it started from."""
  native.save(params, config, tmp_path / saved)
  other = jax.tree.map(lambda x: x + 1, params)
  parameters.export(other, config, tmp_path)
  message = f'name {tmp_path / named} to read what was trained'
  with pytest.raises(ValueError, match=message):
    parameters.load_params(tmp_path, model)
  with pytest.raises(ValueError, match=message):
    checkpoint_queue.named(str(tmp_path))
  _assert_same(parameters.load_params(tmp_path / named, model), params)
  weights = tmp_path / 'model.safetensors'
  _assert_same(parameters.load_params(weights, model), other)
  weights.unlink()
  _assert_same(parameters.load_params(tmp_path, model), params)


@pytest.mark.parametrize(
  ('path', 'there', 'message'),
  [
    ('nowhere', 'run', r'No checkpoint at .*nowhere'),
    ('run', 'run', 'is no checkpoint: expected'),
    ('run', 'run/checkpoints/5.orbax-checkpoint-tmp', 'no finished checkpoint'),
  ],
)
def test_where_there_is_no_checkpoint_it_is_said(
  tmp_path, model, path, there, message
):
  (tmp_path / there).mkdir(parents=True)
  with pytest.raises(FileNotFoundError, match=message):
    parameters.load_params(tmp_path / path, model)


def test_a_mesh_in_force_does_not_change_shapes_and_axes(model):
  shapes, axes = (
    parameters.abstract_params(model),
    parameters.logical_axes(model),
  )
  mesh = jax.make_mesh((2,), ('tensor',), (jax.sharding.AxisType.Auto,))
  rules = (('heads', 'tensor'), ('vocab', 'tensor'), ('kv_heads', 'tensor'))
  with jax.set_mesh(mesh), nn.logical_axis_rules(rules):
    assert parameters.abstract_params(model) == shapes
    assert parameters.logical_axes(model) == axes
