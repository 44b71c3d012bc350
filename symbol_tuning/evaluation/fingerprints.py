"""Fingerprints tell parameters and questions apart, from run to run."""

import hashlib
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning.models import decoder


def of_parameters(model: decoder.Decoder, params: Any) -> str:
  """Tells models and their parameters apart."""
  digest = hashlib.sha256(repr(model.config).encode())
  moments = multihost_utils.process_allgather(_moments(params), tiled=True)
  digest.update(np.asarray(moments).tobytes())
  return digest.hexdigest()


@jax.jit
def _moments(params: Any) -> jax.Array:
  arrays = [x.astype(jnp.float32) for x in jax.tree.leaves(params)]
  return jnp.stack([jnp.stack([x.sum(), jnp.abs(x).sum()]) for x in arrays])


def of_values(values: Iterable[Any]) -> str:
  """Tells series of plain values apart, such as other fingerprints."""
  digest = hashlib.sha256()
  for value in values:
    digest.update(repr(value).encode())
  return digest.hexdigest()
