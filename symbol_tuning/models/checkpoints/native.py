"""Parameters out of, and into, this framework's own Orbax checkpoints.

A training run keeps <MODEL_DIR>/checkpoints/<step>/state, a tree with 'params'
beside the optimizer's state, and decoder.json beside the tree. Only 'params' is
read here. What T5X trains (see
`t5x_models`) is read too: <MODEL_DIR>/checkpoint_<step>/state, where they are
'target'.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util

from symbol_tuning import files
from symbol_tuning.models.checkpoints import (
  decoder_record,
  digests,
  parameter_specs,
  steps,
)
from symbol_tuning.models.checkpoints.parameter_specs import ParameterSpec
from symbol_tuning.models.config import DecoderConfig

PARAMS = 'params'
T5X_PARAMS = 'target'

# What TensorStore says of files that are not to blame.
_NOT_DAMAGE = re.compile(
  'PERMISSION_DENIED|UNAUTHENTICATED|UNAVAILABLE|RESOURCE_EXHAUSTED'
  '|DEADLINE_EXCEEDED|CANCELLED'
)


def load(
  state: files.Path,
  config: DecoderConfig,
  specs: Mapping[str, ParameterSpec],
) -> dict[str, jax.Array]:
  """The parameters of a state folder, by path.

  Args:
    state: the folder.
    config: of the decoder they are for.
    specs: what they must be, by path.

  Raises:
    ValueError: they are of another decoder, or an array is missing, left over
      or of another shape.
    DamagedError: it cannot be read, though its files can.
  """
  decoder_record.check(state.parent, config)
  tree = stored_tree(state)
  params = T5X_PARAMS if T5X_PARAMS in tree else PARAMS
  saved = traverse_util.flatten_dict(tree.get(params, {}), sep='/')
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
  restored = restore(state, item)
  return traverse_util.flatten_dict(restored[params], sep='/')


def stored_tree(state: files.Path) -> Any:
  """Shapes and dtypes of all arrays of a state folder, as Orbax nests them."""
  try:
    return ocp.PyTreeCheckpointHandler().metadata(epath.Path(state)).tree
  except Exception as error:
    raise read_error(state, error) from error


def restore(state: files.Path, wanted: Any) -> Any:
  """Reads those arrays of a state folder that are wanted.

  Args:
    state: the folder.
    wanted: a tree of jax.ShapeDtypeStructs with shardings.

  Raises:
    DamagedError: if the files can be read, but not understood.
    OSError: if they cannot be read.
    jax.errors.JaxRuntimeError: if the devices lack the memory, or another
      process is gone.
  """
  args = ocp.args.PyTreeRestore(
    wanted,
    restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
    partial_restore=True,
  )
  try:
    return ocp.PyTreeCheckpointHandler().restore(epath.Path(state), args=args)
  except Exception as error:
    raise read_error(state, error) from error


def read_error(place: files.Path, error: Exception) -> Exception:
  """What to raise for what Orbax and TensorStore raise while they read.

  A lack of memory, of rights or of a network is no fault of the files, which
  nobody should delete then.
  """
  if isinstance(error, OSError | MemoryError | jax.errors.JaxRuntimeError):
    return error
  reason = (str(error).splitlines() or [type(error).__name__])[0]
  if _NOT_DAMAGE.search(reason):
    return OSError(f'cannot read {place}: {reason}')
  return digests.DamagedError(
    f'{place} is damaged, or not a checkpoint ({reason})'
  )


def save(
  params: Mapping[str, Any], config: DecoderConfig, folder: files.PathLike
) -> None:
  """Writes nested parameters as <folder>/state, which `load` reads.

  Args:
    params: of a decoder.
    config: of the decoder.
    folder: is made if it is not there.

  Raises:
    ValueError: there is such a <folder>/state already.
  """
  folder = files.path(folder)
  # Called by process 0, before the state gets its name.
  write_record = functools.partial(
    files.write_text,
    folder / decoder_record.FILE,
    decoder_record.to_text(config),
  )
  options = ocp.AsyncOptions(post_finalization_callback=write_record)
  with ocp.StandardCheckpointer(async_options=options) as checkpointer:
    checkpointer.save(folder / steps.STATE, {PARAMS: params})
  if jax.process_index() == 0:
    digests.write(folder)
