"""Makes the tiny models of this folder, with transformers.

  python tests/golden/make_golden.py [NAME …]

Each is a folder with config.json and model.safetensors, as transformers writes
them for random parameters, and logits.npz: some tokens and what transformers
makes of them in float32. Needs torch and transformers; says which versions.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
SIZES = {
  'vocab_size': 48,
  'hidden_size': 16,
  'intermediate_size': 24,
  'num_hidden_layers': 4,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'max_position_embeddings': 64,
}


def rope(rope_type: str, theta: float = 500.0, **parameters) -> dict:
  return {'rope_type': rope_type, 'rope_theta': theta, **parameters}


YARN = rope(
  'yarn',
  factor=4.0,
  original_max_position_embeddings=16,
  beta_fast=4.0,
  beta_slow=1.0,
)


def phi3(original_length: int) -> dict:
  """A model that was lengthened from a length."""
  return {
    'head_dim': 8,
    'num_attention_heads': 2,
    'num_key_value_heads': 1,
    'original_max_position_embeddings': original_length,
    'partial_rotary_factor': 0.75,
    'rope_parameters': rope(
      'longrope',
      short_factor=[1.0, 1.5, 2.0],
      long_factor=[1.0, 3.0, 5.0],
      original_max_position_embeddings=original_length,
    ),
    'pad_token_id': 0,
  }


# Name → model_type and what its configuration has beside the sizes.
MODELS = {
  'llama2': ('llama', {}),
  'llama3': ('llama', {
    'rope_parameters': rope(
      'llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
      original_max_position_embeddings=16,
    ),
    'tie_word_embeddings': True,
  }),
  'llama_biases': ('llama', {
    'attention_bias': True, 'mlp_bias': True,
    'rope_parameters': rope('linear', factor=4.0),
  }),
  'mistral': ('mistral', {'sliding_window': 5}),
  'mistral_nemo': ('mistral', {'sliding_window': None, 'head_dim': 6}),
  'qwen2': ('qwen2', {
    'use_sliding_window': True, 'sliding_window': 5, 'max_window_layers': 2,
    'rope_parameters': YARN,
  }),
  'qwen3': ('qwen3', {'head_dim': 8, 'tie_word_embeddings': True}),
  'gemma': ('gemma', {'head_dim': 8}),
  'gemma2': ('gemma2', {
    'head_dim': 8, 'sliding_window': 5, 'query_pre_attn_scalar': 6,
    'attn_logit_softcapping': 5.0, 'final_logit_softcapping': 3.0,
  }),
  'gemma3': ('gemma3_text', {
    'head_dim': 8, 'sliding_window': 5, 'query_pre_attn_scalar': 8,
    'layer_types': ['sliding_attention', 'full_attention'] * 2,
    'rope_parameters': {
      'full_attention': rope('linear', 1e6, factor=8.0),
      'sliding_attention': rope('default', 100.0),
    },
  }),
  'olmo2': ('olmo2', {}),
  'olmo3': ('olmo3', {
    'sliding_window': 5,
    'rope_parameters': {
      'full_attention': YARN, 'sliding_attention': rope('default'),
    },
  }),
  'phi3': ('phi3', phi3(32)),
  'phi3_long': ('phi3', phi3(16)),
  'granite': ('granite', {
    'embedding_multiplier': 3.0, 'logits_scaling': 4.0,
    'residual_multiplier': 0.5, 'attention_multiplier': 0.25,
  }),
  'smollm3': ('smollm3', {'no_rope_layer_interval': 2, 'pad_token_id': 0}),
  'gpt_neox': ('gpt_neox', {'rotary_pct': 0.5, 'num_attention_heads': 2}),
  'gpt_neox_serial': ('gpt_neox', {
    'use_parallel_residual': False, 'num_attention_heads': 2,
  }),
  'gpt2': ('gpt2', {'n_inner': 24}),
}  # fmt: skip
NUM_ROWS, LENGTH = 2, 24


def main(names: list[str]) -> None:
  print('torch', torch.__version__, 'transformers', transformers.__version__)
  for name in names or MODELS:
    make(name, HERE / name)


def make(name: str, folder: pathlib.Path) -> None:
  """Writes one model's folder."""
  torch.manual_seed(0)
  model_type, values = MODELS[name]
  config = transformers.AutoConfig.for_model(model_type, **SIZES | values)
  model = transformers.AutoModelForCausalLM.from_config(
    config, attn_implementation='eager'
  ).float()
  model.eval()
  rng = np.random.default_rng(0)
  with torch.no_grad():
    for key, parameter in model.named_parameters():
      # Norms that multiply by a number near one, and nothing that is zero.
      is_norm = 'norm' in key or '.ln_' in key
      mean = 1.0 if is_norm and key.endswith('weight') else 0.0
      if model_type.startswith('gemma') and 'norm' in key:
        mean = 0.0
      drawn = rng.normal(mean, 0.3, tuple(parameter.shape))
      parameter.copy_(torch.tensor(drawn, dtype=torch.float32))
    tokens = rng.integers(0, SIZES['vocab_size'], (NUM_ROWS, LENGTH))
    logits = model(torch.tensor(tokens)).logits.numpy()
  model.save_pretrained(folder)
  (folder / 'generation_config.json').unlink(missing_ok=True)
  _forget_version(folder / 'config.json')
  np.savez_compressed(
    folder / 'logits.npz', tokens=tokens.astype(np.int32), logits=logits
  )
  size = sum(path.stat().st_size for path in folder.iterdir())
  print(f'{name}: {size / 1000:.0f} kB')


def _forget_version(path: pathlib.Path) -> None:
  values = json.loads(path.read_text(encoding='utf-8'))
  values.pop('transformers_version', None)
  path.write_text(json.dumps(values, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
  main(sys.argv[1:])
