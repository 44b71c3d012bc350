"""Keeps what XLA compiled, so that a program which starts again starts sooner.

It is JAX's persistent compilation cache, in a folder of the user's, with a
limit to its size; what is read there is the very code that was compiled, so
results do not change. The setting of JAX's own environment variables is
respected:

    JAX_COMPILATION_CACHE_DIR        another folder, or one in a bucket
    JAX_COMPILATION_CACHE_MAX_SIZE   its bytes
    JAX_ENABLE_COMPILATION_CACHE=0   no cache

Programs that run as several processes have none unless a folder is named: if
one process found what another must compile, those that compile could wait for
it for ever, as XLA shares its search for the fastest GPU kernels.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
import stat
import sys
from typing import Any

import filelock
import jax
import jax.version

_MAX_BYTES = 4 * 2**30
# Less is compiled sooner than it is looked for among many.
_MIN_COMPILE_SECONDS = 0.1
_LOCK_SECONDS = 10


def use() -> None:
  """Turns the cache on, unless the user has said where or whether.

  Without a folder that is this user's alone, the program goes on without a
  cache, and says so. To be called before anything is compiled.
  """
  # JAX adds its settings to the class as they are defined.
  config: Any = jax.config
  named = config.jax_compilation_cache_dir is not None
  if named or not config.jax_enable_compilation_cache:
    return
  if jax.process_count() > 1:
    return
  try:
    folder = _private_folder()
    _remove_partial(folder)
  except (OSError, RuntimeError, filelock.Timeout) as error:  # No home, too.
    print(f'Nothing compiled is kept: {error}', file=sys.stderr, flush=True)
    return
  config.update('jax_compilation_cache_dir', str(folder))
  if config.jax_compilation_cache_max_size == -1:
    config.update('jax_compilation_cache_max_size', _MAX_BYTES)
  if 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS' not in os.environ:
    config.update(
      'jax_persistent_cache_min_compile_time_secs', _MIN_COMPILE_SECONDS
    )


def folder_of_user() -> pathlib.Path:
  """Returns where the cache of this user, JAX and kind of processor is.

  Another version reads nothing that this one has compiled, and a processor
  that shares the home may lack instructions of this one.
  """
  home = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache')
  name = f'jax-{jax.version.__version__}-{_processor()}'
  return home.expanduser() / 'symbol_tuning' / 'compiled' / name


def _processor() -> str:
  """A name for what this processor can do."""
  told = platform.machine()
  with contextlib.suppress(OSError), open('/proc/cpuinfo') as lines:
    kept = {line for line in lines if line.startswith(('flags', 'Features'))}
    told += ''.join(sorted(kept))
  return hashlib.sha256(told.encode()).hexdigest()[:8]


def _private_folder() -> pathlib.Path:
  """Makes the folder; whoever can write there can have this user run code.

  Raises:
    PermissionError: if others may write there.
    OSError: if it cannot be made.
  """
  folder = folder_of_user()
  folder.parent.mkdir(parents=True, exist_ok=True)
  folder.mkdir(mode=0o700, exist_ok=True)
  found = folder.stat()
  others = stat.S_IWGRP | stat.S_IWOTH
  if found.st_uid != os.geteuid() or found.st_mode & others:
    raise PermissionError(
      f'{folder} may be written by others, who could have you run their code:'
      f' remove it, or `chmod 700` it if it is yours'
    )
  return folder


def _remove_partial(folder: pathlib.Path) -> None:
  """Removes what a process that was killed has left half-written.

  JAX writes an entry, then the time it was used at, while it holds the lock.
  """
  with filelock.FileLock(folder / '.lockfile', timeout=_LOCK_SECONDS):
    for entry in folder.glob('*-cache'):
      used_at = entry.with_name(entry.name.removesuffix('cache') + 'atime')
      if not used_at.exists():
        entry.unlink()
