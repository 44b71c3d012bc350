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

_TABLE: dict[str, collections.Counter] = {}


class World:
  """Folders to damage, and what an undisturbed run is."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self._compiled = folder / 'compiled'
    self._number = 0
    folder.chmod(0o777)
    programs.write_cache(folder / 'cache')
    self.train('whole').assert_done()
    self.train('half', TRAIN_STEPS=9).assert_done()
    self.expected = self.state('whole')

  def new_run(self) -> str:
    """Copies the half run, which has steps 3, 6 and 9."""
    self._number += 1
    name = f'run{self._number}'
    shutil.copytree(self.folder / 'half', self.folder / name)
    return name

  def new_name(self) -> str:
    self._number += 1
    return f'run{self._number}'

  def start(self, name: str, user=None, largest_file=None, **macros):
    return programs.Program(
      'symbol_tuning.train',
      programs.train_arguments(self.folder, name, **macros),
      self.folder,
      user,
      largest_file,
      self._compiled,
    )

  def start_other(self, module: str, *arguments: str, user=None):
    return programs.Program(
      module, list(arguments), self.folder, user, None, self._compiled
    )

  def train(self, name: str, **options) -> programs.Ended:
    return self.start(name, **options).wait()

  def state(self, name: str):
    """The arrays of the newest checkpoint of a run."""
    chosen = steps.choose(self.folder / name)
    assert chosen.step == programs.STEPS
    handler = ocp.PyTreeCheckpointHandler()
    return handler.restore(epath.Path(chosen.state))

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
  name = request.node.originalname.removeprefix('test_').replace('_', ' ')
  counts = _TABLE.setdefault(name, collections.Counter())

  def count(outcome: str, times: int = 1) -> None:
    counts[outcome] += times

  yield count
  if request.node.stash.get(_FAILED, False):
    counts['bad'] += 1


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
  report = yield
  if report.when == 'call' and report.failed:
    item.stash[_FAILED] = True
  return report


def pytest_terminal_summary(terminalreporter):
  """Prints the table of faults, tries and what became of them."""
  if not _TABLE:
    return
  kinds = ('survived', 'clear', 'bad')
  rows = [
    (name, sum(counts.values()), *(counts[kind] for kind in kinds))
    for name, counts in _TABLE.items()
  ]
  total = [sum(row[column] for row in rows) for column in range(1, 5)]
  write = terminalreporter.write_line
  write('| fault | tries | survived | clear | bad |')
  write('|---|---|---|---|---|')
  for row in [*rows, ('all', *total)]:
    write('| ' + ' | '.join(map(str, row)) + ' |')
