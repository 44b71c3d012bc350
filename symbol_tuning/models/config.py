"""The numbers and choices that make one decoder out of a family.

Every model family is a set of values for these fields: PaLM is a parallel block
with LayerNorm, one key-value head and scaled logits; Llama and SmolLM2 are
serial blocks with RMSNorm and grouped queries; Gemma 3 (arXiv 2503.19786) adds
more norms and layers with local attention; the tiny model adds Primer's
convolution.
"""

import dataclasses

ACTIVATIONS = ('silu', 'gelu')
NORMS = ('rms', 'layer')
REMAT_POLICIES = ('none', 'minimal', 'full')
ATTENTION_IMPLEMENTATIONS = ('xla', 'cudnn', 'splash', 'auto')


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """A decoder-only transformer.

  Attributes:
    vocab_size: number of token ids.
    num_layers: number of blocks.
    embed_dim: width of the residual stream.
    num_heads: query heads.
    num_kv_heads: key-value heads; 1 is multi-query attention (PaLM), a divisor
      of num_heads grouped-query attention (Llama).
    head_dim: width of a head; even, since RoPE rotates pairs.
    mlp_dim: width of the gated MLP between its projections.
    activation: of the MLP's gate; 'silu' gives SwiGLU, 'gelu' GeGLU.
    parallel_block: attention and MLP read the same normalized input and are
      added together (GPT-J, PaLM) instead of one after the other.
    norm: 'rms', or 'layer' for LayerNorm without bias.
    norm_epsilon: added to the variance.
    qk_norm: queries and keys are normalized, each head by itself.
    post_norms: what attention and MLP return is normalized too, ahead of the
      residual stream; of serial blocks only.
    rope_base: longest wavelength of the rotary position embedding, over 2 pi.
    local_window: how many positions, its own included, a token sees in the
      layers with local attention; 0: there are none.
    global_every: where there are, the last of so many layers sees everything.
    local_rope_base: rope_base of layers with local attention.
    tied_embeddings: unembed with the token embedding.
    scaled_embeddings: multiply the embedding by sqrt(embed_dim).
    scaled_logits: divide the logits by sqrt(embed_dim); the tied embedding then
      starts with variance one instead of 1 / embed_dim, as in PaLM.
    context_length: tokens the model was made for; exports carry it, nothing
      here depends on it.
    conv_width: taps of Primer's causal convolution on queries, keys and values;
      0 for none.
    dropout_rate: applied to the embedding and to what each sublayer adds,
      whenever a 'dropout' random key is passed to `apply`.
    scan_layers: run the blocks as one scan over parameters stacked on a leading
      'layers' axis: compile time does not grow with depth.
    remat: what the backward pass recomputes: 'none' (nothing), 'minimal' (all
      but matrix products with parameters) or 'full' (whole blocks).
    attention_implementation: 'xla'; 'cudnn' on an NVIDIA GPU; 'splash' on a TPU
      (see `splash`); or 'auto': 'splash' if the program is for TPUs, else
      'xla'. Branches and caches are read by 'xla' in place of 'splash'.
    dtype: of activations; logits and softmax are float32 in any case.
    param_dtype: of parameters.
  """

  vocab_size: int
  num_layers: int
  embed_dim: int
  num_heads: int
  num_kv_heads: int
  head_dim: int
  mlp_dim: int
  activation: str = 'silu'
  parallel_block: bool = False
  norm: str = 'rms'
  norm_epsilon: float = 1e-5
  qk_norm: bool = False
  post_norms: bool = False
  rope_base: float = 10_000.0
  local_window: int = 0
  global_every: int = 6
  local_rope_base: float = 10_000.0
  tied_embeddings: bool = True
  scaled_embeddings: bool = False
  scaled_logits: bool = False
  context_length: int = 2048
  conv_width: int = 0
  dropout_rate: float = 0.0
  scan_layers: bool = True
  remat: str = 'none'
  attention_implementation: str = 'xla'
  dtype: str = 'float32'
  param_dtype: str = 'float32'

  def __post_init__(self):
    for name, choices in (
      ('activation', ACTIVATIONS),
      ('norm', NORMS),
      ('remat', REMAT_POLICIES),
      ('attention_implementation', ATTENTION_IMPLEMENTATIONS),
    ):
      if getattr(self, name) not in choices:
        raise ValueError(
          f'DecoderConfig.{name} is {getattr(self, name)!r}; '
          f'choose one of {", ".join(choices)}.'
        )
    if self.num_heads % self.num_kv_heads:
      raise ValueError(
        f'DecoderConfig.num_heads ({self.num_heads}) is not a multiple of '
        f'num_kv_heads ({self.num_kv_heads}).'
      )
    if self.head_dim % 2:
      raise ValueError(
        f'DecoderConfig.head_dim is {self.head_dim}; RoPE needs it even.'
      )
    if self.parallel_block and self.post_norms:
      raise ValueError(
        'DecoderConfig.post_norms is of serial blocks; parallel_block has none.'
      )

  @property
  def local_layers(self) -> tuple[bool, ...] | None:
    """Which layers have local attention; None if the model has no such."""
    if not self.local_window:
      return None
    return tuple(
      (i + 1) % self.global_every > 0 for i in range(self.num_layers)
    )
