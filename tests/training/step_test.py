import functools
import math

import jax
import numpy as np
import optax
import pytest
import tiny_models

from symbol_tuning.training import (
  batches,
  optimizers,
  partitioning,
  state,
  step,
)

LENGTHS = (5, 3, 6)


@pytest.fixture(scope='module')
def examples():
  """Token sequences; the targets are the last two of each."""
  rng = np.random.default_rng(0)
  return [rng.integers(1, 32, n + 1, dtype=np.int32) for n in LENGTHS]


def rows_of(packing, rows=3, length=16):
  """A batch from lists of examples, one list for each row; then padding."""
  shape = rows, length
  batch = {name: np.zeros(shape, np.int32) for name in batches.FEATURES}
  for row, packed in enumerate(packing):
    start = 0
    for segment, tokens in enumerate(packed, start=1):
      end = start + len(tokens) - 1
      place = row, slice(start, end)
      batch['decoder_input_tokens'][place] = tokens[:-1]
      batch['decoder_target_tokens'][place] = tokens[1:]
      batch['decoder_loss_weights'][row, end - 2 : end] = 1
      batch['decoder_positions'][place] = np.arange(end - start)
      batch['decoder_segment_ids'][place] = segment
      start = end
  return batch


@functools.cache
def compiled(model, loss):
  """Random parameters, and the function to the mean loss and its gradient."""

  def mean_loss(params, batch):
    total, sums = loss(model, params, batch, jax.random.PRNGKey(0))
    return total / sums.weights

  params = tiny_models.random_params(model.config, 0.5)
  return params, jax.jit(jax.value_and_grad(mean_loss))


def loss_and_gradient(model, batch, loss=None):
  params, function = compiled(model, loss or step.Loss())
  return function(params, batch)


def assert_same(actual, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    actual,
    expected,
  )


@pytest.mark.parametrize('conv_width', [0, 3])
def test_packed_and_unpacked_agree(make_model, examples, conv_width):
  model = make_model(conv_width=conv_width)
  packed = rows_of([examples])
  unpacked = rows_of([[example] for example in examples])
  assert_same(
    loss_and_gradient(model, packed), loss_and_gradient(model, unpacked)
  )


def test_looking_at_few_positions_changes_nothing(make_model, examples):
  model = make_model()
  batch = rows_of([examples, examples[1:]])
  assert_same(
    loss_and_gradient(model, batch, step.Loss(positions_per_row=6)),
    loss_and_gradient(model, batch, step.Loss(chunk_size=5)),
  )


def test_tokens_without_weight_do_not_change_the_loss(make_model, examples):
  model = make_model()
  batch = rows_of([examples])
  loss, _ = loss_and_gradient(model, batch)
  padding = batch['decoder_segment_ids'] == 0
  batch['decoder_input_tokens'][padding] = 9
  batch['decoder_target_tokens'][batch['decoder_loss_weights'] == 0] = 9
  changed, _ = loss_and_gradient(model, batch)
  np.testing.assert_allclose(changed, loss, rtol=1e-6)
  batch['decoder_target_tokens'][batch['decoder_loss_weights'] == 1] = 9
  changed, _ = loss_and_gradient(model, batch)
  assert abs(changed - loss) > 1e-3


def test_z_loss_penalizes_normalizers(make_model, examples):
  model, batch = make_model(), rows_of([examples])
  params, _ = compiled(model, step.Loss())
  logits = model.apply(
    {'params': params},
    batch['decoder_input_tokens'],
    batch['decoder_positions'],
    batch['decoder_segment_ids'],
  )
  weights = batch['decoder_loss_weights']
  penalties = 0.01 * jax.nn.logsumexp(logits, axis=-1) ** 2
  run = functools.partial(step.Loss(6, 4, z_loss=0.01), model)
  total, sums = jax.jit(run)(params, batch, jax.random.PRNGKey(0))
  plain, _ = step.Loss()(model, params, batch, jax.random.PRNGKey(0))
  np.testing.assert_allclose(sums.z_loss, (penalties * weights).sum(), 1e-5)
  np.testing.assert_allclose(sums.cross_entropy, plain, 1e-5)
  np.testing.assert_allclose(total, plain + sums.z_loss, 1e-5)


def abstract_state(model, optimizer):
  partitioner = partitioning.Partitioner(devices=tuple(jax.devices()[:1]))
  return state.abstract_state(model, optimizer, partitioner)


def test_bfloat16_parameters_train(make_model, make_batch):
  model = make_model(param_dtype='bfloat16', dtype='bfloat16')
  optimizer = optimizers.adafactor(0.05)
  train_step = jax.jit(step.make_train_step(model, optimizer, step.Loss()))
  params, _ = compiled(model, step.Loss())
  now = state.first_state(
    params,
    optimizer,
    abstract_state(model, optimizer),
    jax.random.PRNGKey(0),
  )
  losses = []
  for _ in range(30):
    now, metrics = train_step(now, make_batch())
    losses.append(float(metrics.loss))
  assert losses[-1] < losses[0] / 2
  assert {x.dtype.name for x in jax.tree.leaves(now.params)} == {'bfloat16'}


@pytest.mark.parametrize(
  'setting',
  [
    {'positions_per_row': 0},
    {'chunk_size': 0},
    {'z_loss': -1e-4},
    {'label_smoothing': 1.0},
  ],
)
def test_a_loss_that_makes_no_sense_is_refused(setting):
  [(name, value)] = setting.items()
  with pytest.raises(ValueError, match=rf'Loss\.{name} is {value}'):
    step.Loss(**setting)


def arrays_of(jaxpr):
  """The shape of every array that a program makes, in its inner ones too."""
  for equation in jaxpr.eqns:
    yield from (variable.aval.shape for variable in equation.outvars)
    for inner in jax.core.jaxprs_in_params(equation.params):
      yield from arrays_of(inner)


@pytest.mark.parametrize('num_microbatches', [1, 2])
def test_logits_exist_only_where_there_is_loss(
  make_model, make_batch, num_microbatches
):
  """In the whole step: loss, gradients and update."""
  vocabulary, rows, length = 7919, 4, 24
  model, optimizer = make_model(vocab_size=vocabulary), optax.sgd(0.1)
  abstract = abstract_state(model, optimizer)

  def largest(positions_per_row):
    """How many vectors of the vocabulary's size an array holds at most."""
    train_step = step.make_train_step(
      model, optimizer, step.Loss(positions_per_row), num_microbatches
    )
    jaxpr = jax.make_jaxpr(train_step)(abstract, make_batch(rows, length))
    return max(
      math.prod(shape) // vocabulary
      for shape in arrays_of(jaxpr.jaxpr)
      if vocabulary in shape
    )

  # The embedding's gradient is [vocabulary, 8]; the logits of three positions
  # of four rows are 12.
  assert largest(3) == max(8, 3 * rows // num_microbatches)
  assert largest(None) == rows * length // num_microbatches
