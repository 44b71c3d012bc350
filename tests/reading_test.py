import errno
import gzip
import json
import os
import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import tokenizers

from symbol_tuning import reading


def read_json(path):
  return json.loads(path.read_text(encoding='utf-8'))['a']['b']


def read_gzip(path):
  with gzip.open(path) as file:
    return file.read()


@pytest.mark.parametrize(
  ('content', 'read', 'told'),
  [
    (b'{"a"', read_json, r"is not JSON \(Expecting ':' .*line 1 column 5"),
    (b'\xff', read_json, r'is not UTF-8 \(.*0xff.*save it as UTF-8'),
    (b'{"c": 1}', read_json, r"lacks 'a': fetch"),
    (b'[1]', read_json, 'is not what it should be .TypeError: list indices'),
    (b'{"a": [2]}', read_json, 'is not what it should be .TypeError'),
    (b'[' * 100_000, read_json, 'is nested without an end'),
    (b'plain', read_gzip, r'is no whole gzip file \(Not a gzipped'),
    (gzip.compress(b'x' * 99, mtime=0)[:-4], read_gzip, 'ends too early'),
    (b'x', lambda p: zlib.decompress(p.read_bytes()), 'is no whole gzip file'),
    (b'PAR1', pq.ParquetFile, 'is not a whole Parquet file'),
    (b'x' * 9, safetensors.numpy.load_file, 'is not safetensors'),
    (
      b'{}',
      lambda p: tokenizers.Tokenizer.from_file(str(p)),
      'is not what it should be',
    ),
    (b'x', lambda p: np.load(p, allow_pickle=False), 'is not what it should'),
    (
      b'version https://git-lfs.github.com/spec/v1\n',
      read_json,
      'is a pointer of Git LFS, not the file: run git lfs pull',
    ),
  ],
)
def test_errors_of_libraries_name_the_file_the_problem_and_the_way_out(
  tmp_path, content, read, told
):
  path = tmp_path / 'file'
  path.write_bytes(content)
  with (
    pytest.raises(reading.UnreadableError, match=f'^{path} {told}') as error,
    reading.explained(path),
  ):
    read(path)
  assert '\n' not in str(error.value)
  assert ': ' in str(error.value)


def test_what_a_file_should_be_and_what_to_do_can_be_said(tmp_path):
  path = tmp_path / 'file'
  path.write_text('{}')
  message = f"{path} is not a summary .KeyError: 'a'.: evaluate again"
  with (
    pytest.raises(reading.UnreadableError, match=message),
    reading.explained(path, 'a summary', 'evaluate again'),
  ):
    read_json(path)


def test_errors_of_the_file_system_pass_with_the_name(tmp_path):
  missing = tmp_path / 'missing'
  with (
    pytest.raises(FileNotFoundError, match='missing'),
    reading.explained(missing),
  ):
    missing.read_text()
  with (
    pytest.raises(OSError, match=r'No space left on device: .*missing'),
    reading.explained(missing),
  ):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize('raised', [KeyboardInterrupt, MemoryError])
def test_what_is_not_of_the_file_passes(raised):
  with pytest.raises(raised), reading.explained('file'):
    raise raised


def test_a_full_disk_has_advice():
  assert reading.system_advice(OSError(errno.ENOSPC, 'x')) == 'make room'
  assert not reading.system_advice(ValueError('x'))
