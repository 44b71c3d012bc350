"""A world for faults: a cache, a run that nobody disturbed, and half of one."""

import collections
import pathlib
import random
import shutil
import tempfile

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from faults import programs

from symbol_tuning.models.checkpoints import steps

# What became of each fault, by the name of its test.
_TABLE: dict[str, collections.Counter] = collections.defaultdict(
  collections.Counter
)


class World:
  """Folders to damage, and what an undisturbed run is."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self._number = 0
    folder.chmod(0o777)
    programs.write_cache(folder / 'cache')
    self.train('whole').assert_done()
    self.train('half', TRAIN_STEPS=9).assert_done()
    self.expected = self.state('whole')

  def new_name(self) -> str:
    self._number += 1
    return f'run{self._number}'

  def copy_of(self, folder: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(folder, self.folder / self.new_name()))

  def new_run(self) -> str:
    """Copies the half run, which has steps 3, 6 and 9."""
    return self.copy_of(self.folder / 'half').name

  def start(self, name: str, user=None, largest_file=None, **macros):
    return self.start_other(
      'symbol_tuning.train',
      *programs.train_arguments(self.folder, name, **macros),
      user=user,
      largest_file=largest_file,
    )

  def start_other(self, *command: str, **limits):
    return programs.Program(self.folder, *command, **limits)

  def train(self, name: str, **options) -> programs.Ended:
    return self.start(name, **options).wait()

  def state(self, name: str):
    """The arrays of the newest checkpoint of a run."""
    chosen = steps.choose(self.folder / name)
    assert chosen.step == programs.STEPS
    handler = ocp.PyTreeCheckpointHandler()
    return handler.restore(epath.Path(chosen.state))

  def assert_survives(self, name: str, *told: str) -> None:
    """Training goes on and tells this; the run is then as `assert_survived`."""
    self.train(name).assert_done(*told)
    self.assert_survived(name)

  def assert_survived(self, name: str) -> None:
    """The run is bit by bit the one that nobody disturbed."""
    jax.tree.map(np.testing.assert_array_equal, self.state(name), self.expected)
    shutil.rmtree(self.folder / name)


@pytest.fixture(scope='session')
def world():
  # Not in pytest's folder, which other users may not enter.
  with tempfile.TemporaryDirectory(prefix='faults-') as folder:
    yield World(pathlib.Path(folder))


@pytest.fixture
def rng(request):
  """Random choices, the same in every run of a test."""
  return random.Random(request.node.nodeid)


@pytest.fixture
def tried(request):
  """A function that counts what became of a fault: 'survived' or 'clear'."""

  def count(outcome: str, times: int = 1) -> None:
    _TABLE[request.node.originalname][outcome] += times

  return count


def pytest_terminal_summary(terminalreporter):
  """Prints the table of faults, tries and what became of them."""
  for report in terminalreporter.getreports('failed'):
    folders = pathlib.PurePosixPath(report.nodeid.partition('::')[0]).parts
    if report.when == 'call' and 'faults' in folders:
      _TABLE[report.location[2].partition('[')[0]]['bad'] += 1
  if not _TABLE:
    return
  kinds = ('survived', 'clear', 'bad')
  rows = []
  for test, counts in _TABLE.items():
    name = test.removeprefix('test_').replace('_', ' ')
    rows.append((name, counts.total(), *(counts[kind] for kind in kinds)))
  total = [sum(row[column] for row in rows) for column in range(1, 5)]
  write = terminalreporter.write_line
  write('| fault | tries | survived | clear | bad |')
  write('|---|---|---|---|---|')
  for row in [*rows, ('all', *total)]:
    write('| ' + ' | '.join(map(str, row)) + ' |')
