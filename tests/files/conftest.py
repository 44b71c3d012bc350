"""Runs tests of files on a disk and in a bucket."""

import pytest


@pytest.fixture(params=['disk', 'bucket'])
def folder(request, tmp_path):
  """An empty folder: on a disk, then in a bucket."""
  if request.param == 'disk':
    return tmp_path
  return request.getfixturevalue('bucket')
