"""The real SmolLM2-135M-Instruct against transformers, where both are at hand.

SYMBOL_TUNING_GGUF names the model's GGUF file.
"""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from symbol_tuning.data.vocabularies import tokenizer_files
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder

PATH = os.environ.get('SYMBOL_TUNING_GGUF')
pytestmark = pytest.mark.skipif(
  not PATH, reason='SYMBOL_TUNING_GGUF does not name a SmolLM2 GGUF file'
)

TEXTS = (
  'The capital of France is',
  'Input: a good film\nOutput: 4821\n\nInput: dull\nOutput:',
  'In 2023 there were 1234567 items; 3.14159!',
  "naïve café 😀👩‍👩‍👧 中文 don't\r\n\t  <|im_start|>user\nHi<|im_end|>\n",
)


@pytest.fixture(scope='module')
def model():
  return Decoder(parameters.read_config(PATH))


@pytest.fixture(scope='module')
def params(model):
  return parameters.load_params(PATH, model)


def test_it_knows_the_capital_of_france(model, params):
  tokenizer = tokenizer_files.from_file(PATH)
  tokens = jnp.array([tokenizer.encode(TEXTS[0]).ids])
  logits = model.apply({'params': params}, tokens)
  assert tokenizer.decode([int(logits[0, -1].argmax())]) == ' Paris'


def test_it_agrees_with_transformers(model, params, tmp_path):
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  pytest.importorskip('accelerate')  # which it needs for GGUF
  source = {'gguf_file': Path(PATH).name}
  folder = Path(PATH).parent
  tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **source)
  ours = tokenizer_files.from_file(PATH)
  theirs = transformers.AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float32, **source
  )
  exported = tmp_path / 'exported'
  parameters.export(params, model.config, exported)
  tokenizer_files.write(PATH, exported)
  reopened = transformers.AutoModelForCausalLM.from_pretrained(exported)
  for text in TEXTS:
    tokens = tokenizer(text)['input_ids']
    assert ours.encode(text).ids == tokens
    with torch.no_grad():
      expected, again = (
        model(torch.tensor([tokens])).logits.numpy()
        for model in (theirs, reopened)
      )
    found = model.apply({'params': params}, jnp.array([tokens]))
    assert np.abs(found - expected).max() < 1e-3
    np.testing.assert_array_equal(again, expected)
