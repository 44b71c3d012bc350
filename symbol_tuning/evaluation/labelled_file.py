"""The file of labelled rows, while it is made and afterwards.

  <output>            one JSON line for each row, in the order of the rows
  <output>.run.json   what made it, and its SHA-256
  <output>.parts/     finished parts, until all are there

Parts appear whole or not at all, on disks and in buckets, and are called by
their number and their SHA-256: one that is damaged is made again.
"""

import collections
import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from symbol_tuning import files, reading
from symbol_tuning.evaluation.countdown import print_line
from symbol_tuning.files import sealed

Record = dict[str, Any]

_SHA256 = 'sha256'
_DIGITS = 16


class Output:
  """The file of labelled rows, while it is made and afterwards.

  Attributes:
    path: of the file.
  """

  def __init__(self, path: files.Path):
    self.path = path
    self._run = path.with_name(f'{path.name}.run.json')
    self._parts = path.with_name(f'{path.name}.parts')

  def check(self) -> None:
    """Refuses a file that is not of such a job.

    Raises:
      FileExistsError: there is one.
    """
    if self.path.exists() and not self._run.exists():
      raise FileExistsError(
        f'{self.path} is there already, and no {self._run.name} that says what'
        ' made it: name another OUTPUT_PATH.'
      )

  def only_writer(self) -> contextlib.AbstractContextManager[None]:
    """Refuses another process that writes the parts at the same time."""
    return files.only_writer(self._parts, 'OUTPUT_PATH')

  def begin(self, run: Mapping[str, Any]) -> None:
    """Writes what makes the file, or compares with what began it.

    Raises:
      ValueError: if it was begun with something else, or was changed since.
    """
    if self._run.exists():
      earlier = self._begun()
      keys = {*run, *earlier} - {_SHA256}
      changed = sorted(k for k in keys if run.get(k) != earlier.get(k))
      if changed:
        raise ValueError(
          f'{self.path} was begun with other {", ".join(changed)}, see'
          f' {self._run}: name another OUTPUT_PATH, or remove {self._run.name}'
          f' and {self._parts.name}.'
        )
      known = earlier.get(_SHA256)
      if known and self.path.exists() and files.sha256(self.path) != known:
        raise ValueError(
          f'{self.path} is not what was written: keep it under another name, or'
          ' remove it, and run the same command again.'
        )
    elif _is_first():
      self.path.parent.mkdir(parents=True, exist_ok=True)
      files.write_text(self._run, sealed.to_json(run))
    multihost_utils.sync_global_devices('labelling begins')

  def _begun(self) -> dict[str, Any]:
    """What the file was begun with."""
    with reading.explained(self._run, advice='remove it and the file'):
      return sealed.from_json(self._run.read_bytes())

  def finished(self, num_parts: int) -> list[bool]:
    """Returns which parts are there already, the same on all hosts."""
    if self.path.exists():
      found = [True] * num_parts
    else:
      parts = self._whole_parts() if _is_first() else {}
      found = [number in parts for number in range(num_parts)]
    return multihost_utils.broadcast_one_to_all(np.array(found)).tolist()

  def write(self, number: int, lines: Sequence[Record]) -> None:
    """Writes a part whole."""
    if not _is_first():
      return
    self._parts.mkdir(parents=True, exist_ok=True)
    text = ''.join(json.dumps(x, ensure_ascii=False) + '\n' for x in lines)
    files.write_text(self._parts / _part_name(number, text.encode()), text)

  def finish(self, num_parts: int) -> dict[str, int]:
    """Joins the parts, and returns how many rows have each label."""
    if _is_first():
      if not self.path.exists():
        self._join(num_parts)
      if self._parts.exists():
        files.remove(self._parts)
    multihost_utils.sync_global_devices('labelling ends')
    counts: collections.Counter[str] = collections.Counter()
    with (
      reading.explained(self.path, 'a file of labelled rows'),
      self.path.open('rb') as lines,
    ):
      counts.update(json.loads(line)['label'] or '' for line in lines)
    return dict(counts)

  def _join(self, num_parts: int) -> None:
    parts = self._whole_parts()
    if missing := set(range(num_parts)) - parts.keys():
      raise ValueError(
        f'{self._parts} lacks part {min(missing)}, which was there before: run'
        ' the same command again, which labels its rows anew.'
      )
    with files.replacing(self.path) as whole:
      with whole.open('wb') as joined:
        for number in range(num_parts):
          with parts[number].open('rb') as part:
            shutil.copyfileobj(part, joined)
      # First, so that the file is never there without it.
      run = self._begun() | {_SHA256: files.sha256(whole)}
      files.write_text(self._run, sealed.to_json(run))

  def _whole_parts(self) -> dict[int, files.Path]:
    """The parts that are there, by number; says which are damaged."""
    found: dict[int, files.Path] = {}
    if not self._parts.is_dir():
      return found
    for path in sorted(self._parts.glob('*.jsonl')):
      number = int(path.name.partition('.')[0])
      if path.name == _part_name(number, path.read_bytes()):
        found[number] = path
      else:
        print_line(f'{path} is not what was written: labelled again.')
        path.unlink()
    return found


def _part_name(number: int, content: bytes) -> str:
  digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
  return f'{number:06}.{digest}.jsonl'


def _is_first() -> bool:
  return jax.process_index() == 0
