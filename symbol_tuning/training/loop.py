"""The training loop.

It knows nothing of where batches come from (an iterator with `get_state` and
`set_state`) or how a model is evaluated (a function), and it can be killed at
any time: the same command goes on from the last checkpoint.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import jax
import numpy as np
import optax

from symbol_tuning.data.shards import BatchShard
from symbol_tuning.models import parameters
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import activations, batches, feeding, preemption
from symbol_tuning.training.checkpoints import Checkpoints
from symbol_tuning.training.partitioning import Partitioner
from symbol_tuning.training.progress import Reporter, Window
from symbol_tuning.training.state import (
  TrainState,
  abstract_state,
  first_state,
  model_info,
  shardings,
)
from symbol_tuning.training.step import (
  Loss,
  Metrics,
  compile_train_step,
  make_train_step,
)

Evaluate = Callable[[Any, int], Mapping[str, float] | None]


class DataIterator(Protocol):
  """Batches of this process, with a position that JSON can hold.

  Attributes:
    shard: which part of each batch of all processes they are.
  """

  shard: BatchShard

  def __next__(self) -> Mapping[str, np.ndarray]: ...

  def get_state(self) -> dict[str, Any]: ...

  def set_state(self, state: dict[str, Any]) -> None: ...


@dataclasses.dataclass(frozen=True)
class Schedule:
  """When things happen, in steps; all also happen after the last step.

  Attributes:
    train_steps: steps of the whole run.
    checkpoint_period: between checkpoints.
    eval_period: between evaluations; None: after the last step only.
    log_period: between lines of progress.
  """

  train_steps: int
  checkpoint_period: int = 1000
  eval_period: int | None = None
  log_period: int = 10

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if value is not None and value < 1:
        raise ValueError(f'{field.name} is {value}; it must be at least 1')

  def checkpoint_due(self, step: int) -> bool:
    return self._due(step, self.checkpoint_period)

  def eval_due(self, step: int) -> bool:
    return self._due(step, self.eval_period)

  def anything_due(self, step: int) -> bool:
    periods = (self.checkpoint_period, self.eval_period, self.log_period)
    return any(self._due(step, period) for period in periods)

  def _due(self, step: int, period: int | None) -> bool:
    return step == self.train_steps or bool(period and step % period == 0)


def train(
  model: Decoder,
  train_data: DataIterator,
  model_dir: str,
  train_steps: int,
  optimizer: optax.GradientTransformation,
  initial_checkpoint_path: str | None = None,
  partitioner: Partitioner | None = None,
  loss: Loss | None = None,
  num_microbatches: int = 1,
  checkpoint_period: int = 1000,
  keep: int | None = 3,
  eval_period: int | None = None,
  evaluate: Evaluate | None = None,
  log_period: int = 10,
  random_seed: int = 0,
) -> TrainState:
  """Trains until `train_steps`, from the best start there is.

  That is, as in T5X, the latest checkpoint in `model_dir`, else the parameters
  at `initial_checkpoint_path`, else random parameters.

  Args:
    model: the decoder.
    train_data: batches of this process, all of one shape.
    model_dir: the run's folder: checkpoints, TensorBoard events, metrics.jsonl
      and model-info.txt.
    train_steps: steps of the whole run, those of earlier processes included.
    optimizer: an optax transformation.
    initial_checkpoint_path: whatever `parameters.load_params` reads.
    partitioner: how arrays are laid out; by default, each device has the whole
      model and a part of the batch.
    loss: what is minimized.
    num_microbatches: parts of a batch that are computed one after the other,
      for less memory; the result is the same.
    checkpoint_period: steps between checkpoints.
    keep: how many checkpoints stay; None keeps all.
    eval_period: steps between evaluations; None: after the last step only.
    evaluate: called with parameters and step; may return numbers to report. It
      must not keep the parameters: the next step overwrites them.
    log_period: steps between lines of progress.
    random_seed: of random parameters and dropout.

  Returns:
    The state after the last step.

  Raises:
    ValueError: for settings, data or a checkpoint that cannot be used.
    FloatingPointError: when a loss, a gradient or an update is not finite.
    OSError: when a checkpoint cannot be written.
  """
  schedule = Schedule(train_steps, checkpoint_period, eval_period, log_period)
  partitioner = partitioner or Partitioner()
  loss = loss or Loss()
  train_step = make_train_step(model, optimizer, loss, num_microbatches)
  folder = _run_folder(model_dir)
  abstract = abstract_state(model, optimizer, partitioner)
  with preemption.notice() as notice, Checkpoints(folder, keep) as checkpoints:
    start = _Start(checkpoints, abstract, initial_checkpoint_path)
    with Reporter(folder, start.step, train_steps) as reporter:
      if start.step >= train_steps:
        reporter.say(f'Nothing to train: {start} is at step {start.step}.')
        return start.state(model, optimizer, random_seed)
      reporter.write('model-info.txt', model_info(model, abstract))
      start.seek(train_data)
      feed = _feed(train_data, model, partitioner, loss, num_microbatches)
      first_batch = next(feed)
      state = start.state(model, optimizer, random_seed)
      reporter.say(
        f'Training from {start}: {train_steps - start.step} steps to go. '
        'Compiling ...'
      )
      compiled = compile_train_step(
        train_step, abstract, first_batch, partitioner
      )
      loop = _Loop(
        schedule, train_data, checkpoints, reporter, notice, evaluate
      )
      return loop.run(
        compiled, state, start.step, itertools.chain([first_batch], feed)
      )


@dataclasses.dataclass(frozen=True)
class _Start:
  """Where a run begins: its latest checkpoint, or initial parameters.

  Attributes:
    checkpoints: of the run.
    abstract: shapes and shardings of the state.
    initial_path: where parameters are, for a run without a checkpoint; None to
      start from random ones.
  """

  checkpoints: Checkpoints
  abstract: TrainState
  initial_path: str | None

  @functools.cached_property
  def step(self) -> int:
    return self.checkpoints.latest_step() or 0

  def __str__(self) -> str:
    if self.step:
      return str(self.checkpoints.path(self.step))
    return self.initial_path or 'random parameters'

  def seek(self, train_data: DataIterator) -> None:
    """Goes to the place in the data where the run was."""
    if self.step:
      train_data.set_state(self.checkpoints.data_state(self.step))

  def state(
    self, model: Decoder, optimizer: optax.GradientTransformation, seed: int
  ) -> TrainState:
    """The run's state; `seed` makes random parameters and dropout keys."""
    if self.step:
      return self.checkpoints.restore(self.step, self.abstract)
    params_key, run_key = jax.random.split(jax.random.PRNGKey(seed))
    layout = shardings(self.abstract.params)
    if self.initial_path:
      params = parameters.load_params(self.initial_path, model, layout)
    else:
      params = parameters.init_params(model, params_key, layout)
    return first_state(params, optimizer, self.abstract, run_key)


