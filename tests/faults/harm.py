"""What is done to files, at random."""

import pathlib


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
  return sorted(path for path in folder.rglob('*') if path.is_file())


def largest(folder: pathlib.Path) -> pathlib.Path:
  return max(files_of(folder), key=lambda path: path.stat().st_size)


def some_file(rng, folder: pathlib.Path) -> pathlib.Path:
  """Any file, or one that is chosen by its size, as decay does."""
  paths = [path for path in files_of(folder) if path.stat().st_size]
  weights = [path.stat().st_size for path in paths]
  if rng.random() < 0.5:
    return rng.choice(paths)
  return rng.choices(paths, weights)[0]


def flip(rng, path: pathlib.Path) -> None:
  content = bytearray(path.read_bytes())
  content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
  path.write_bytes(content)


def swap(path: pathlib.Path, other: pathlib.Path) -> None:
  content = path.read_bytes()
  path.write_bytes(other.read_bytes())
  other.write_bytes(content)


def truncate(rng, path: pathlib.Path) -> None:
  content = path.read_bytes()
  path.write_bytes(content[: rng.randrange(len(content))])


def delete(rng, path: pathlib.Path) -> None:
  del rng
  path.unlink()


def zero(rng, path: pathlib.Path) -> None:
  """A block that was never written, as after a loss of power."""
  content = bytearray(path.read_bytes())
  start = rng.randrange(len(content))
  content[start : start + 512] = bytes(len(content[start : start + 512]))
  if bytes(content) == path.read_bytes():
    content[start] ^= 255
  path.write_bytes(content)
