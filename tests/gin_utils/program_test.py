"""Tests of the command line, through the programs and through `parse`."""

import processes
import pytest

from symbol_tuning import gin_utils
from symbol_tuning.gin_utils import program


def write(folder, name, *lines):
  path = folder / name
  path.parent.mkdir(exist_ok=True)
  path.write_text('\n'.join(lines) + '\n')
  return str(path)


def test_gin_flags_are_rewritten():
  arguments = ['program', "--gin.A='b=c'", '--gin_file=x', '-gin.D=1']
  assert program.rewrite_gin_flags(arguments) == [
    'program',
    "--gin_bindings=A='b=c'",
    '--gin_file=x',
    '--gin_bindings=D=1',
  ]
  with pytest.raises(ValueError, match=r'--gin\.A: a gin flag is written'):
    program.rewrite_gin_flags(['program', '--gin.A', '1'])


def test_bindings_win_over_later_files_over_earlier_ones(tmp_path):
  first = write(tmp_path, 'a.gin', 'A = 1', 'B = 1', 'C = 1')
  second = write(tmp_path, 'b.gin', 'B = 2', 'C = 2')
  gin_utils.parse([first, second], ['C = 3'])
  assert [gin_utils.macro(name) for name in 'ABC'] == [1, 2, 3]
  assert gin_utils.macro('D', 'default') == 'default'


def test_search_paths_come_before_our_files(tmp_path):
  write(tmp_path / 'runs', 'data.gin', "FOUND = 'yours'")
  gin_utils.parse(['runs/data.gin'], search_paths=[str(tmp_path)])
  assert gin_utils.macro('FOUND') == 'yours'


def test_folders_of_the_working_directory_are_no_packages(
  tmp_path, monkeypatch
):
  (tmp_path / 'models').mkdir()
  monkeypatch.chdir(tmp_path)
  gin_utils.parse(['models/tiny.gin'])
  assert gin_utils.macro('MODEL') is not None


def test_a_missing_file_is_named():
  with pytest.raises(OSError, match='nowhere'):
    gin_utils.parse(['nowhere.gin'])


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'No gin file configures'),
    (['--gin_file=runs/train.gin', 'stray'], "Unknown argument 'stray'"),
    (
      ['--gin_file=models/tiny.gin', '--gin_file=runs/train.gin'],
      'MODEL_DIR, TRAIN_STEPS must be set',
    ),
  ],
)
def test_bad_input_ends_the_program_with_one_message(arguments, message):
  ended = processes.python('-m', 'symbol_tuning.train', *arguments)
  assert ended.returncode == 1
  assert message in ended.stderr
  assert 'Traceback' not in ended.stderr
