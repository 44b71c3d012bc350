"""A small Llama."""

import jax
import numpy as np
import pytest
from gguf_models import TOKENS

from symbol_tuning.models import parameters
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
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: rng.normal(size=x.shape, scale=0.3).astype(np.float32),
    parameters.abstract_params(model),
  )
