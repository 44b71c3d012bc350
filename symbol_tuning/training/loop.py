"""The training loop.

It knows nothing of where batches come from (an iterator with `get_state` and
`set_state`) or how a model is evaluated (an `Evaluation`), and it can be killed
at any time: the same command goes on from the last checkpoint.
"""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import jax
import numpy as np
import optax

from symbol_tuning import files, run_config, watchdog
from symbol_tuning.data.positions import OtherDataError
from symbol_tuning.data.shards import BatchShard
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import huggingface, steps
from symbol_tuning.models.decoder import Decoder
from symbol_tuning.training import (
  batches,
  feeding,
  mesh_checks,
  not_finite,
  preemption,
)
from symbol_tuning.training import checkpoints as checkpoints_lib
from symbol_tuning.training.checkpoints import Checkpoints
from symbol_tuning.training.partitioning import Partitioner
from symbol_tuning.training.run_log import (
  NotFiniteError,
  RunLog,
  Window,
  say,
)
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


class DataIterator(Protocol):
  """Batches of this process, with a position that JSON can hold.

  Attributes:
    shard: which part of each batch of all processes they are.
  """

  shard: BatchShard

  def __next__(self) -> Mapping[str, np.ndarray]: ...

  def get_state(self) -> dict[str, Any]: ...

  def set_state(self, state: dict[str, Any]) -> None: ...


class Evaluation(Protocol):
  """Measures a model between steps."""

  def prepare(self) -> None:
    """Reads what it needs, so that what is missing is told at the start."""

  def __call__(self, params: Any, step: int) -> Mapping[str, float]:
    """Numbers to report, by name.

    It must not keep the parameters: the next step overwrites them.
    """


@dataclasses.dataclass(frozen=True)
class Schedule:
  """When things happen, in steps; all also happen after the last step.

  Attributes:
    train_steps: steps of the whole run, those of earlier processes included.
    checkpoint_period: between checkpoints.
    keep: how many checkpoints stay; None keeps all.
    eval_period: between evaluations; None: never.
    log_period: between lines of progress.

  Raises:
    TypeError: for a number of steps that is not a whole number.
    ValueError: for one below 1.
  """

  train_steps: int
  checkpoint_period: int = 1000
  keep: int | None = 3
  eval_period: int | None = None
  log_period: int = 10

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if value is None and field.name in ('keep', 'eval_period'):
        continue
      if not isinstance(value, int):
        raise TypeError(f'{field.name} is {value!r}; it must be a whole number')
      if value < 1:
        raise ValueError(f'{field.name} is {value}; it must be at least 1')

  def due(self, step: int, *periods: int | None) -> bool:
    """Whether the run, or one of the periods, ends with a step."""
    return any(
      step == self.train_steps or step % period == 0
      for period in periods
      if period is not None
    )


@dataclasses.dataclass(frozen=True)
class Run:
  """Everything that a training run is made of.

  Attributes:
    model: the decoder.
    train_data: batches of this process, all of one shape.
    model_dir: the run's folder: checkpoints, TensorBoard events, metrics.jsonl,
      config.gin and model-info.txt.
    optimizer: an optax transformation.
    schedule: how many steps, and when to save, evaluate and report.
    initial_checkpoint_path: whatever `parameters.load_params` reads; None for
      random parameters.
    partitioner: how arrays are laid out; by default, each device has the whole
      model and a part of the batch.
    loss: what is minimized.
    num_microbatches: parts of a batch that are computed one after the other,
      for less memory; the result is the same.
    evaluation: what is done every `schedule.eval_period` steps.
    random_seed: of random parameters and dropout.
    restart_data: read data from their start that are not those of the
      checkpoint, instead of refusing them.
    hang_seconds: the longest that a step, a batch of an evaluation or a
      checkpoint may take until the run is taken for hung, see `watchdog`; None:
      for ever.

  Raises:
    ValueError: if there is a period of evaluation and nothing to evaluate.
  """

  model: Decoder
  train_data: DataIterator
  model_dir: str
  optimizer: optax.GradientTransformation
  schedule: Schedule
  initial_checkpoint_path: str | None = None
  partitioner: Partitioner = dataclasses.field(default_factory=Partitioner)
  loss: Loss = dataclasses.field(default_factory=Loss)
  num_microbatches: int = 1
  evaluation: Evaluation | None = None
  random_seed: int = 0
  restart_data: bool = False
  hang_seconds: float | None = 3600.0

  def __post_init__(self):
    if self.schedule.eval_period is not None and self.evaluation is None:
      raise ValueError(
        f'EVAL_PERIOD is {self.schedule.eval_period}, but nothing says what to '
        'evaluate: add --gin_file=runs/train_eval.gin after the other files'
      )

  @property
  def folder(self) -> files.Path:
    """The path of `model_dir`.

    Raises:
      ValueError: for what is no place for checkpoints.
    """
    folder = files.path(self.model_dir)
    if not files.holds_checkpoints(folder):
      raise ValueError(
        f'MODEL_DIR {folder} cannot hold checkpoints: Orbax keeps them on disks'
        ' and in gs:// only, and takes /gs, /s3, /az and /hf for buckets'
      )
    return folder

  @functools.cached_property
  def abstract(self) -> TrainState:
    """Shapes and shardings of the state.

    Raises:
      ValueError: if the mesh cannot divide a parameter.
    """
    return abstract_state(self.model, self.optimizer, self.partitioner)

  def step(self) -> Callable[..., tuple[TrainState, Metrics]]:
    """The function from a state and a batch to the next state and metrics."""
    return make_train_step(
      self.model, self.optimizer, self.loss, self.num_microbatches
    )

  def prepare_evaluation(self) -> None:
    """Reads what will be evaluated, if anything will."""
    if self.schedule.eval_period is not None and self.evaluation:
      self.evaluation.prepare()


