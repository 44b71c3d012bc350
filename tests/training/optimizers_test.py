import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_models import unstack_layers

from symbol_tuning import gin_utils
from symbol_tuning.training import optimizers

# Long enough for factored statistics, and not.
SHAPES = {'kernel': (130, 140), 'short': (4, 140), 'scale': (6,)}


def random_params(seed, layers=()):
  rng = np.random.default_rng(seed)
  return {
    name: jnp.asarray(rng.normal(size=(*layers, *shape)), jnp.float32)
    for name, shape in SHAPES.items()
  }


def each_step(optimizer, params, gradients):
  """The parameters after each of the steps."""
  update = jax.jit(optimizer.update)
  state = optimizer.init(params)
  for gradient in gradients:
    updates, state = update(gradient, state, params)
    params = optax.apply_updates(params, updates)
    yield params


def after_steps(optimizer, params, gradients):
  *_, last = each_step(optimizer, params, gradients)
  return last


def assert_close(actual, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6),
    actual,
    expected,
  )


@pytest.fixture(scope='module')
def stacked_run():
  """Parameters of three stacked layers, and the gradients of four steps.

  They grow, so that updates are clipped.
  """
  params = {'layers': random_params(0, (3,)), 'norm': random_params(1)}
  gradients = [
    {
      # Layers whose gradients differ in size show what is shared among them.
      'layers': jax.tree.map(
        lambda g, step=step: (
          g * step * (10.0 ** jnp.arange(3)).reshape(3, *[1] * (g.ndim - 1))
        ),
        random_params(step, (3,)),
      ),
      'norm': random_params(10 + step),
    }
    for step in range(2, 6)
  ]
  return params, gradients


@pytest.mark.parametrize('clipping_threshold', [1.0, None])
def test_each_step_is_optax_adafactor_on_unstacked_layers(
  stacked_run, clipping_threshold
):
  params, gradients = stacked_run
  settings = {'clipping_threshold': clipping_threshold}
  ours = each_step(optimizers.adafactor(0.1, **settings), params, gradients)
  theirs = each_step(
    optax.adafactor(0.1, **settings),
    unstack_layers(params),
    [unstack_layers(gradient) for gradient in gradients],
  )
  for actual, expected in zip(ours, theirs, strict=True):
    assert_close(unstack_layers(actual), expected)


def test_updates_are_clipped(stacked_run):
  """Or else the comparison above would not show that layers are, each."""
  clipped, unclipped = (
    after_steps(optimizers.adafactor(0.1, clipping_threshold=c), *stacked_run)
    for c in (1.0, None)
  )
  gaps = jax.tree.map(
    lambda a, b: np.abs(a - b).max(axis=tuple(range(1, a.ndim))),
    clipped['layers'],
    unclipped['layers'],
  )
  assert (gaps['kernel'] > 1e-3).all()


@pytest.mark.parametrize(
  'settings',
  [
    {},
    {'weight_decay_rate': 0.01, 'clipping_threshold': 0.5},
    {'learning_rate': optax.linear_schedule(0.2, 0.0, 4)},
  ],
)
def test_stacked_layers_train_like_unstacked_ones(stacked_run, settings):
  params, gradients = stacked_run
  optimizer = optimizers.adafactor(**{'learning_rate': 0.1, **settings})
  stacked = after_steps(optimizer, params, gradients)
  expected = after_steps(
    optimizer, unstack_layers(params), [unstack_layers(g) for g in gradients]
  )
  assert_close(unstack_layers(stacked), expected)


def test_plain_optax_would_mix_stacked_layers(stacked_run):
  params, gradients = stacked_run
  mixed = after_steps(optax.adafactor(0.1), params, gradients)
  ours = after_steps(optimizers.adafactor(0.1), params, gradients)
  difference = mixed['layers']['scale'] - ours['layers']['scale']
  assert np.abs(difference).max() > 1e-3


def test_statistics_of_long_matrices_are_factored():
  params = {'layers': random_params(0, (3,))}
  state = optimizers.adafactor().init(params)['layers']['kernel'][0]
  assert state.v_row.shape == (3, 130)
  assert state.v_col.shape == (3, 140)


@pytest.mark.parametrize(
  'name', ['adadelta', 'adafactor', 'adam', 'adamw', 'lion', 'sgd']
)
def test_an_optimizer_of_optax_follows_the_learning_rate(name, clean_gin):
  gin_utils.parse(
    ['models/tiny.gin', 'runs/train_cached.gin'],
    [
      f'OPTIMIZER = @optax.{name}()',
      'LEARNING_RATE = 1e-3',
      'INITIAL_CHECKPOINT_PATH = None',
      'TRAIN_STEPS = 1',
      *(
        f'{macro} = "any"'
        for macro in ('CACHE_DIR', 'MIXTURE_OR_TASK_NAME', 'MODEL_DIR')
      ),
    ],
  )
  optimizer = gin_utils.macro('OPTIMIZER').scoped_configurable_fn()
  params, gradients = {'w': jnp.full(4, 0.5)}, {'w': jnp.full(4, 0.01)}
  updates, _ = optimizer.update(gradients, optimizer.init(params), params)
  assert (updates['w'] < 0).all() and (updates['w'] >= -1.001e-3).all()
