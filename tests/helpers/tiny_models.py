"""Decoders of every family, small enough to compile in a second."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.models import parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

# Whose arrays four devices can share in every way.
TINY = DecoderConfig(
  vocab_size=32,
  num_layers=2,
  embed_dim=8,
  num_heads=4,
  num_kv_heads=1,
  head_dim=4,
  mlp_dim=16,
)
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
  qk_norm='head',
  post_norms=True,
  centered_norms=True,
  rope_base=1e6,
  local_window=3,
  local_rope_base=10_000.0,
  layer_kinds=('local', 'global'),
  embedding_multiplier=4.0,
)


def of_families(**more):
  """Runs a test with a decoder of each kind, as `config`."""
  configs = {'llama': LLAMA, 'palm': PALM, 'primer': PRIMER, 'gemma': GEMMA}
  configs |= more
  return pytest.mark.parametrize('config', configs.values(), ids=configs)


def random_params(config: DecoderConfig, scale=0.3):
  """Parameters with no zeros or ones left by an initializer."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: rng.normal(0, scale, x.shape).astype(x.dtype),
    parameters.abstract_params(Decoder(config)),
  )


def shardings(model, mesh, **rules):
  """The layout of parameters whose logical axes go to axes of a mesh."""
  return jax.tree.map(
    lambda names: jax.sharding.NamedSharding(
      mesh, jax.sharding.PartitionSpec(*map(rules.get, names))
    ),
    parameters.logical_axes(model),
  )


def stack_layers(params):
  """From the layout of unscanned layers to that of scanned layers."""
  num_layers = sum(name.startswith('layers_') for name in params)
  blocks = [params[f'layers_{i}'] for i in range(num_layers)]
  rest = {k: v for k, v in params.items() if not k.startswith('layers_')}
  return {**rest, 'layers': jax.tree.map(lambda *x: jnp.stack(x), *blocks)}


def unstack_layers(params):
  """From the layout of scanned layers to that of unscanned layers."""
  rest = {k: v for k, v in params.items() if k != 'layers'}
  num_layers = jax.tree.leaves(params['layers'])[0].shape[0]
  blocks = {
    f'layers_{i}': jax.tree.map(lambda x, i=i: x[i], params['layers'])
    for i in range(num_layers)
  }
  return {**rest, **blocks}
