"""Tiny decoders, of 50 tokens and of bytes."""

import dataclasses

import jax
import pytest
from tiny_models import LLAMA, PRIMER

import symbol_tuning.tasks  # noqa: F401  # Registers the tasks.
from symbol_tuning.data import vocabularies
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder


@pytest.fixture(scope='session')
def model():
  return Decoder(PRIMER)


@pytest.fixture(scope='session')
def params(model):
  return parameters.init_params(model, jax.random.key(0))


@pytest.fixture(scope='session')
def byte_model():
  size = vocabularies.Bytes().load().vocab_size
  return Decoder(dataclasses.replace(LLAMA, vocab_size=size, num_layers=1))


@pytest.fixture(scope='session')
def byte_params(byte_model):
  return parameters.init_params(byte_model, jax.random.key(0))
