"""Gin files and bindings that cannot be read are named, with the reason."""

import gin
import pytest

from symbol_tuning import files, gin_utils


@pytest.mark.parametrize(
  ('binding', 'message'),
  [
    ('NAME=symbol_tuning', r'''inner quotes: --gin.NAME="'symbol_tuning'"'''),
    ('DIR=/tmp/x y', r'''inner quotes: --gin.DIR="'/tmp/x y'"'''),
    ('DIR=', r'--gin\.DIR=: DIR is given no value'),
    ("LENGTHS={'inputs': 8", 'a bracket or a quote of the value is not closed'),
    ("DIR='x", 'a bracket or a quote of the value is not closed'),
    ('STEPS=1 2', 'STEPS=1 2: 1 2 is no Python value'),
    ('small_program.train.stpes=1', "doesn't have a parameter named 'stpes'"),
    ('nothing.at.all=1', "at.all=1: 'nothing' was not provided by an import"),
    ('SCHEDULE=@small_program.Lineal()', 'has no attribute Lineal'),
    ('SCHEDULE=@elsewhere.Linear()', "'elsewhere' was not provided"),
  ],
)
def test_a_binding_that_is_not_gin_is_named(small, binding, message):
  _, path = small
  with pytest.raises(ValueError, match=message) as raised:
    gin_utils.parse([path], [binding])
  assert '\n' not in str(raised.value)
  assert f'--gin.{binding}' in str(raised.value)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'\x80\xff\x00\x01', 'is not a gin file: it is not UTF-8 text'),
    (b'A = 1\nB = [1,\n', 'a bracket or a quote is opened and not closed'),
    (b'A = 1\nfoo bar\n', 'line 2: .*expected'),
  ],
)
def test_a_file_that_is_not_gin_is_named(tmp_path, content, message):
  bad = tmp_path / 'bad.gin'
  bad.write_bytes(content)
  includes = tmp_path / 'includes.gin'
  includes.write_text(f"include '{bad}'\nC = 1\n")
  for path in (bad, includes):
    with pytest.raises(ValueError, match=f'bad.gin.*{message}') as raised:
      gin_utils.parse([str(path)])
    assert '\n' not in str(raised.value)


def test_files_are_found_below_the_home_folder(small, tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  bindings = ["MODEL_DIR='x'", 'TRAIN_STEPS=1', 'UNUSED=None']
  gin_utils.parse(['~/small.gin'], bindings)
  assert gin_utils.macro('MODEL_DIR') == 'x'


def test_files_and_search_paths_may_be_in_a_bucket(bucket):
  files.write_text(bucket / 'gin' / 'mine' / 'base.gin', 'STEPS = 3\n')
  text = "include 'mine/base.gin'\nRATE = 0.5\n"
  files.write_text(bucket / 'gin' / 'run.gin', text)
  gin_utils.parse(['run.gin'], ['RATE=0.25'], [str(bucket / 'gin')])
  assert gin_utils.macro('STEPS') == 3
  assert gin_utils.macro('RATE') == 0.25
  gin.clear_config()
  files.write_text(bucket / 'alone.gin', 'STEPS = 4\n')
  gin_utils.parse([str(bucket / 'alone.gin')])
  assert gin_utils.macro('STEPS') == 4
