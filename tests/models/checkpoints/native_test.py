"""Which decoder a checkpoint of ours is of, which its shapes do not tell."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import tiny_models

from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.models.rotary import RopeScaling

LONG = RopeScaling(
  'longrope', 4.0, 64, short_factors=(1.0,) * 4, long_factors=(2.0, 3.0) * 2
)


@pytest.fixture
def saved(tmp_path, params, config):
  native.save(params, config, tmp_path / '3')
  return tmp_path / '3'


@pytest.mark.parametrize(
  ('field', 'value', 'told'),
  [
    ('rope_base', 1e6, 'rope_base is 1000000.0 and 5000.0 in the checkpoint'),
    ('norm_epsilon', 1e-6, 'norm_epsilon is 1e-06 and 1e-05'),
    ('activation', 'gelu', "activation is 'gelu' and 'silu'"),
    ('rope_scaling', LONG, 'and None in the checkpoint'),
  ],
)
def test_a_decoder_that_computes_something_else_is_refused(
  saved, config, field, value, told
):
  other = Decoder(dataclasses.replace(config, **{field: value}))
  with pytest.raises(ValueError) as error:
    parameters.load_params(saved, other)
  assert str(error.value).startswith(f'{saved} is of another model: ')
  assert told in str(error.value)


@tiny_models.of_families(
  stretched=dataclasses.replace(tiny_models.LLAMA, rope_scaling=LONG)
)
def test_a_decoder_that_computes_the_same_is_not(tmp_path, config):
  params = tiny_models.random_params(config)
  native.save(params, config, tmp_path)
  same = dataclasses.replace(
    config,
    remat='full',
    context_length=99,
    layer_kinds=config.kind_of_layer,
  )
  loaded = parameters.load_params(tmp_path, Decoder(same))
  jax.tree.map(np.testing.assert_array_equal, loaded, params)


def test_a_record_of_another_version_is_read_as_far_as_it_is_understood(
  saved, config, model
):
  for name in ('digests.json', 'digests-commit.json'):
    (saved / name).unlink(missing_ok=True)
  values = json.loads((saved / 'decoder.json').read_text())
  values.pop('conv_width')
  (saved / 'decoder.json').write_text(json.dumps(values))
  parameters.load_params(saved, model)
  with pytest.raises(ValueError, match='rope_base'):
    parameters.load_params(
      saved, Decoder(dataclasses.replace(config, rope_base=1e4))
    )
  (saved / 'decoder.json').write_text(json.dumps(values | {'experts': 8}))
  with pytest.raises(ValueError, match=r'decoder\.json is not .*experts'):
    parameters.load_params(saved, model)


def test_a_checkpoint_without_a_record_is_read_without_a_word_of_it(
  saved, config, params, capsys
):
  (saved / 'decoder.json').unlink()
  (saved / 'digests.json').unlink()
  other = Decoder(dataclasses.replace(config, rope_base=1e6))
  loaded = parameters.load_params(saved, other)
  jax.tree.map(np.testing.assert_array_equal, loaded, params)
  assert 'decoder' not in capsys.readouterr().out
