"""A small Llama."""

import pytest
import tiny_models
from gguf_models import TOKENS

from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder


@pytest.fixture
def config():
  return DecoderConfig(
    vocab_size=len(TOKENS),
    num_layers=3,
    embed_dim=24,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    mlp_dim=40,
    rope_base=5000.0,
    context_length=64,
  )


@pytest.fixture
def model(config):
  return Decoder(config)


@pytest.fixture
def params(model):
  return tiny_models.random_params(model.config)
