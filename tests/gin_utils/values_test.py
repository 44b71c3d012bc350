"""Values of a configuration are those that their parameters take."""

import gin
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.gin_utils import parsing, usage, values


def check(small, *bindings):
  module, path = small
  parsing.read([path], ["MODEL_DIR='x'", 'TRAIN_STEPS=1', *bindings])
  used = usage.of(module.train)
  values.expand_home()
  usage.check_set(used)
  values.check(used)


@pytest.mark.parametrize(
  ('binding', 'message'),
  [
    ("TRAIN_STEPS='4'", "TRAIN_STEPS is '4'; it must be a whole number, witho"),
    ('TRAIN_STEPS=1.5', r'TRAIN_STEPS is 1\.5; it must be a whole number'),
    ('TRAIN_STEPS=True', 'TRAIN_STEPS is True; it must be a whole number'),
    ('TRAIN_STEPS=None', 'TRAIN_STEPS is None; it must be a whole number'),
    ('TRAIN_STEPS=0', 'TRAIN_STEPS is 0; it must be at least 1'),
    ('TRAIN_STEPS=-3', 'TRAIN_STEPS is -3; it must be at least 1'),
    ('MODEL_DIR=3', 'MODEL_DIR is 3; it must be a text in quotes'),
    ("MODEL_DIR=''", 'MODEL_DIR is empty'),
    ('LEARNING_RATE=-1e-3', r'LEARNING_RATE is -0\.001; it must be at least 0'),
    ('LEARNING_RATE=1e999', 'LEARNING_RATE is inf; it must be finite'),
    ("LEARNING_RATE='1e-3'", 'it must be a number'),
    ('LENGTHS=[8]', 'LENGTHS is .*; it must be a mapping .* or None'),
    ("LENGTHS={'inputs': '8'}", 'LENGTHS is .* whole number'),
    ("SCHEDULE='linear'", "SCHEDULE is 'linear'; it must be a reference"),
    ('NAMES=[1]', 'NAMES is .*; it must be a text in quotes or a list of'),
    ('small_program.train.exemplars=(1,)', 'train.exemplars is'),
    ('small_program.train.exemplars=4', 'train.exemplars is 4'),
    ('small_program.train.is_fast=1', 'is_fast is 1; it must be True or False'),
  ],
)
def test_a_value_of_another_type_is_named(small, binding, message):
  with pytest.raises(ValueError, match=message):
    check(small, binding)


def test_whole_numbers_may_be_written_as_floats(small):
  module, _ = small
  check(
    small,
    'TRAIN_STEPS=1e3',
    "LENGTHS={'inputs': 2e3}",
    'small_program.train.exemplars=[2.0, 4]',
    'LEARNING_RATE=2',
  )
  _, steps, schedule, lengths, exemplars, *_ = gin.get_configurable(
    module.train
  )()
  assert repr(steps) == '1000'
  assert repr(lengths) == "{'inputs': 2000}"
  assert repr(exemplars) == '[2, 4]'
  assert schedule.value == 2


def test_macros_within_lists_are_checked_too(small):
  module, _ = small
  exemplars = 'small_program.train.exemplars=(%K, 4)'
  with pytest.raises(ValueError, match="K is '2'; it must be a whole number"):
    check(small, exemplars, "K='2'")
  check(small, exemplars, 'K=2.0')
  *_, found, _, _ = gin.get_configurable(module.train)()
  assert repr(found) == '(2, 4)'


def test_paths_may_begin_with_the_home_folder(small, monkeypatch):
  monkeypatch.setenv('HOME', '/home/of/me')
  check(small, "MODEL_DIR='~/runs'", "NAMES=['~/a', 'b~']")
  assert gin_utils.macro('MODEL_DIR') == '/home/of/me/runs'
  assert gin_utils.macro('NAMES') == ['/home/of/me/a', 'b~']
