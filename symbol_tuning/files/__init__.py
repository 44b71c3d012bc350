"""The one door to files and folders, on a disk or in a bucket.

    folder = files.path('gs://bucket/runs/1')     # or '~/runs/1'
    files.write_text(folder / 'config.gin', text)  # whole, or not at all

Nothing else asks what kind a path is. A bucket is reached through etils' epath
and fsspec (gcsfs, s3fs). It has no folders, no renaming and no appending, so
that what must hold everywhere is asked for here: files that appear whole
(`write_text`, `replacing`), files that one process alone may begin
(`create_text`), folders that one process alone writes to (`only_writer`), files
that grow (`Growing`), and copies on a local disk for libraries that read
nothing else (`local_copy`, `local_folder`).
docs/object_storage.md says what is promised.
"""

from symbol_tuning.files.disk_cache import (
  check_room,
  local_copy,
  local_folder,
)
from symbol_tuning.files.growing import (
  SECONDS,
  Growing,
)
from symbol_tuning.files.locks import only_writer
from symbol_tuning.files.paths import (
  Path,
  PathLike,
  await_folder,
  checked_output,
  holds_checkpoints,
  is_local,
  kept_crc32c,
  move,
  names,
  path,
  remove,
  resolved,
  sha256,
  size,
  url,
)
from symbol_tuning.files.writing import (
  create_text,
  new_folder,
  remove_partial,
  replacing,
  write_bytes,
  write_text,
)

__all__ = [
  'SECONDS',
  'Growing',
  'Path',
  'PathLike',
  'await_folder',
  'check_room',
  'checked_output',
  'create_text',
  'holds_checkpoints',
  'is_local',
  'kept_crc32c',
  'local_copy',
  'local_folder',
  'move',
  'names',
  'new_folder',
  'only_writer',
  'path',
  'remove',
  'remove_partial',
  'replacing',
  'resolved',
  'sha256',
  'size',
  'url',
  'write_bytes',
  'write_text',
]
