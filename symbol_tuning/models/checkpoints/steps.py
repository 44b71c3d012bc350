"""Which checkpoint of a run is read: the newest that is whole.

Training, evaluation, inference and conversion all ask here, so that they agree.
A checkpoint is whole if it has its files and they are what was written, as its
digests say. A folder <step> in <MODEL_DIR>/checkpoints gets its name when all
is written; in a bucket, which cannot rename, Orbax's commit marker says so.
"""

import dataclasses
import re
from collections.abc import Mapping

import jax
import orbax.checkpoint as ocp

from symbol_tuning import files
from symbol_tuning.models.checkpoints import digests, huggingface

STEPS = 'checkpoints'
STATE = 'state'
ARRAYS = '_METADATA'


@dataclasses.dataclass(frozen=True)
class Chosen:
  """The checkpoint to read.

  Attributes:
    folder: of the checkpoint.
    state: the folder of its arrays.
    has_digests: whether it is known to be undamaged.
    skipped: why newer checkpoints of the run are not read, by step.
  """

  folder: files.Path
  state: files.Path
  has_digests: bool
  skipped: Mapping[int, str] = dataclasses.field(default_factory=dict)

  @property
  def step(self) -> int | None:
    """The training step, if the folder is called by one."""
    return step_of(self.folder.name)

  def say(self) -> None:
    """Prints what people should know of the choice; nothing if all is well."""
    if jax.process_index():
      return
    for step, reason in self.skipped.items():
      print(
        f'Checkpoint {step} is damaged and skipped, {self.step} is read:'
        f' {reason}.',
        flush=True,
      )
    if not self.has_digests:
      print(
        f'{self.folder} has no digests, as T5X and earlier versions write'
        ' checkpoints: damaged files would not be noticed.',
        flush=True,
      )
    elif digests.lacks_seal(self.folder):
      print(
        f'{self.folder} has no {digests.SEAL}, as after a kill at the very end'
        " of saving: Orbax's own marks are unchecked, all else is whole.",
        flush=True,
      )


def choose(path: files.PathLike) -> Chosen | None:
  """Finds the checkpoint that a path stands for.

  All processes must call this together: they share the work of checking.

  Args:
    path: a MODEL_DIR or its checkpoints/ (the newest that is whole), or the
      folder of one checkpoint.

  Returns:
    None if the folder is of no such kind.

  Raises:
    FileNotFoundError: a MODEL_DIR without a finished checkpoint.
    ValueError: a published model is in the folder, too.
    DamagedError: that checkpoint, or each of the run's, is damaged.
    OSError: if files cannot be read.
  """
  path = files.path(path)
  if huggingface.is_model(path) and (held := held_in(path)):
    raise ValueError(
      f'{path} holds both a published model and checkpoints of a training: '
      f'name {held} to read what was trained; to read the published model, '
      'move the checkpoints to another folder.'
    )
  for state in (path, path / STATE):
    if (state / ARRAYS).exists() and _is_committed(state):
      return Chosen(state.parent, state, digests.check(state.parent))
  for folder in (path, path / STEPS):
    if chosen := newest_whole(folder):
      return chosen
  if (path / STEPS).exists():
    raise FileNotFoundError(f'{path / STEPS} holds no finished checkpoint yet.')
  return None


def held_in(folder: files.Path) -> files.Path | None:
  """The newest checkpoint of ours in a folder, be it damaged or not."""
  if (folder / STATE / ARRAYS).exists():
    return folder / STATE
  for place in (folder, folder / STEPS):
    if found := all_steps(place):
      return found[max(found)]
  return None


def folder_of_run(path: files.Path) -> files.Path:
  """The folder that holds a checkpoint and the others of its run.

  Args:
    path: as `choose` takes it; itself is returned for what holds none.
  """
  for state in (path, path / STATE):
    if (state / ARRAYS).exists():
      return state.parent.parent
  return path / STEPS if (path / STEPS).exists() else path


def newest_whole(folder: files.Path) -> Chosen | None:
  """The newest checkpoint of a folder that is whole; None if there is none.

  Raises:
    DamagedError: if there are some and none is whole.
    OSError: if files cannot be read.
  """
  found = all_steps(folder)
  skipped: dict[int, str] = {}
  for step in sorted(found, reverse=True):
    try:
      has_digests = _check(found[step])
      return Chosen(found[step], found[step] / STATE, has_digests, skipped)
    except digests.DamagedError as error:
      skipped[step] = str(error)
  if not skipped:
    return None
  told = '; '.join(f'{step}: {reason}' for step, reason in skipped.items())
  raise digests.DamagedError(
    f'none of the checkpoints in {folder} is whole ({told}): restore them from '
    'a copy, or begin in another MODEL_DIR'
  )


def all_steps(folder: files.Path) -> dict[int, files.Path]:
  """The folders of all checkpoints that were finished, damaged ones too."""
  if not folder.is_dir():
    return {}
  named = {step_of(step.name): step for step in folder.iterdir()}
  return {
    number: step
    for number, step in named.items()
    if number is not None and step.is_dir() and _is_committed(step)
  }


def step_of(name: str) -> int | None:
  """The step of a checkpoint's folder, ours or T5X's; None of another one."""
  step = re.fullmatch(r'(?:checkpoint_)?(\d+)', name)
  return int(step[1]) if step else None


def is_finished(step: files.Path) -> bool:
  """Whether a step's folder holds a finished checkpoint; reads no array."""
  return (step / STATE / ARRAYS).exists() and _is_committed(step)


def _check(step: files.Path) -> bool:
  has_digests = digests.check(step)
  if not (step / STATE / ARRAYS).exists():
    raise digests.DamagedError(f'{step} holds no {STATE}/{ARRAYS}')
  return has_digests


def _is_committed(folder: files.Path) -> bool:
  return files.is_local(folder) or ocp.utils.is_checkpoint_finalized(folder)
