"""Which arrays lie where in the files of a checkpoint.

Orbax keeps arrays in TensorStore's OCDBT, a B-tree of keys such as
`params.layers.mlp.kernel/0.0`, whose values are ranges of a few large files.
"""

import contextlib
from collections.abc import Iterator

import tensorstore as ts

from symbol_tuning import files

_MANIFEST = 'manifest.ocdbt'


def arrays_in(folder: files.Path, name: str, place: range) -> list[str]:
  """The arrays that have values in a part of a file, as far as can be told.

  Args:
    folder: of a checkpoint.
    name: of the file, relative to the folder.
    place: bytes of the file.

  Returns:
    Names such as 'params/layers/mlp/kernel'; none if the tree cannot be read or
    the part holds the tree itself.
  """
  found: dict[str, None] = {}
  item, _, within = name.partition('/')
  # A damaged tree names what it can.
  with contextlib.suppress(ValueError, KeyError, IndexError, OSError):
    for key, file, start, length in _values(folder / item):
      overlaps = start < place.stop and place.start < start + length
      if file == within and overlaps:
        found[key.rpartition('/')[0].replace('.', '/')] = None
  return list(found)


def _values(item: files.Path) -> Iterator[tuple[str, str, int, int]]:
  """Yields key, file, start and length of the values of a tree."""
  if not (item / _MANIFEST).exists():
    return
  store = ts.KvStore.open(f'{files.url(item)}/').result()
  nodes = [
    version['root']['location']
    for version in ts.ocdbt.dump(store).result()['versions'][-1:]
  ]
  while nodes:
    node = ts.ocdbt.dump(store, node=nodes.pop()).result()
    for entry in node['entries']:
      if 'location' in entry:
        nodes.append(entry['location'])
      elif 'indirect_value' in entry:
        # value:ocdbt.process_0/:d/0123…:274510:6791
        base, file, start, length = entry['indirect_value'].rsplit(':', 3)
        file = base.partition(':')[2] + file
        yield entry['key'].decode(), file, int(start), int(length)
