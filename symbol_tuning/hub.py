"""Where a checkpoint is: a path, a bucket, or a name on the Hugging Face hub.

A name such as Qwen/Qwen3-0.6B is fetched once, into the hub's cache. Only what
is read is fetched: no pickle and no code.
"""

import os
import pathlib
import re

from symbol_tuning import files, gguf_files

_NAME = re.compile(r'[\w.-]+/[\w.-]+')
# All of a folder that is not weights, and all that is read.
_DESCRIPTION = ('*.json', '*.jinja', '*.txt', 'tokenizer.model')
_READ = (*_DESCRIPTION, '*.safetensors')


def resolve(checkpoint: files.PathLike) -> files.Path:
  """Returns a path: of what is there, or of what was fetched.

  A path that does not exist is returned as it is, unless it looks like a name
  on the hub.

  Raises:
    FileNotFoundError: it looks like one, and the hub gives nothing for it.
  """
  place = files.path(checkpoint)
  name = os.fspath(checkpoint)
  is_name = files.is_local(place) and _NAME.fullmatch(name)
  if not is_name or place.exists() or place.parent.exists():
    return place
  import huggingface_hub

  try:
    folder = huggingface_hub.snapshot_download(name, allow_patterns=[*_READ])
  except Exception as error:  # of requests, httpx, or the library's own
    reason = str(error).strip().splitlines() or [repr(error)]
    raise FileNotFoundError(
      f'No checkpoint at {place}, and the Hugging Face hub gives none of the '
      f'name {name} ({reason[0]}).'
    ) from error
  return pathlib.Path(folder)


def local_description(checkpoint: files.PathLike) -> pathlib.Path:
  """What says which model and tokenizer it is, on this machine's disk.

  Args:
    checkpoint: a .gguf file, a Hugging Face folder, whose weights are not
      copied, a config.json, or a name on the hub.
  """
  path = resolve(checkpoint)
  if path.suffix == '.gguf':
    return gguf_files.local_copy(path)
  if path.suffix == '.json':
    return files.local_copy(path)
  return files.local_folder(path, _DESCRIPTION)
