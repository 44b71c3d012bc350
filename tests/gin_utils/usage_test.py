"""What a program reads of a configuration, and what it lacks."""

import gin
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.gin_utils import parsing, usage


def read(small, *bindings, more=''):
  module, path = small
  if more:
    with open(path, 'a') as file:
      file.write(more)
  parsing.read([path], bindings)
  return usage.of(module.train)


def test_all_that_is_missing_is_named_at_once(small):
  with pytest.raises(ValueError, match=r'MODEL_DIR, TRAIN_STEPS must be set'):
    usage.check_set(read(small))


def test_a_parameter_without_a_value_is_named(small):
  bindings = [
    "MODEL_DIR='x'",
    'TRAIN_STEPS=1',
    'SCHEDULE=@small_program.Step()',
  ]
  with pytest.raises(
    ValueError, match=r'small_program\.Step\.size must be set'
  ):
    usage.check_set(read(small, *bindings))
  usage.check_set(read(small, *bindings, 'small_program.Step.size=3'))


def test_what_other_programs_need_is_none(small):
  usage.check_set(read(small, "MODEL_DIR='x'", 'TRAIN_STEPS=1'))
  gin.finalize()
  assert gin_utils.macro('UNUSED', 'unset') is None


@pytest.mark.parametrize(
  ('binding', 'hint'),
  [
    ('LEARNIG_RATE=1', 'did you mean LEARNING_RATE?'),
    ('small_program.Linear.slope=2', 'does not read it'),
    ('QUITE_OTHER=3', 'does not read it.'),
    ('UNUSED=3', 'does not read it'),
    ('USE_CACHED_TASKS=True', 'runs/train_cached.gin'),
  ],
)
def test_a_binding_that_nothing_reads_is_told(small, binding, hint):
  [told] = usage.unread([binding, 'TRAIN_STEPS=1'], read(small, binding))
  assert f'--gin.{binding} has no effect' in told
  assert hint in told


def test_what_a_binding_brings_into_use_is_read(small):
  bindings = [
    'SCHEDULE=@small_program.Linear()',
    'small_program.Linear.slope=%SLOPE',
    'SLOPE=2',
    'small_program.train.is_fast=True',
  ]
  used = read(small, *bindings)
  assert not usage.unread(bindings, used)
  [told] = usage.unread(['LEARNING_RATE=1'], used)
  assert 'has no effect' in told


def test_a_slip_in_a_file_is_told(small):
  used = read(small, more='\nTRAIN_STPES = 3\nMY_OWN = 4\n')
  [told] = usage.misspelt(used, [])
  assert 'TRAIN_STPES' in told
  assert 'TRAIN_STEPS?' in told
  assert not usage.misspelt(used, ['TRAIN_STPES'])


def test_what_a_file_binds_and_nothing_reads_is_told(small):
  used = read(small, more='\nsmall_program.Linear.slope = 2\n')
  bound = parsing.bound_in_own_files([small[1]], [])
  [told] = usage.unread_in_files(bound, used)
  assert f'{small[1]}: small_program.Linear.slope has no effect' in told
  several = {file: [*names, *names] for file, names in bound.items()}
  [told] = usage.unread_in_files(several, used)
  assert 'have no effect: this program does not read them.' in told
  used = read(small, 'SCHEDULE=@small_program.Linear()')
  [told] = usage.unread_in_files(bound, used)
  assert f'{small[1]}: small_program.Constant.value has no effect' in told


def test_our_own_files_may_bind_what_one_program_alone_reads(tmp_path):
  mine = tmp_path / 'mine.gin'
  mine.write_text("include 'runs/train.gin'\n")
  ours = parsing.configs_dir() / '..' / 'gin' / 'runs' / 'eval.gin'
  assert ours.is_file()
  files = [str(mine), str(ours), 'runs/eval.gin']
  assert parsing.bound_in_own_files(files, []) == {mine: []}
