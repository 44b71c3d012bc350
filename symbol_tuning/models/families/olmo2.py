"""OLMo 2 (Team OLMo 2024, arXiv 2501.00656).

A Llama whose sublayers read the stream as it is and are normalized afterwards;
queries and keys are normalized over all heads together.
"""

from typing import Any, ClassVar

from symbol_tuning.models.families.llama import (
  ATTENTION_BIAS,
  FIELDS,
  QK_NORMS,
  TENSORS,
  Llama,
)


class Olmo2(Llama):
  """OLMo 2's norms."""

  name = 'OLMo 2'
  members = 'OLMo 2 1B, 7B, 13B, 32B'
  model_type = 'olmo2'
  architecture = 'Olmo2ForCausalLM'
  gguf_architecture: ClassVar[str | None] = 'olmo2'
  gguf_pairs_channels = False
  defaults = Llama.defaults | {'vocab_size': 50_304, 'rms_norm_eps': 1e-5}
  fields = FIELDS | ATTENTION_BIAS
  constants: ClassVar[dict[str, Any]] = {
    'pre_norms': False,
    'post_norms': True,
    'qk_norm': 'projection',
  }
  tensors = (
    TENSORS
    | QK_NORMS
    | {
      'attention_post_norm': 'post_attention_layernorm',
      'mlp_post_norm': 'post_feedforward_layernorm',
    }
  )
