"""Optimizers, as optax transformations that gin can configure.

Adafactor (Shazeer and Stern, 2018, arXiv 1804.04235) is what T5X finetunes
with and what the symbol-tuning paper used: factored second moments, no
momentum, steps relative to the size of each parameter. All of its statistics
(row and column means, the clipping of an update by its root mean square, the
scale of a parameter) belong to *one* parameter, so stacking the layers of a
model for `nn.scan` would change its maths. `per_layer` undoes that.

Any optax optimizer can be used in place of these, e.g. `@optax.adamw()`.
"""

import jax
import optax


def adafactor(
  learning_rate: optax.ScalarOrSchedule = 1e-3,
  decay_rate: float = 0.8,
  clipping_threshold: float | None = 1.0,
  min_dim_size_to_factor: int = 128,
  multiply_by_parameter_scale: bool = True,
  weight_decay_rate: float | None = None,
) -> optax.GradientTransformation:
  """Adafactor without momentum, at a constant rate unless given a schedule.

  Args:
    learning_rate: relative to each parameter's root mean square; a number, or
      a schedule (a function of the step) from `optax.schedules`.
    decay_rate: exponent of the decay of the second moments.
    clipping_threshold: greatest root mean square of a parameter's update.
    min_dim_size_to_factor: the second moments of a parameter are factored when
      its two largest axes are at least this long.
    multiply_by_parameter_scale: False makes `learning_rate` absolute.
    weight_decay_rate: share of each parameter that a step takes away.
  """
  one_parameter = optax.adafactor(
    learning_rate=learning_rate,
    min_dim_size_to_factor=min_dim_size_to_factor,
    decay_rate=decay_rate,
    multiply_by_parameter_scale=multiply_by_parameter_scale,
    clipping_threshold=clipping_threshold,
    weight_decay_rate=weight_decay_rate,
  )
  return per_layer(one_parameter)


def per_layer(
  transformation: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Applies `transformation` to each parameter of each layer by itself.

  The state is a tree like the parameters, with a state of `transformation` in
  place of each. Below the module 'layers', whose parameters `nn.scan` stacks,
  the transformation is mapped over the first axis of parameters, gradients and
  state.

  Args:
    transformation: one that treats parameters independently of each other, such
      as Adafactor; clipping by the global norm is not one.
  """

  def for_path(path, function):
    is_stacked = any(getattr(part, 'key', None) == 'layers' for part in path)
    return jax.vmap(function) if is_stacked else function

  def init(params):
    return jax.tree.map_with_path(
      lambda path, param: for_path(path, transformation.init)(param), params
    )

  def update(updates, state, params):
    leaves, tree = jax.tree.flatten_with_path(updates)
    results = [
      for_path(path, transformation.update)(*arrays)
      for (path, leaf), *rest in zip(
        leaves,
        tree.flatten_up_to(state),
        tree.flatten_up_to(params),
        strict=True,
      )
      for arrays in [(leaf, *rest)]
    ]
    new_updates, new_state = zip(*results, strict=True)
    return tree.unflatten(new_updates), tree.unflatten(new_state)

  return optax.GradientTransformation(init, update)
