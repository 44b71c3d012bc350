"""Tiny models that transformers made, read from its files.

tests/golden/make_golden.py made them; it runs where torch and transformers are.
"""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.models import kv_cache, parameters
from symbol_tuning.models.decoder import Decoder

FOLDER = pathlib.Path(__file__).parents[2] / 'golden'
NAMES = sorted(path.parent.name for path in FOLDER.glob('*/config.json'))
MODELS = pytest.mark.parametrize('name', NAMES)


@functools.cache
def load(name, scan_layers=True):
  """The model, its parameters, and its compiled `apply` by method."""
  model = Decoder(
    parameters.read_config(FOLDER / name, scan_layers=scan_layers)
  )
  return model, parameters.load_params(FOLDER / name, model)


@functools.cache
def hidden_states(name):
  model, params = load(name)
  apply = functools.partial(model.apply, method='hidden_states')
  return functools.partial(jax.jit(apply), {'params': params})


def recorded(name):
  with np.load(FOLDER / name / 'logits.npz') as arrays:
    return arrays['tokens'], arrays['logits']


@MODELS
@pytest.mark.parametrize('scan_layers', [True, False])
def test_logits_are_those_of_transformers(name, scan_layers):
  model, params = load(name, scan_layers)
  tokens, expected = recorded(name)
  found = jax.jit(model.apply)({'params': params}, tokens)
  np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


@MODELS
@pytest.mark.parametrize('scan_layers', [True, False])
def test_an_export_is_opened_again_bit_by_bit(name, scan_layers, tmp_path):
  model, params = load(name, scan_layers)
  family = parameters.read_family(FOLDER / name)
  parameters.export(params, model.config, tmp_path, family)
  config = parameters.read_config(tmp_path, scan_layers=scan_layers)
  assert config == model.config
  again = parameters.load_params(tmp_path, model)
  jax.tree.map(np.testing.assert_array_equal, again, params)
  types = [
    json.loads((folder / 'config.json').read_text())['model_type']
    for folder in (tmp_path, FOLDER / name)
  ]
  assert types[0] == types[1]


@MODELS
def test_transformers_opens_an_export(name, tmp_path):
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  model, params = load(name)
  parameters.export(
    params,
    model.config,
    tmp_path,
    parameters.read_family(FOLDER / name),
    {'pad_token_id': 0},  # some families' own is beyond so few tokens
  )
  theirs = transformers.AutoModelForCausalLM.from_pretrained(
    tmp_path, attn_implementation='eager', dtype=torch.float32
  )
  tokens, expected = recorded(name)
  with torch.no_grad():
    found = theirs(torch.tensor(tokens, dtype=torch.int64)).logits.numpy()
  np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@MODELS
def test_the_recorded_models_are_those_that_the_script_makes(name, tmp_path):
  pytest.importorskip('torch')
  pytest.importorskip('transformers')
  from golden import make_golden

  make_golden.make(name, tmp_path)
  tokens, expected = recorded(name)
  with np.load(tmp_path / 'logits.npz') as again:
    np.testing.assert_array_equal(again['tokens'], tokens)
    np.testing.assert_allclose(again['logits'], expected, atol=1e-5, rtol=1e-5)


@MODELS
def test_reading_on_from_a_cache_is_reading_everything(name):
  model, params = load(name)
  tokens, _ = recorded(name)
  whole = hidden_states(name)(tokens)
  extend = jax.jit(functools.partial(model.apply, method='extend'))
  cache = kv_cache.empty(model.config, len(tokens), tokens.shape[1])
  for start in range(0, tokens.shape[1], 8):
    x, cache = extend(
      {'params': params}, cache, tokens[:, start : start + 8], jnp.array([8, 8])
    )
    np.testing.assert_allclose(
      x, whole[:, start : start + 8], atol=1e-4, rtol=1e-4
    )


@MODELS
def test_branches_are_read_as_if_alone(name):
  """Two ways on from a prompt of 14 tokens, of 4 and of 6."""
  tokens, _ = recorded(name)
  row = tokens[:1]
  positions = np.array([[*range(14), *range(14, 18), *range(14, 20)]])
  branches = np.repeat([[0, 1, 2]], [14, 4, 6], axis=1)
  segments = np.ones_like(row)
  together = hidden_states(name)(row, positions, segments, branches)[0]
  second = np.concatenate([row[:, :14], row[:, 18:], row[:, :4]], axis=1)
  for alone, found, length in (
    (row, together[:18], 18),
    (second, jnp.concatenate([together[:14], together[18:]]), 20),
  ):
    expected = hidden_states(name)(alone)[0, :length]
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_no_two_of_the_models_are_configured_alike():
  assert len({load(name)[0].config for name in NAMES}) == len(NAMES)
