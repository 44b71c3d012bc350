"""What a program reads of a configuration, and what it lacks."""

import inspect

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


CALLED_IN_A = (
  'SCHEDULE=@a/small_program.Linear()',
  'small_program.Linear.slope=@small_program.Constant()',
)
CALLED_IN_AB = ('SCHEDULE=@a/b/small_program.Constant()',)
HANDED_OVER = ('SCHEDULE=@small_program.Constant',)
HANDED_OVER_IN_A = ('SCHEDULE=@a/small_program.Constant',)
BY_A_MACRO = (
  'SLOPE=@small_program.Constant()',
  'small_program.Linear.slope=%SLOPE',
  'SCHEDULE=@a/small_program.Linear()',
)
IN_B_OF_A = (
  'SCHEDULE=@a/small_program.Linear()',
  'small_program.Linear.slope=@b/small_program.Constant()',
)
SET_IN_A = (*CALLED_IN_A, 'a/small_program.Constant.value=6')


@pytest.mark.parametrize(
  ('others', 'scope', 'is_read'),
  [
    ((), 'a/', False),
    ((), 'SCHEDULE/', True),  # What a macro calls is in a scope of its name.
    (CALLED_IN_A, '', True),
    (CALLED_IN_A, 'a/', True),
    (CALLED_IN_A, 'b/', False),
    (CALLED_IN_A, 'a/b/', False),
    (CALLED_IN_A, 'SCHEDULE/', False),
    (CALLED_IN_AB, 'a/', True),
    (CALLED_IN_AB, 'a/b/', True),
    (CALLED_IN_AB, 'b/', False),
    (CALLED_IN_AB, 'b/a/', False),
    (IN_B_OF_A, 'a/', False),
    (IN_B_OF_A, 'b/', True),
    (IN_B_OF_A, 'a/b/', False),
    (SET_IN_A, '', False),
    (HANDED_OVER, 'SCHEDULE/', False),
    (HANDED_OVER_IN_A, 'a/', True),
    (BY_A_MACRO, 'SLOPE/', True),
    (BY_A_MACRO, 'a/', False),
  ],
)
def test_a_binding_in_a_scope_is_told_unless_it_changes_what_runs(
  small, others, scope, is_read
):
  binding = f'{scope}small_program.Constant.value=7'

  def run(*bindings):
    gin.clear_config()
    used = read(small, "MODEL_DIR='x'", 'TRAIN_STEPS=1', *bindings)
    made = list(gin.get_configurable(small[0].train)())
    made[2] = made[2]() if inspect.isclass(made[2]) else made[2]
    return repr(made), usage.unread([binding], used)

  without, _ = run(*others)
  made, told = run(*others, binding)
  assert (made != without) == is_read
  assert bool(told) != is_read
  assert all(f'--gin.{binding} has no effect' in one for one in told)


def test_the_scope_that_is_read_is_proposed(small):
  bindings = [
    'SCHEDULE=@a/small_program.Constant()',
    'a/small_program.Constant.value=6',
    'b/small_program.Constant.value=7',
  ]
  [told] = usage.unread(bindings, read(small, *bindings))
  assert '--gin.b/' in told
  assert 'did you mean a/small_program.Constant.value' in told


def test_a_value_in_a_scope_is_no_value_elsewhere(small):
  bindings = ["MODEL_DIR='x'", 'TRAIN_STEPS=1']
  bindings += ['SCHEDULE=@small_program.Step()', 'a/small_program.Step.size=3']
  with pytest.raises(ValueError, match=r'Step\.size must be set'):
    usage.check_set(read(small, *bindings))


def test_what_a_file_binds_in_a_scope_is_told_with_it(small):
  more = '\na/b/small_program.Constant.value = 2\n'
  used = read(small, more=more)
  bound = parsing.bound_in_own_files([small[1]], [])
  [told] = usage.unread_in_files(bound, used)
  assert f'{small[1]}: a/b/small_program.Constant.value has no effect' in told
  used = read(small, 'SCHEDULE=@a/b/small_program.Constant()')
  [told] = usage.unread_in_files(bound, used)
  assert f'{small[1]}: small_program.Constant.value has no effect' in told


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
