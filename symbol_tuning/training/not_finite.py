"""Keeps the batch at which a run broke, for people to look at.

<MODEL_DIR>/not_finite/step_<n>.process_<i>.npz holds the rows of each process,
by the names of features. A run that goes on will read the same batch, since the
order of the data is fixed: it says so.
"""

import io
import re
from typing import Any

import jax
import numpy as np

from symbol_tuning import files
from symbol_tuning.training.run_log import Batch

_FOLDER = 'not_finite'


def keep(folder: files.Path, step: int, batch: Batch) -> files.Path:
  """Writes this process's rows of a batch.

  Args:
    folder: of the run.
    step: that was trained on the batch.
    batch: arrays by feature, over all processes.

  Returns:
    The file.

  Raises:
    OSError: if it cannot be written.
  """
  path = folder / _FOLDER / f'step_{step}.process_{jax.process_index()}.npz'
  path.parent.mkdir(parents=True, exist_ok=True)
  content = io.BytesIO()
  arrays: dict[str, Any] = {
    name: _own_rows(rows) for name, rows in batch.items()
  }
  np.savez(content, **arrays)
  files.write_bytes(path, content.getvalue())
  return path


def ahead(folder: files.Path, step: int) -> files.Path | None:
  """The first batch that was kept of the steps after this one."""
  kept: dict[int, files.Path] = {}
  if (folder / _FOLDER).is_dir():
    for path in (folder / _FOLDER).iterdir():
      if found := re.match(r'step_(\d+)\.', path.name):
        kept.setdefault(int(found[1]), path)
  later = [number for number in kept if number > step]
  return kept[min(later)] if later else None


def _own_rows(array: jax.Array) -> np.ndarray:
  """Each row that a device of this process holds, once, in order."""
  shards = {
    shard.index[0].start or 0: np.asarray(shard.data)
    for shard in array.addressable_shards
  }
  return np.concatenate([shards[start] for start in sorted(shards)])
