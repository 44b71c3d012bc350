"""Checkpoints of a run: its state and its position in the data.

They are written by Orbax while training goes on, to
`<model_dir>/checkpoints/<step>/`, as the items `state` (arrays) and `data` (the
JSON states of the data iterators). Both together make a run that was killed go
on to the very parameters it would have reached (Levanter's promise). All
processes write and read a checkpoint together; their number may change.
"""

import contextlib
import dataclasses
import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from symbol_tuning import files
from symbol_tuning.models.checkpoints import (
  decoder_record,
  digests,
  native,
  steps,
)
from symbol_tuning.models.config import DecoderConfig
from symbol_tuning.training import feeding
from symbol_tuning.training.partitioning import parameter_name
from symbol_tuning.training.state import TrainState

PyTree = Any

_DATA = 'data'
_POSITIONS = 'positions'
# Digests of what each process has written, while a checkpoint is.
_PARTS = 'digests'
# What Orbax has after the name of what is not whole yet.
_PARTIAL = '.orbax-checkpoint-tmp'


class _ReportedHere(logging.Filter):
  """Drops what Orbax logs of errors that are raised here, too."""

  def filter(self, record: logging.LogRecord) -> bool:
    is_reported = record.exc_info or 'Metadata file does not' in str(record.msg)
    return not (is_reported and 'orbax' in record.pathname)


logging.getLogger('absl').addFilter(_ReportedHere())


def _hush_closed_loops(report: Callable[[Any], None]) -> Callable[[Any], None]:
  """A hook that passes over what follows when a checkpoint cannot be written.

  The first array that cannot be written ends Orbax's event loop; each other one
  finds it closed, and would print a traceback.
  """

  def hook(unraisable: Any) -> None:
    if 'Event loop is closed' not in str(unraisable.exc_value):
      report(unraisable)

  return hook


sys.unraisablehook = _hush_closed_loops(sys.unraisablehook)


class _StateHandler(ocp.PyTreeCheckpointHandler):
  """Has each of several processes digest the arrays that it writes itself."""

  async def async_save(
    self, directory: epath.Path, *args: Any, **kwargs: Any
  ) -> list[ocp.future.Future]:
    futures = await super().async_save(directory, *args, **kwargs) or []
    if jax.process_count() == 1:
      return futures
    own = f'process_{jax.process_index()}'
    to = directory / _PARTS / f'{own}.json'
    digest = functools.partial(
      digests.write_part, directory, f'ocdbt.{own}', to
    )
    return [ocp.future.ChainedFuture(futures, digest)]


@ocp.args.register_with_handler(_StateHandler, for_save=True)
@dataclasses.dataclass
class _StateSave(ocp.args.PyTreeSave):
  """What Orbax gives to a _StateHandler."""


@ocp.args.register_with_handler(_StateHandler, for_restore=True)
@dataclasses.dataclass
class _StateRestore(ocp.args.PyTreeRestore):
  """Not used; a handler must have one."""