def train(run: Run) -> TrainState:
  """Trains until the last step, from the best start there is.

  That is, as in T5X, the latest checkpoint in the run's folder, else the
  parameters at its initial path, else random parameters.

  Returns:
    The state after the last step.

  Raises:
    ValueError: for settings, data or a checkpoint that cannot be used.
    FloatingPointError: when a loss, a gradient or an update is not finite.
    OSError: when a checkpoint cannot be written, or another run writes there.
  """
  step, folder, last_step = run.step(), run.folder, run.schedule.train_steps
  _refuse_published(folder)
  run.prepare_evaluation()
  files.checked_output(folder)
  with (
    watchdog.Watchdog(run.hang_seconds),
    preemption.notice() as noticed,
    _only_writer(folder),
    Checkpoints(folder, run.model.config, run.schedule.keep) as checkpoints,
  ):
    start = _Start(run)
    start.say()
    start.seek()
    if start.step >= last_step:
      say(f'Nothing to train: {start} is at step {start.step}.')
      return start.state()
    feed = _feed(run)
    first_batch = next(feed)
    state = start.state()
    if start.chosen:
      checkpoints.set_aside(start.chosen)
    say(
      f'Training from {start}: {last_step - start.step} steps to go. '
      'Compiling ...'
    )
    compiled = compile_train_step(
      step, run.abstract, first_batch, run.partitioner
    )
    # A run that is refused must not replace the record of an earlier one.
    run_config.save(folder, start.step)
    with RunLog(folder, start.step, last_step) as log:
      log.write('model-info.txt', model_info(run.model, run.abstract))
      return _Loop(run, checkpoints, log, noticed).go(
        compiled, state, start.step, itertools.chain([first_batch], feed)
      )


def _refuse_published(folder: files.Path) -> None:
  """Raises ValueError if the run's folder is also that of another model."""
  if huggingface.is_model(folder):
    raise ValueError(
      f'MODEL_DIR {folder} holds a published model, with which what is trained '
      'would be confused: choose another MODEL_DIR; to go on with checkpoints '
      'that are there, move them into it'
    )


def _only_writer(folder: files.Path) -> contextlib.AbstractContextManager[None]:
  """Holds the run's folder; of several processes, the first does for all."""
  if jax.process_index():
    return contextlib.nullcontext()
  return files.only_writer(folder, 'MODEL_DIR')


def dry_run(run: Run) -> None:
  """Builds and checks what `train` needs; compiles and writes nothing.

  Raises:
    ValueError: for settings, data or a checkpoint that cannot be used.
  """
  run.step()
  _refuse_published(run.folder)
  run.prepare_evaluation()
  rows, length = next(_feed(run))['decoder_input_tokens'].shape
  start = _Start(run)
  start.say()
  start.check()
  to_go = run.schedule.train_steps - start.step
  say(
    f'{model_info(run.model, run.abstract)}'
    f'batch: {rows} rows of {length} tokens\n\n'
    f'Dry run: from {start}, {to_go} steps to go. Nothing was compiled or '
    'written.'
  )


