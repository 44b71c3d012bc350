"""Round trips between the formats of a checkpoint."""

import jax
import numpy as np
import pytest

from symbol_tuning import convert
from symbol_tuning.models import parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

CONFIG = DecoderConfig(12, 2, 16, 2, 1, 8, 24)


@pytest.fixture
def folder(tmp_path):
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda x: rng.normal(size=x.shape).astype(np.float32),
    parameters.abstract_params(Decoder(CONFIG)),
  )
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


def test_nothing_is_overwritten(folder, tmp_path):
  with pytest.raises(FileExistsError, match='name a folder that does not'):
    convert.convert(folder, tmp_path)