class Checkpoints:
  """The checkpoints of one run; a context manager.

  Attributes:
    directory: the folder that holds one folder for each step.
  """

  def __init__(
    self, model_dir: files.Path, config: DecoderConfig, keep: int | None = 3
  ):
    """Opens the run's checkpoints, and makes the folder where there is none.

    Args:
      model_dir: the run's folder, an absolute path.
      config: of the decoder that is trained.
      keep: how many checkpoints stay, the newest; None keeps all.

    Raises:
      NotADirectoryError: if a file is where the folder should be.
      FileNotFoundError: if process 0 made the folder and this one lacks it.
    """
    self.directory = model_dir / steps.STEPS
    if self.directory.exists() and not self.directory.is_dir():
      raise NotADirectoryError(
        f'{self.directory} is a file where a run keeps its checkpoints: use '
        'another MODEL_DIR'
      )
    self._record = decoder_record.to_text(config)
    self._saving: int | None = None
    self._manager = ocp.CheckpointManager(
      self.directory,
      item_handlers={
        steps.STATE: _StateHandler(),
        _DATA: ocp.JsonCheckpointHandler(),
      },
      options=ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        cleanup_tmp_directories=True,
        async_options=ocp.AsyncOptions(post_finalization_callback=self._finish),
      ),
    )
    self._await_folder()

  def _await_folder(self) -> None:
    try:
      files.await_folder(self.directory)
    except FileNotFoundError as error:
      raise FileNotFoundError(
        f'process {jax.process_index()} does not see what process 0 has made: '
        f'{error}. MODEL_DIR must be a folder that all hosts share'
      ) from None

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, error_type, *_) -> None:
    try:
      self.wait()
    except OSError:
      if error_type is None:
        raise
    finally:
      self._manager.close()

  def latest_step(self) -> int | None:
    return self._manager.latest_step()

  def path(self, step: int) -> files.Path:
    return self.directory / str(step)

  def save(self, state: TrainState, data: dict[str, Any]) -> None:
    """Starts to write a checkpoint; `state` may be donated after this returns.

    Args:
      state: of the run.
      data: the state of this process's data iterator.

    Raises:
      OSError: if this or the checkpoint before it could not be written.
    """
    step = int(state.step)
    positions = {_POSITIONS: feeding.gather_positions(data)}
    items = ocp.args.Composite(
      state=_StateSave(vars(state)), data=ocp.args.JsonSave(positions)
    )
    self.wait()
    self._saving = step
    try:
      self._manager.save(step, args=items)
    except Exception as error:
      raise self._write_error(error) from error

  def wait(self) -> None:
    """Returns when all checkpoints are on disk.

    Raises:
      OSError: if one could not be written.
    """
    try:
      self._manager.wait_until_finished()
      self._seal()
    except Exception as error:
      raise self._write_error(error) from error

  def _finish(self) -> None:
    """Completes what is about to get its name; by process 0 only."""
    # In a bucket it has its name from the start.
    name = str(self._saving)
    partial = self.directory.glob(f'{name}{_PARTIAL}*')
    folder = next(partial, self.directory / name)
    files.write_text(folder / decoder_record.FILE, self._record)
    known = {
      f'{steps.STATE}/{name}': digest
      for part in (folder / steps.STATE / _PARTS).glob('*.json')
      for name, digest in digests.read(part).items()
    }
    digests.write(folder, known=known)

  def _seal(self) -> None:
    """Adds the digests of what Orbax has written since `_finish`."""
    step, self._saving = self._saving, None
    if step is not None and jax.process_index() == 0:
      folder = self.path(step)
      names = [n for n in digests.COMMIT_FILES if (folder / n).exists()]
      digests.write(folder, names, to=digests.SEAL)

  def set_aside(self, chosen: steps.Chosen) -> None:
    """Renames damaged checkpoints, which the run will write anew.

    They stay as `damaged-<step>` until somebody removes them.
    """
    if jax.process_index() == 0:
      for step in chosen.skipped:
        files.move(self.path(step), self.directory / f'damaged-{step}')
    multihost_utils.sync_global_devices('damaged checkpoints are set aside')
    self._manager.reload()

  def _write_error(self, error: Exception) -> OSError:
    # A bucket that is away cannot be asked; the manager remembers its steps.
    with contextlib.suppress(OSError):
      self._manager.reload()
    reason = str(error).rsplit(': ', 1)[-1]
    if isinstance(error, OSError) and error.strerror:
      reason = f'{error.strerror}: {error.filename}'
    newest = self.latest_step()
    before = 'There is none before it'
    if newest is not None:
      before = f'Those before it are intact, the newest at step {newest}'
    what = 'make room' if 'No space' in reason else 'make it possible'
    return OSError(
      f'cannot write a checkpoint to {self.directory} ({reason}). {before}: '
      f'{what} and run the same command again'
    )


def data_state(chosen: steps.Chosen) -> dict[str, Any]:
  """The state of this process's data iterator in a checkpoint.

  Raises:
    DamagedError: if it is not there or not what was written.
    OSError: if it cannot be read.
  """
  try:
    folder = epath.Path(chosen.folder / _DATA)
    positions = ocp.JsonCheckpointHandler().restore(folder)[_POSITIONS]
    return feeding.own_position(positions)
  except FileNotFoundError as error:
    raise digests.DamagedError(
      f'{chosen.folder} is no checkpoint of a training run: {error}'
    ) from error
  except Exception as error:
    raise native.read_error(chosen.folder / _DATA, error) from error


def restore(
  chosen: steps.Chosen, config: DecoderConfig, abstract: TrainState
) -> TrainState:
  """The state in a checkpoint, with the shardings of `abstract`.

  Args:
    chosen: the checkpoint.
    config: of the decoder that is trained.
    abstract: the shapes and shardings of the state.

  Raises:
    ValueError: if it is of another model or optimizer; it names an array with
      both shapes, or the fields of DecoderConfig that differ.
    DamagedError: if the files can be read, but not understood.
    OSError: if they cannot be read.
    jax.errors.JaxRuntimeError: if the devices lack the memory, or another
      process is gone.
  """
  decoder_record.check(chosen.folder, config)
  wanted = vars(abstract)
  _check_shapes(chosen, wanted)
  return TrainState(**native.restore(chosen.state, wanted))


def _check_shapes(chosen: steps.Chosen, wanted: PyTree) -> None:
  """Compares names and shapes, before any array is read."""
  stored = _shapes(native.stored_tree(chosen.state))
  expected = _shapes(wanted)
  # Parameters first: they tell most about what is different.
  names = sorted(expected | stored, key=lambda n: not n.startswith('params/'))
  for name in names:
    here, there = expected.get(name, 'none'), stored.get(name, 'none')
    if here != there:
      raise ValueError(
        f'{name} has shape {there} in the checkpoint {chosen.folder} and '
        f'{here} in this run: continue with '
        "the checkpoint's own model and optimizer, or use another MODEL_DIR"
      )


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
  """Shapes by name; names are alike for named tuples, dicts and lists."""
  return {
    parameter_name(path): tuple(array.shape)
    for path, array in jax.tree.leaves_with_path(tree)
    if hasattr(array, 'shape')
  }
