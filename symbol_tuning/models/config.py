"""The numbers and choices that make one decoder out of a family.

Every model family is a set of values for these fields: PaLM is a parallel block
with LayerNorm, one key-value head and scaled logits; Llama is a serial block
with RMSNorm and grouped queries; the tiny model adds Primer's convolution.
`families` reads the fields of published models from their own files.
"""

import dataclasses

from symbol_tuning.models.rotary import RopeScaling

ACTIVATIONS = ('silu', 'gelu', 'gelu_exact', 'relu')
NORMS = ('rms', 'layer')
QK_NORMS = ('none', 'head', 'projection')
LAYER_KINDS = ('global', 'local', 'unrotated')
REMAT_POLICIES = ('none', 'minimal', 'full')
ATTENTION_IMPLEMENTATIONS = ('xla', 'cudnn', 'splash', 'auto')
DTYPES = ('float32', 'bfloat16', 'float16')


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
    mlp_dim: width of the MLP between its projections.
    activation: of the MLP (of its gate, if it has one): 'silu' (with a gate:
      SwiGLU), 'gelu' by tanh (GeGLU), 'gelu_exact' by erf, or 'relu'.
    gated_mlp: the MLP has a gate (Shazeer 2020, arXiv 2002.05202).
    parallel_block: attention and MLP read the same stream and are added
      together (GPT-J, PaLM) instead of one after the other.
    shared_norm: of parallel blocks: attention and MLP read one normalized
      input; else each has a norm of its own (GPT-NeoX).
    norm: 'rms' or 'layer'.
    norm_epsilon: added to the variance.
    norm_bias: norms of the residual stream add a bias.
    centered_norms: norms multiply by 1 + scale instead of scale (Gemma).
    pre_norms: attention and MLP read a normalized stream.
    post_norms: what attention and MLP return is normalized, ahead of the
      residual stream; of serial blocks only.
    qk_norm: queries and keys are normalized: not ('none'), each head by itself
      ('head') or all heads of a token together ('projection').
    qkv_bias: queries, keys and values have biases.
    output_bias: so has what attention returns.
    mlp_bias: so have the projections of the MLP.
    rope_base: longest wavelength of the rotary position embedding, over 2 pi.
    rotary_dim: leading channels of a head that are rotated; 0: all.
    rope_scaling: how RoPE is stretched, but in local layers that have a base
      of their own; None: it is not.
    learned_positions: size of a table of positions that is added to the
      embedding (GPT-2); 0: there is none.
    layer_kinds: the kinds of the layers, repeated until there are enough.
      'global': a token sees all before it; 'local': it sees local_window
      tokens; 'unrotated': all, and there is no RoPE.
    local_window: how many positions, its own included, a token sees in local
      layers.
    local_rope_base: rope_base of local layers; 0: the same.
    attention_scale: queries are multiplied by it; 0: head_dim ** -0.5.
    attention_soft_cap: c of c * tanh(score / c), which bounds the scores of
      attention; 0: they are not bounded.
    logit_soft_cap: the same for logits.
    tied_embeddings: unembed with the token embedding.
    embedding_multiplier: of the embedding; Gemma has sqrt(embed_dim).
    residual_multiplier: of what each sublayer adds to the stream.
    logit_multiplier: of the logits.
    scaled_logits: divide the logits by sqrt(embed_dim); the tied embedding then
      starts with variance one instead of 1 / embed_dim, as in PaLM.
    context_length: tokens the model was made for; exports carry it, nothing
      here depends on it.
    conv_width: taps of Primer's causal convolution on queries, keys and values;
      0 for none.
    dropout_rate: applied to the embedding and to what each sublayer adds,
      whenever a 'dropout' random key is passed to `apply`; below 1.
    scan_layers: run the blocks as one scan over parameters stacked on a leading
      'layers' axis: compile time does not grow with depth.
    remat: what the backward pass recomputes: 'none' (nothing), 'minimal' (all
      but matrix products with parameters) or 'full' (whole blocks).
    attention_implementation: 'xla'; 'cudnn' on an NVIDIA GPU; 'splash' on a TPU
      (see `splash`); or 'auto': 'splash' if the program is for TPUs, else
      'xla'. Branches and caches are read by 'xla' in place of 'splash'.
    dtype: of activations: 'float32', 'bfloat16' or 'float16'; logits and
      softmax are float32 in any case.
    param_dtype: of parameters, one of the same.
  """

  vocab_size: int
  num_layers: int
  embed_dim: int
  num_heads: int
  num_kv_heads: int
  head_dim: int
  mlp_dim: int
  activation: str = 'silu'
  gated_mlp: bool = True
  parallel_block: bool = False
  shared_norm: bool = True
  norm: str = 'rms'
  norm_epsilon: float = 1e-5
  norm_bias: bool = False
  centered_norms: bool = False
  pre_norms: bool = True
  post_norms: bool = False
  qk_norm: str = 'none'
  qkv_bias: bool = False
  output_bias: bool = False
  mlp_bias: bool = False
  rope_base: float = 10_000.0
  rotary_dim: int = 0
  rope_scaling: RopeScaling | None = None
  learned_positions: int = 0
  layer_kinds: tuple[str, ...] = ('global',)
  local_window: int = 0
  local_rope_base: float = 0.0
  attention_scale: float = 0.0
  attention_soft_cap: float = 0.0
  logit_soft_cap: float = 0.0
  tied_embeddings: bool = True
  embedding_multiplier: float = 1.0
  residual_multiplier: float = 1.0
  logit_multiplier: float = 1.0
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
    _check_choices(self)
    _check_sizes(self)
    _check_combinations(self)

  @property
  def kind_of_layer(self) -> tuple[str, ...]:
    """The kind of each layer, in order."""
    period = len(self.layer_kinds)
    return tuple(self.layer_kinds[i % period] for i in range(self.num_layers))

  @property
  def distinct_kinds(self) -> tuple[str, ...]:
    """The kinds that some layer is of, each once."""
    return tuple(dict.fromkeys(self.kind_of_layer))


def _check_choices(config: DecoderConfig) -> None:
  for name, choices in (
    ('activation', ACTIVATIONS),
    ('norm', NORMS),
    ('qk_norm', QK_NORMS),
    ('remat', REMAT_POLICIES),
    ('attention_implementation', ATTENTION_IMPLEMENTATIONS),
    ('layer_kinds', LAYER_KINDS),
    ('dtype', DTYPES),
    ('param_dtype', DTYPES),
  ):
    value = getattr(config, name)
    for item in value if isinstance(value, list | tuple) else [value]:
      if item not in choices:
        raise ValueError(
          f'DecoderConfig.{name} is {value!r}; choose one of '
          f'{", ".join(choices)}.'
        )


def _check_sizes(config: DecoderConfig) -> None:
  if config.num_heads % config.num_kv_heads:
    raise ValueError(
      f'DecoderConfig.num_heads ({config.num_heads}) is not a multiple of '
      f'num_kv_heads ({config.num_kv_heads}).'
    )
  if config.head_dim % 2:
    raise ValueError(
      f'DecoderConfig.head_dim is {config.head_dim}; RoPE needs it even.'
    )
  if config.rotary_dim % 2 or config.rotary_dim > config.head_dim:
    raise ValueError(
      f'DecoderConfig.rotary_dim is {config.rotary_dim}; RoPE needs an even '
      f'number of at most head_dim ({config.head_dim}).'
    )
  if ('local' in config.layer_kinds) != (config.local_window > 0):
    raise ValueError(
      f'DecoderConfig.local_window is {config.local_window}, but layer_kinds '
      f'is {config.layer_kinds}: local layers need a window, others have none.'
    )
  if not 0 <= config.dropout_rate < 1:
    raise ValueError(
      f'DecoderConfig.dropout_rate is {config.dropout_rate}; it is a share of '
      'the channels: 0 or more, and less than 1.'
    )


def _check_combinations(config: DecoderConfig) -> None:
  if config.parallel_block and config.post_norms:
    raise ValueError(
      'DecoderConfig.post_norms is of serial blocks; parallel_block has none.'
    )
  if not (config.pre_norms or config.post_norms):
    raise ValueError(
      'DecoderConfig.pre_norms and post_norms are both False; a block needs '
      'one of them.'
    )
  if config.attention_soft_cap and config.attention_implementation == 'cudnn':
    raise ValueError(
      'DecoderConfig.attention_soft_cap is not supported by the cudnn attention'
      " implementation; choose 'xla' or 'auto'."
    )
