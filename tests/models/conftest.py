"""A small Llama, and the files that models can be kept in, by the tests."""

import gguf
import jax
import numpy as np
import pytest
from flax import traverse_util

from symbol_tuning.models import families, parameters
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.models.decoder import Decoder

TOKENS = ['<|end|>', '<|start|>', 'a', 'b', 'Ġ', 'Ġa', 'ab', '1', '2', '!']
GGUF_NAMES = (
  ('model.embed_tokens', 'token_embd'),
  ('model.norm', 'output_norm'),
  ('lm_head', 'output'),
  ('model.layers', 'blk'),
  ('input_layernorm', 'attn_norm'),
  ('self_attn.q_proj', 'attn_q'),
  ('self_attn.k_proj', 'attn_k'),
  ('self_attn.v_proj', 'attn_v'),
  ('self_attn.o_proj', 'attn_output'),
  ('mlp.gate_proj', 'ffn_gate'),
  ('mlp.up_proj', 'ffn_up'),
  ('mlp.down_proj', 'ffn_down'),
)
GGUF_NAMES_OF_NORMS = {
  'llama': (('post_attention_layernorm', 'ffn_norm'),),
  'gemma3': (
    ('post_attention_layernorm', 'post_attention_norm'),
    ('pre_feedforward_layernorm', 'ffn_norm'),
    ('post_feedforward_layernorm', 'post_ffw_norm'),
    ('self_attn.q_norm', 'attn_q_norm'),
    ('self_attn.k_norm', 'attn_k_norm'),
  ),
}


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


@pytest.fixture
def write_gguf():
  return _write_gguf


def _write_gguf(path, params, config, architecture='llama', pre='smollm'):
  """Writes a float32 GGUF file as llama.cpp's converter would."""
  writer = gguf.GGUFWriter(path, architecture)
  writer.add_block_count(config.num_layers)
  writer.add_context_length(config.context_length)
  writer.add_embedding_length(config.embed_dim)
  writer.add_feed_forward_length(config.mlp_dim)
  writer.add_head_count(config.num_heads)
  writer.add_head_count_kv(config.num_kv_heads)
  writer.add_key_length(config.head_dim)
  writer.add_rope_freq_base(config.rope_base)
  writer.add_layer_norm_rms_eps(config.norm_epsilon)
  if config.local_window:
    writer.add_sliding_window(config.local_window)
  writer.add_tokenizer_model('gpt2')
  writer.add_tokenizer_pre(pre)
  writer.add_token_list(TOKENS)
  writer.add_token_types([3, 3] + [1] * (len(TOKENS) - 2))
  writer.add_token_merges(['Ġ a', 'a b'])
  writer.add_bos_token_id(1)
  writer.add_eos_token_id(0)
  flat = traverse_util.flatten_dict(params, sep='/')
  for name, array in families.write(flat, config).items():
    if architecture == 'gemma3':
      array = array + 1 if 'norm' in name else array
    elif 'q_proj' in name:
      array = _permuted(array, config.num_heads)
    elif 'k_proj' in name:
      array = _permuted(array, config.num_kv_heads)
    for published, short in (
      *GGUF_NAMES,
      *GGUF_NAMES_OF_NORMS.get(architecture, ()),
    ):
      name = name.replace(published, short)
    writer.add_tensor(name, array)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def _permuted(array, num_heads):
  """The order of rows that llama.cpp's `permute` gives."""
  outputs, inputs = array.shape
  halves = array.reshape(num_heads, 2, outputs // num_heads // 2, inputs)
  return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(array.shape))
