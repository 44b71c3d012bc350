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

# "as" tells type checkers that a name is offered here.
from symbol_tuning.files.disk_cache import check_room as check_room
from symbol_tuning.files.disk_cache import local_copy as local_copy
from symbol_tuning.files.disk_cache import local_folder as local_folder
from symbol_tuning.files.growing import SECONDS as SECONDS
from symbol_tuning.files.growing import Growing as Growing
from symbol_tuning.files.locks import only_writer as only_writer
from symbol_tuning.files.paths import Path as Path
from symbol_tuning.files.paths import PathLike as PathLike
from symbol_tuning.files.paths import await_folder as await_folder
from symbol_tuning.files.paths import checked_output as checked_output
from symbol_tuning.files.paths import holds_checkpoints as holds_checkpoints
from symbol_tuning.files.paths import is_local as is_local
from symbol_tuning.files.paths import kept_crc32c as kept_crc32c
from symbol_tuning.files.paths import move as move
from symbol_tuning.files.paths import names as names
from symbol_tuning.files.paths import path as path
from symbol_tuning.files.paths import remove as remove
from symbol_tuning.files.paths import resolved as resolved
from symbol_tuning.files.paths import sha256 as sha256
from symbol_tuning.files.paths import size as size
from symbol_tuning.files.paths import url as url
from symbol_tuning.files.writing import create_text as create_text
from symbol_tuning.files.writing import new_folder as new_folder
from symbol_tuning.files.writing import remove_partial as remove_partial
from symbol_tuning.files.writing import replacing as replacing
from symbol_tuning.files.writing import write_bytes as write_bytes
from symbol_tuning.files.writing import write_text as write_text
