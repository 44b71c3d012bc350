"""Gemma 3's files, and its logits against those of transformers."""

import dataclasses
import json

import gin
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import gguf, huggingface
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

CONFIG = DecoderConfig(
  vocab_size=10,
  num_layers=3,
  embed_dim=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=8,
  mlp_dim=40,
  activation='gelu',
  norm_epsilon=1e-6,
  qk_norm=True,
  post_norms=True,
  rope_base=1e6,
  local_window=3,
  global_every=2,
  local_rope_base=100.0,
  scaled_embeddings=True,
  context_length=64,
)
MODEL = Decoder(CONFIG)
TOKENS = np.array([[2, 7, 1, 8, 2, 8, 1, 8, 2, 8]])
# What transformers 5.23 makes of the parameters below, at the last position.
LOGITS = (
  -1.893407,
  0.820170,
  0.360876,
  -0.811139,
  -1.156974,
  1.192233,
  0.140546,
  0.308995,
  3.089618,
  0.466926,
)


@pytest.fixture(scope='module')
def params():
  """Parameters that NumPy draws alike everywhere; norms near one."""
  rng = np.random.default_rng(0)

  def draw(path, x):
    mean = 1.0 if path[-1].key == 'scale' else 0.0
    return rng.normal(mean, 0.3, x.shape).astype(np.float32)

  return jax.tree.map_with_path(draw, parameters.abstract_params(MODEL))


@pytest.fixture
def folder(tmp_path, params):
  folder = tmp_path / 'exported'
  huggingface.export(params, CONFIG, folder)
  return folder


def _assert_close(found, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected
  )


def test_logits_are_those_of_transformers(params):
  logits = MODEL.apply({'params': params}, TOKENS)
  np.testing.assert_allclose(logits[0, -1], LOGITS, atol=1e-4)


def test_an_export_is_imported(folder, params):
  assert huggingface.decoder_config(folder) == CONFIG
  _assert_close(parameters.load_params(folder, MODEL), params)


def test_the_form_of_newer_files_is_read(folder):
  path = folder / 'config.json'
  values = json.loads(path.read_text())
  del values['rope_theta'], values['rope_local_base_freq']
  del values['sliding_window_pattern']
  values['rope_parameters'] = {
    'full_attention': {'rope_type': 'default', 'rope_theta': 1e6},
    'sliding_attention': {'rope_type': 'default', 'rope_theta': 100.0},
  }
  path.write_text(json.dumps(values))
  assert huggingface.decoder_config(folder) == CONFIG


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('layer_types', ['full_attention', 'full_attention', 'sliding_attention']),
    ('query_pre_attn_scalar', 168),
    ('rope_scaling', {'rope_type': 'linear', 'factor': 8.0}),
    ('final_logit_softcapping', 30.0),
    ('use_bidirectional_attention', True),
  ],
)
def test_what_the_decoder_cannot_do_is_refused(folder, key, value):
  path = folder / 'config.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
  with pytest.raises(ValueError, match=r'config\.json is .* is supported'):
    huggingface.decoder_config(folder)


def test_a_gguf_file_is_read(tmp_path, params, write_gguf):
  """llama.cpp fixes two numbers that the format has no place for."""
  config = dataclasses.replace(CONFIG, global_every=6, local_rope_base=10_000.0)
  path = tmp_path / 'gemma.gguf'
  write_gguf(path, params, config, architecture='gemma3')
  assert gguf.decoder_config(path) == config
  _assert_close(parameters.load_params(path, Decoder(config)), params)


def test_half_a_gemma_has_no_published_form(tmp_path, params):
  config = dataclasses.replace(CONFIG, qk_norm=False)
  with pytest.raises(ValueError, match='qk_norm is False, Gemma 3 needs True'):
    huggingface.export(params, config, tmp_path / 'model')


@pytest.mark.parametrize(
  ('name', 'count'),
  [('gemma3_270m', 268_098_176), ('gemma3_1b', 999_885_952)],
)
def test_gin_files_have_the_published_number_of_parameters(name, count):
  gin_utils.parse([f'models/{name}.gin'], ["CHECKPOINT = 'folder'"])
  model = gin.get_configurable(Decoder)()
  gin.clear_config()
  assert parameters.num_params(model) == count


def test_transformers_opens_an_export(folder, params):
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
  with torch.no_grad():
    expected = theirs(torch.tensor(TOKENS)).logits.numpy()
  found = MODEL.apply({'params': params}, jnp.asarray(TOKENS))
  np.testing.assert_allclose(found, expected, atol=1e-4)
