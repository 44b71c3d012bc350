"""GGUF files, written as llama.cpp's converter writes them."""

import gguf
import numpy as np
from flax import traverse_util

from symbol_tuning.models import families, parameters
from symbol_tuning.models.checkpoints import published
from symbol_tuning.models.decoder import Decoder

TOKENS = ['<|end|>', '<|start|>', 'a', 'b', 'Ġ', 'Ġa', 'ab', '1', '2', '!']


def write(
  path, params, config, family=None, pre='smollm', header=None, **split
):
  """Writes a float32 file with a tokenizer of as many tokens as the model.

  With a limit such as split_max_tensors, it is written in several parts. What
  `header` holds is said in the header too, of the architecture.
  """
  family = family or families.of_decoder(config)
  architecture = family.gguf_architecture
  writer = gguf.GGUFWriter(path, architecture, **split)
  _write_header(writer, config, architecture)
  for key, value in (header or {}).items():
    name = f'{architecture}.{key}'
    if isinstance(value, list):
      writer.add_array(name, value)
    else:
      writer.add_key_value(name, value, gguf.GGUFValueType.get_type(value))
  _write_tokenizer(writer, config, pre)
  for name, array in published_tensors(params, config, family):
    if family.gguf_adds_one and 'norm' in name:
      array = array + 1
    if family.gguf_pairs_channels and 'q_proj' in name:
      array = _permuted(array, config.num_heads)
    elif family.gguf_pairs_channels and 'k_proj' in name:
      array = _permuted(array, config.num_kv_heads)
    elif 'query_key_value' in name:
      array = _parted(array, config.num_heads)
    writer.add_tensor(_gguf_name(name, architecture, config), array)
  if config.rope_scaling and config.rope_scaling.kind == 'llama3':
    divisors = config.rope_scaling.divisors(
      config.head_dim, config.rope_base, 0
    )
    writer.add_tensor('rope_freqs.weight', divisors.astype(np.float32))
  if config.rope_scaling and config.rope_scaling.kind == 'longrope':
    for name in ('short', 'long'):
      factors = getattr(config.rope_scaling, f'{name}_factors')
      writer.add_tensor(
        f'rope_factors_{name}.weight', np.array(factors, np.float32)
      )
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def published_tensors(params, config, family):
  """Name and value of each tensor of a Hugging Face file."""
  specs = parameters.parameter_specs(Decoder(config))
  sources = published.sources(family, specs, family.fused_by_head)
  flat = traverse_util.flatten_dict(params, sep='/')
  return published.write(flat, sources)


def _write_header(writer, config, architecture):
  writer.add_block_count(config.num_layers)
  writer.add_context_length(config.context_length)
  writer.add_embedding_length(config.embed_dim)
  writer.add_feed_forward_length(config.mlp_dim)
  writer.add_head_count(config.num_heads)
  writer.add_head_count_kv(config.num_kv_heads)
  writer.add_key_length(config.head_dim)
  writer.add_rope_dimension_count(config.rotary_dim or config.head_dim)
  writer.add_rope_freq_base(config.rope_base)
  if config.norm == 'layer':
    writer.add_layer_norm_eps(config.norm_epsilon)
    writer.add_parallel_residual(config.parallel_block)
  else:
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
  if config.local_window:
    writer.add_sliding_window(config.local_window)
  if config.attention_soft_cap:
    writer.add_attn_logit_softcapping(config.attention_soft_cap)
  if config.logit_soft_cap:
    writer.add_final_logit_softcapping(config.logit_soft_cap)
  if architecture == 'granite':
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_attention_scale(config.attention_scale)
    writer.add_logit_scale(1 / config.logit_multiplier)
  scaling = config.rope_scaling
  if scaling and scaling.kind == 'longrope':
    writer.add_rope_scaling_orig_ctx_len(scaling.original_context)
    writer.add_rope_scaling_attn_factors(scaling.attention_factor)
  if scaling and scaling.kind in ('linear', 'yarn'):
    writer.add_rope_scaling_type(gguf.RopeScalingType(scaling.kind))
    writer.add_rope_scaling_factor(scaling.factor)
    if scaling.kind == 'yarn':
      writer.add_rope_scaling_orig_ctx_len(scaling.original_context)


def _write_tokenizer(writer, config, pre):
  writer.add_tokenizer_model('gpt2')
  writer.add_tokenizer_pre(pre)
  more = [f'<{i}>' for i in range(len(TOKENS), config.vocab_size)]
  writer.add_token_list(TOKENS + more)
  writer.add_token_types([3, 3] + [1] * (config.vocab_size - 2))
  writer.add_token_merges(['Ġ a', 'a b'])
  writer.add_bos_token_id(1)
  writer.add_eos_token_id(0)


def _gguf_name(name, architecture, config):
  [key] = (k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == architecture)
  names = gguf.get_tensor_name_map(key, config.num_layers)
  return names.get_name(name, try_suffixes=('.weight', '.bias'))


def _permuted(array, num_heads):
  """The order of rows that llama.cpp's `permute` gives."""
  outputs, *inputs = array.shape
  halves = array.reshape(num_heads, 2, outputs // num_heads // 2, *inputs)
  return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(array.shape))


def _parted(array, num_heads):
  """Queries, keys and values of each head → all queries, keys, values."""
  heads = array.reshape(num_heads, 3, -1, *array.shape[1:])
  return np.ascontiguousarray(heads.swapaxes(0, 1).reshape(array.shape))