@dataclasses.dataclass(frozen=True)
class _Loop:
  """Steps, and what is done between them."""

  schedule: Schedule
  train_data: DataIterator
  checkpoints: Checkpoints
  reporter: Reporter
  notice: preemption.Preemption
  evaluate: Evaluate | None

  def run(
    self,
    train_step: Callable[..., tuple[TrainState, Metrics]],
    state: TrainState,
    start: int,
    feed: Iterator[Mapping[str, jax.Array]],
  ) -> TrainState:
    self.reporter.start_clock()
    window = Window()
    for step in range(start + 1, self.schedule.train_steps + 1):
      state, metrics = train_step(state, next(feed))
      window.add(metrics)
      stops = self.notice.noticed(step)
      if stops or self.schedule.anything_due(step):
        self.reporter.training(step, self._summary(window, step))
        self._between_steps(state, step, stops)
        window = Window()
      if stops:
        self.reporter.say(f'Told to stop; saved step {step} first.')
        break
    return state

  def _summary(self, window: Window, step: int) -> dict[str, float]:
    try:
      return window.summary(step)
    except FloatingPointError as error:
      last = self.checkpoints.latest_step()
      good = self.checkpoints.path(last) if last else 'none yet'
      raise FloatingPointError(
        f'{error}. Last good checkpoint: {good}. Try a lower learning rate, or '
        'float32 activations.'
      ) from None

  def _between_steps(self, state: TrainState, step: int, stops: bool) -> None:
    if stops or self.schedule.checkpoint_due(step):
      self.checkpoints.save(state, self.train_data.get_state())
    if self.evaluate and not stops and self.schedule.eval_due(step):
      self.reporter.evaluation(step, self.evaluate(state.params, step) or {})


def _run_folder(model_dir: str) -> pathlib.Path:
  if '://' in model_dir:
    raise ValueError(
      f'MODEL_DIR {model_dir} is a URL; mount it as a file system and give the '
      'folder'
    )
  return pathlib.Path(model_dir).expanduser().absolute()


def _feed(
  train_data: DataIterator,
  model: Decoder,
  partitioner: Partitioner,
  loss: Loss,
  num_microbatches: int,
) -> Iterator[dict[str, jax.Array]]:
  """Batches on the devices; each is checked first."""
  feeding.check_shard(train_data.shard, partitioner)
  while True:
    try:
      batch = next(train_data)
    except StopIteration:
      raise ValueError(
        'the training data has ended before the last step: let it repeat, or '
        'lower TRAIN_STEPS'
      ) from None
    arrays = batches.checked(
      batch, model.config.vocab_size, loss.positions_per_row
    )
    rows, length = arrays['decoder_input_tokens'].shape
    shape = rows * train_data.shard.count, length
    activations.check(partitioner, model.config, loss, shape, num_microbatches)
    yield partitioner.put_batch(arrays)