@dataclasses.dataclass(frozen=True)
class _Start:
  """Where a run begins: its newest whole checkpoint, or initial parameters."""

  run: Run

  @functools.cached_property
  def chosen(self) -> steps.Chosen | None:
    return steps.newest_whole(self.run.folder / steps.STEPS)

  @property
  def step(self) -> int:
    return (self.chosen and self.chosen.step) or 0

  def __str__(self) -> str:
    if self.chosen:
      return str(self.chosen.folder)
    return self.run.initial_checkpoint_path or 'random parameters'

  def say(self) -> None:
    """Says which checkpoints are passed over, and what lies ahead."""
    if self.chosen:
      self.chosen.say()
    if kept := not_finite.ahead(self.run.folder, self.step):
      say(
        f'An earlier run broke at the batch in {kept}, which is read again: '
        'change what made it break, or read other batches, by'
        ' --gin.RESTART_DATA=True and another --gin.RANDOM_SEED.'
      )

  def seek(self) -> None:
    """Goes to the place in the data where the run was."""
    if not self.chosen:
      return
    try:
      self.run.train_data.set_state(checkpoints_lib.data_state(self.chosen))
    except OtherDataError as error:
      if not self.run.restart_data:
        raise
      reason = str(error).partition(':')[0]
      say(
        f'The data are read from their start, as RESTART_DATA says: {reason}.'
      )

  def check(self) -> None:
    """Reads the parameters, or the whole state, where there are any."""
    if self.chosen:
      self.state()
    elif path := self.run.initial_checkpoint_path:
      self._initial_params(path)

  def state(self) -> TrainState:
    run, abstract = self.run, self.run.abstract
    if self.chosen:
      config = run.model.config
      return checkpoints_lib.restore(self.chosen, config, abstract)
    params_key, run_key = jax.random.split(jax.random.PRNGKey(run.random_seed))
    if path := run.initial_checkpoint_path:
      params = self._initial_params(path)
    else:
      layout = shardings(abstract.params)
      params = parameters.init_params(run.model, params_key, layout)
    return first_state(params, run.optimizer, abstract, run_key)

  def _initial_params(self, path: str) -> Any:
    layout = shardings(self.run.abstract.params)
    return parameters.load_params(path, self.run.model, layout)


@dataclasses.dataclass(frozen=True)
class _Loop:
  """Steps, and what is done between them."""

  run: Run
  checkpoints: Checkpoints
  log: RunLog
  noticed: preemption.Noticed

  def go(
    self,
    train_step: Callable[..., tuple[TrainState, Metrics]],
    state: TrainState,
    start: int,
    feed: Iterator[Mapping[str, jax.Array]],
  ) -> TrainState:
    schedule = self.run.schedule
    self.log.start_clock()
    window = Window()
    for step in range(start + 1, schedule.train_steps + 1):
      batch = next(feed)
      state, metrics = train_step(state, batch)
      window.add(metrics, batch)
      watchdog.finished(f'step {step}')
      stops = self.noticed(step)
      if stops or schedule.due(
        step,
        schedule.log_period,
        schedule.checkpoint_period,
        schedule.eval_period,
      ):
        self.log.training(step, self._summary(window, step))
        self._between_steps(state, step, stops)
        watchdog.finished(f'what follows step {step}')
        window = Window()
      if stops:
        self.log.say(f'Told to stop; saved step {step} first.')
        break
    return state

  def _summary(self, window: Window, step: int) -> dict[str, float]:
    try:
      return window.summary(step)
    except NotFiniteError as error:
      last = self.checkpoints.latest_step()
      good = self.checkpoints.path(last) if last else 'none yet'
      raise FloatingPointError(
        f'{error}. {self._kept(error)} Last checkpoint before: {good}. Try a '
        'lower learning rate, or float32 activations.'
      ) from None

  def _kept(self, error: NotFiniteError) -> str:
    if error.batch is None:
      return 'Its batch is not kept: report more often to keep it.'
    try:
      path = not_finite.keep(self.run.folder, error.step, error.batch)
    except OSError as reason:
      return f'Its batch could not be kept ({reason}).'
    return f'Its batch is kept in {path}.'

  def _between_steps(self, state: TrainState, step: int, stops: bool) -> None:
    schedule = self.run.schedule
    if stops or schedule.due(step, schedule.checkpoint_period):
      self.checkpoints.save(state, self.run.train_data.get_state())
    evaluation = self.run.evaluation
    due = schedule.due(step, schedule.eval_period)
    if evaluation and due and stops:
      self.log.say(
        f'The evaluation of step {step} is left out; runs/eval.gin makes it.'
      )
    elif evaluation and due:
      with self.run.partitioner.activate():
        self.log.evaluation(step, evaluation(state.params, step))


def _feed(run: Run) -> Iterator[dict[str, jax.Array]]:
  """Batches on the devices; each is checked first."""
  shard, model = run.train_data.shard, run.model
  feeding.check_shard(shard, run.partitioner)
  while True:
    try:
      batch = next(run.train_data)
    except StopIteration:
      raise ValueError(
        'the training data has ended before the last step: let it repeat, or '
        'lower TRAIN_STEPS'
      ) from None
    arrays = batches.checked(
      batch, model.config.vocab_size, run.loss.positions_per_row
    )
    rows, length = arrays['decoder_input_tokens'].shape
    mesh_checks.check(
      run.partitioner,
      model.config,
      run.loss,
      (rows * shard.count, length),
      run.num_microbatches,
    )
    yield run.partitioner.put_batch(arrays)
