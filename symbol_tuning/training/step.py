"""One training step: loss on the targets, gradients, update.

The loss is the sum of the targets' weighted negative log-likelihoods over the
sum of their weights, both over the whole batch, so that it does not depend on
how examples are packed into rows, rows are spread over devices or a batch is
split into microbatches.

Parameters may be bfloat16, for a model that would not fit otherwise. The
optimizer works in float32 all the same; what is lost is that its result is
rounded, so an update below a 512th of a parameter may not change it at all.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from symbol_tuning.models import likelihood, parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import gradients
from symbol_tuning.training.partitioning import Partitioner
from symbol_tuning.training.state import TrainState, in_float32, shardings

PyTree = Any
Batch = Mapping[str, jax.Array]


@flax.struct.dataclass
class Metrics:
  """What a step reports, each a float32 [].

  Attributes:
    loss: mean negative log-likelihood of the targets, in nats.
    z_loss: mean penalty on their normalizers, which is minimized with it.
    target_tokens: sum of the loss weights.
    tokens: number of positions that are not padding.
    non_padding: their share of all positions.
    grad_norm: Euclidean norm of the gradient of what is minimized.
    update_norm: Euclidean norm of what is added to the parameters.
  """

  loss: jax.Array
  z_loss: jax.Array
  target_tokens: jax.Array
  tokens: jax.Array
  non_padding: jax.Array
  grad_norm: jax.Array
  update_norm: jax.Array


@flax.struct.dataclass
class LossSums:
  """Sums over the targets of a batch, each float32 [].

  Attributes:
    cross_entropy: of weight times negative log-likelihood, in nats.
    z_loss: of weight times penalty.
    weights: of the weights.
  """

  cross_entropy: jax.Array
  z_loss: jax.Array
  weights: jax.Array


@dataclasses.dataclass(frozen=True)
class Loss:
  """The targets' negative log-likelihood.

  Attributes:
    positions_per_row: how many positions of a row may carry loss weight. Only
      so many are unembedded, so the smallest number that the data respects
      saves memory and time. None: every position of the row.
    chunk_size: positions of each row whose logits exist at once.
    z_loss: factor of a penalty, the square of log Z, that keeps the sum Z of
      the exponentiated logits near one; PaLM was pretrained with 1e-4
      (Chowdhery et al., 2022, section 5).
    label_smoothing: the share of each target's probability that is spread over
      the vocabulary; below 1. The reported loss has it in it, as in T5X.

  Raises:
    ValueError: if there are fewer positions than one, a reward for z, or more
      smoothing than there is probability.
  """

  positions_per_row: int | None = None
  chunk_size: int = likelihood.CHUNK_SIZE
  z_loss: float = 0.0
  label_smoothing: float = 0.0

  def __post_init__(self):
    for name, least in (
      ('positions_per_row', 1),
      ('chunk_size', 1),
      ('z_loss', 0),
      ('label_smoothing', 0),
    ):
      value = getattr(self, name)
      if value is not None and value < least:
        raise ValueError(f'Loss.{name} is {value}; it must be at least {least}')
    if self.label_smoothing >= 1:
      raise ValueError(
        f'Loss.label_smoothing is {self.label_smoothing}; it must be below 1'
      )

  def __call__(
    self, model: Decoder, params: PyTree, batch: Batch, rng: jax.Array
  ) -> tuple[jax.Array, LossSums]:
    """What is minimized, a float32 [], and the sums that it is made of."""
    result = likelihood.weighted_log_likelihoods(
      model,
      params,
      batch,
      num_positions=self.num_positions(batch['decoder_loss_weights'].shape[1]),
      chunk_size=self.chunk_size,
      rngs={'dropout': rng},
      label_smoothing=self.label_smoothing,
    )
    weights_BP = result.weights_BP.astype(jnp.float32)
    cross_entropy = -jnp.sum(result.values_BP * weights_BP)
    z_loss = jnp.float32(0)
    if self.z_loss:
      penalties_BP = self.z_loss * jnp.square(result.log_normalizers_BP)
      z_loss = jnp.sum(penalties_BP * weights_BP)
    sums = LossSums(cross_entropy, z_loss, jnp.sum(weights_BP))
    return cross_entropy + z_loss, sums

  def num_positions(self, length: int) -> int:
    """How many positions of a row of this length are unembedded."""
    return min(self.positions_per_row or length, length)


def make_train_step(
  model: Decoder,
  optimizer: optax.GradientTransformation,
  loss: Loss,
  num_microbatches: int = 1,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
  """The function from a state and a batch to the next state and metrics.

  Args:
    model: the decoder.
    optimizer: an optax transformation; it works in float32.
    loss: what is minimized.
    num_microbatches: parts of the batch that are computed one after the other,
      for less memory; but for rounding and dropout, the result is the same.

  Raises:
    ValueError: if there are fewer than one.
  """
  if num_microbatches < 1:
    raise ValueError(
      f'NUM_MICROBATCHES is {num_microbatches}; it must be at least 1'
    )
  summed_loss = functools.partial(loss, model)
  layout = parameters.logical_axes(model)

  def train_step(state, batch):
    rng = jax.random.fold_in(state.rng, state.step)
    grads, sums = gradients.summed(
      summed_loss, state.params, batch, rng, num_microbatches, layout
    )
    divisor = jnp.maximum(sums.weights, 1)
    grads = jax.tree.map(lambda grad: grad / divisor, in_float32(grads))
    updates, opt_state = optimizer.update(
      grads, state.opt_state, in_float32(state.params)
    )
    next_state = state.replace(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
    )
    token_mask = (batch['decoder_segment_ids'] != 0).astype(jnp.float32)
    metrics = Metrics(
      loss=sums.cross_entropy / divisor,
      z_loss=sums.z_loss / divisor,
      target_tokens=sums.weights,
      tokens=token_mask.sum(),
      non_padding=token_mask.mean(),
      grad_norm=optax.global_norm(grads),
      update_norm=optax.global_norm(updates),
    )
    return next_state, metrics

  return train_step


def compile_train_step(
  train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]],
  abstract: TrainState,
  batch: Mapping[str, jax.Array | jax.ShapeDtypeStruct],
  partitioner: Partitioner,
) -> jax.stages.Compiled:
  """Compiles the step for one shape of batch; the old state is given up.

  Args:
    train_step: from `make_train_step`.
    abstract: shapes and shardings of the state.
    batch: arrays, or their shapes.
    partitioner: the mesh, and rules for the activations.
  """
  layout = shardings(abstract)
  jitted = jax.jit(
    train_step,
    in_shardings=(layout, partitioner.batch_sharding),
    out_shardings=(layout, partitioner.replicated),
    donate_argnums=0,
  )
  with partitioner.activate():
    return jitted.lower(abstract, batch).compile()
