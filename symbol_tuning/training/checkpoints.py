"""Checkpoints of a run: its state and its position in the data.

They are written by Orbax while training goes on, to
`<model_dir>/checkpoints/<step>/`, as the items `state` (arrays) and `data` (the
JSON states of the data iterators). Both together make a run that was killed go
on to the very parameters it would have reached (Levanter's promise). All
processes write and read a checkpoint together; their number may change.
"""

import contextlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from symbol_tuning import files
from symbol_tuning.training import feeding
from symbol_tuning.training.partitioning import parameter_name
from symbol_tuning.training.state import TrainState

PyTree = Any

_POSITIONS = 'positions'


class Checkpoints:
  """The checkpoints of one run; a context manager.

  Attributes:
    directory: the folder that holds one folder for each step.
  """

  def __init__(self, model_dir: files.Path, keep: int | None = 3):
    """Opens the run's checkpoints, and makes the folder where there is none.

    Args:
      model_dir: the run's folder, an absolute path.
      keep: how many checkpoints stay, the newest; None keeps all.

    Raises:
      ValueError: if none would stay.
      FileNotFoundError: if process 0 made the folder and this one lacks it.
    """
    if keep is not None and keep < 1:
      raise ValueError(
        f'keep is {keep}; it must be at least 1, or None, which keeps all'
      )
    self.directory = model_dir / 'checkpoints'
    self._manager = ocp.CheckpointManager(
      self.directory,
      item_handlers={
        'state': ocp.PyTreeCheckpointHandler(),
        'data': ocp.JsonCheckpointHandler(),
      },
      options=ocp.CheckpointManagerOptions(
        max_to_keep=keep, cleanup_tmp_directories=True
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
      state=ocp.args.PyTreeSave(vars(state)), data=ocp.args.JsonSave(positions)
    )
    self.wait()
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
    except Exception as error:
      raise self._write_error(error) from error

  def data_state(self, step: int) -> dict[str, Any]:
    """The state of this process's data iterator.

    Raises:
      ValueError: if it cannot be read.
    """
    items = ocp.args.Composite(data=ocp.args.JsonRestore())
    try:
      positions = self._manager.restore(step, args=items)['data'][_POSITIONS]
      return feeding.own_position(positions)
    except Exception as error:
      raise self._read_error(step, error) from error

  def restore(self, step: int, abstract: TrainState) -> TrainState:
    """The state of a step, with the shardings of `abstract`.

    Raises:
      ValueError: if the checkpoint is damaged, not one of ours, or of another
        model or optimizer; it names an array with both shapes.
      jax.errors.JaxRuntimeError: if the devices lack the memory, or another
        process is gone.
    """
    wanted = vars(abstract)
    self._check_shapes(step, wanted)
    items = ocp.args.Composite(
      state=ocp.args.PyTreeRestore(
        item=wanted,
        restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
      )
    )
    try:
      return TrainState(**self._manager.restore(step, args=items)['state'])
    except (MemoryError, jax.errors.JaxRuntimeError):
      raise  # That is no fault of the files, which nobody should delete then.
    except Exception as error:
      raise self._read_error(step, error) from error

  def _check_shapes(self, step: int, wanted: PyTree) -> None:
    """Compares names and shapes, before any array is read."""
    try:
      metadata = self._manager.item_metadata(step)['state']
      stored = _shapes(metadata.tree)
    except Exception as error:
      raise self._read_error(step, error) from error
    expected = _shapes(wanted)
    # Parameters first: they tell most about what is different.
    names = sorted(expected | stored, key=lambda n: not n.startswith('params/'))
    for name in names:
      here, there = expected.get(name, 'none'), stored.get(name, 'none')
      if here != there:
        raise ValueError(
          f'{name} has shape {there} in the checkpoint {self.path(step)} and '
          f'{here} in this run: continue with '
          "the checkpoint's own model and optimizer, or use another MODEL_DIR"
        )

  def _read_error(self, step: int, error: Exception) -> ValueError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ValueError(
      f'cannot restore the checkpoint {self.path(step)}: it is damaged or not '
      'one of a training run; delete it to go on from the one before it '
      f'({reason})'
    )

  def _write_error(self, error: Exception) -> OSError:
    # A bucket that is away cannot be asked; the manager remembers its steps.
    with contextlib.suppress(OSError):
      self._manager.reload()
    reason = str(error).rsplit(': ', 1)[-1]
    return OSError(
      f'cannot write a checkpoint to {self.directory} ({reason}). The '
      'checkpoints written before are intact, the newest at step '
      f'{self.latest_step()}: make room and run the same command again'
    )


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
  """Shapes by name; names are alike for named tuples, dicts and lists."""
  return {
    parameter_name(path): tuple(array.shape)
    for path, array in jax.tree.leaves_with_path(tree)
    if hasattr(array, 'shape')
  }
