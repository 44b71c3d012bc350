"""A small program and its gin file."""

import importlib
import sys
import textwrap

import pytest

PROGRAM = '''
  """A program of two configurables, one of which a macro chooses."""

  import dataclasses
  from collections.abc import Callable, Mapping, Sequence


  @dataclasses.dataclass(frozen=True)
  class Constant:
    value: float = 1.0

    def __call__(self, step: int) -> float:
      return self.value


  @dataclasses.dataclass(frozen=True)
  class Linear:
    slope: float = 1.0


  @dataclasses.dataclass(frozen=True)
  class Step:
    size: int


  def train(
    model_dir: str,
    steps: int,
    schedule: Callable[[int], float],
    lengths: Mapping[str, int] | None = None,
    exemplars: tuple[int, int] = (1, 2),
    names: str | Sequence[str] = 'all',
    is_fast: bool = False,
  ):
    return model_dir, steps, schedule, lengths, exemplars, names, is_fast
'''
CONFIG = """
  from __gin__ import dynamic_registration

  import small_program

  MODEL_DIR = %gin.REQUIRED
  TRAIN_STEPS = %gin.REQUIRED
  LEARNING_RATE = 0.1
  SCHEDULE = @small_program.Constant()
  LENGTHS = {'inputs': 8}
  NAMES = 'all'
  UNUSED = %gin.REQUIRED

  small_program.train:
    model_dir = %MODEL_DIR
    steps = %TRAIN_STEPS
    schedule = %SCHEDULE
    lengths = %LENGTHS
    names = %NAMES

  small_program.Constant.value = %LEARNING_RATE
"""


@pytest.fixture(autouse=True)
def without_gin(clean_gin):
  """Every test here begins and ends without a configuration."""


@pytest.fixture(scope='session')
def small_program(tmp_path_factory):
  """The program's module; once, for gin registers what it configures."""
  folder = tmp_path_factory.mktemp('program')
  (folder / 'small_program.py').write_text(textwrap.dedent(PROGRAM))
  sys.path.insert(0, str(folder))
  yield importlib.import_module('small_program')
  sys.path.remove(str(folder))


@pytest.fixture
def small(small_program, tmp_path):
  """The program's module, and the path of its gin file."""
  path = tmp_path / 'small.gin'
  path.write_text(textwrap.dedent(CONFIG))
  return small_program, str(path)
