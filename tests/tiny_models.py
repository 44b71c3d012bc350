"""Decoders of every family, small enough to compile in a second."""

import dataclasses

import jax
import numpy as np

from symbol_tuning.models import parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

LLAMA = DecoderConfig(
  vocab_size=50,
  num_layers=2,
  embed_dim=16,
  num_heads=4,
  num_kv_heads=2,
  head_dim=8,
  mlp_dim=24,
)
PALM = dataclasses.replace(
  LLAMA, num_kv_heads=1, parallel_block=True, norm='layer', scaled_logits=True
)
PRIMER = dataclasses.replace(LLAMA, conv_width=4)
GEMMA = dataclasses.replace(
  LLAMA,
  num_kv_heads=1,
  activation='gelu',
  qk_norm=True,
  post_norms=True,
  rope_base=1e6,
  local_window=3,
  global_every=2,
  scaled_embeddings=True,
)


def random_params(config: DecoderConfig):
  """Parameters with no zeros or ones left by an initializer."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: rng.normal(size=x.shape, scale=0.3).astype(np.float32),
    parameters.abstract_params(Decoder(config)),
  )
