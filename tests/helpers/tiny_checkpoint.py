"""A tiny checkpoint of an open model, in Hugging Face's layout."""

import json

import byte_level
import jax

from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder

_CONFIG = {
  'architectures': ['LlamaForCausalLM'],
  'model_type': 'llama',
  'vocab_size': 258,
  'hidden_size': 16,
  'intermediate_size': 32,
  'num_hidden_layers': 2,
  'num_attention_heads': 2,
  'num_key_value_heads': 1,
  'max_position_embeddings': 4096,
  'rms_norm_eps': 1e-5,
  'rope_theta': 10000.0,
  'hidden_act': 'silu',
  'tie_word_embeddings': True,
  'bos_token_id': 257,
  'eos_token_id': 256,
}


def write(folder, **values):
  """A Llama of a few thousand parameters, with a byte-level tokenizer."""
  folder.mkdir(parents=True)
  (folder / 'config.json').write_text(json.dumps(_CONFIG | values))
  tokenizer = byte_level.tokenizer('<|end|>', '<|start|>')
  tokenizer.save(str(folder / 'tokenizer.json'))
  config = parameters.read_config(str(folder))
  params = parameters.init_params(Decoder(config), jax.random.key(0))
  family = parameters.read_family(str(folder))
  special = {'eos_token_id': 256, 'bos_token_id': 257}
  parameters.export(jax.device_get(params), config, folder, family, special)
