"""Parameters out of, and into, this framework's own Orbax checkpoints.

A training run keeps <MODEL_DIR>/checkpoints/<step>/state, a tree with 'params'
beside the optimizer's state. Only 'params' is read here. What T5X trains (see
`t5x_models`) is read too: <MODEL_DIR>/checkpoint_<step>/state, where they are
'target'.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util

from symbol_tuning import files
from symbol_tuning.models.checkpoints import parameter_specs
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec

STEPS = 'checkpoints'
STATE = 'state'
ARRAYS = '_METADATA'
PARAMS = 'params'
T5X_PARAMS = 'target'


def find_state(path: epath.Path) -> epath.Path | None:
  """The state folder of a MODEL_DIR (its newest step) or of a step's folder.

  Returns:
    None if the folder is of neither kind.

  Raises:
    FileNotFoundError: a MODEL_DIR without a finished checkpoint.
  """
  for state in (path, path / STATE):
    if (state / ARRAYS).exists() and _is_committed(state):
      return state
  for steps in (path, path / STEPS):
    finished = _finished_steps(steps)
    if finished:
      return finished[max(finished)]
  if (path / STEPS).exists():
    raise FileNotFoundError(f'{path / STEPS} holds no finished checkpoint yet.')
  return None


def load(
  state: epath.Path, specs: Mapping[str, ParameterSpec]
) -> dict[str, jax.Array]:
  """The parameters of a state folder, by path.

  Args:
    state: the folder.
    specs: what they must be, by path.

  Raises:
    ValueError: an array is missing, left over or of another shape.
  """
  handler = ocp.PyTreeCheckpointHandler()
  tree = handler.metadata(state).tree
  params = T5X_PARAMS if T5X_PARAMS in tree else PARAMS
  saved = traverse_util.flatten_dict(tree[params], sep='/')
  parameter_specs.check_names(state, set(saved), set(specs))
  for path, spec in specs.items():
    groups = [(axis,) for axis in spec.axes]
    name = f'{path} in {state}'
    parameter_specs.check_shape(name, saved[path].shape, spec.shape, groups)
  flat = {
    path: jax.ShapeDtypeStruct(spec.shape, spec.dtype, sharding=spec.sharding)
    for path, spec in specs.items()
  }
  item = {params: traverse_util.unflatten_dict(flat, sep='/')}
  restore = ocp.args.PyTreeRestore(
    item,
    restore_args=ocp.checkpoint_utils.construct_restore_args(item),
    partial_restore=True,
  )
  restored = handler.restore(state, args=restore)
  return traverse_util.flatten_dict(restored[params], sep='/')


def save(params: Mapping[str, Any], folder: str | Path) -> None:
  """Writes nested parameters as <folder>/state, which `load` reads.

  Raises:
    ValueError: there is such a folder already.
  """
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(files.path(folder) / STATE, {PARAMS: params})


def step_of(name: str) -> int | None:
  """The step of a checkpoint's folder, ours or T5X's; None of another one."""
  step = re.fullmatch(r'(?:checkpoint_)?(\d+)', name)
  return int(step[1]) if step else None


def is_finished(step: epath.Path) -> bool:
  """Whether a step's folder holds a whole checkpoint.

  On a disk it gets its name when it is whole; in a bucket, which cannot rename,
  Orbax's commit marker says so.
  """
  return (step / STATE / ARRAYS).exists() and _is_committed(step)


def _is_committed(folder: epath.Path) -> bool:
  return files.is_local(folder) or ocp.utils.is_checkpoint_finalized(folder)


def _finished_steps(folder: epath.Path) -> dict[int, epath.Path]:
  if not folder.is_dir():
    return {}
  steps = {step_of(step.name): step for step in folder.iterdir()}
  return {
    number: step / STATE
    for number, step in steps.items()
    if number is not None and is_finished(step)
  }
