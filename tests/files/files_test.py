"""Writes and reads files on a disk and in a bucket, alike."""

import contextlib
import multiprocessing
import os
import pathlib
import time

import object_store
import processes
import pytest

from symbol_tuning import files


def test_a_local_path_is_absolute_and_the_home_is_known(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('HOME', '/home/somebody')
  assert files.path('a/b') == tmp_path / 'a' / 'b'
  assert files.path('~/a') == pathlib.Path('/home/somebody/a')


def test_a_url_keeps_its_form_and_has_no_empty_parts():
  path = files.path('gs://bucket//a/b/')
  assert os.fspath(path) == str(path) == 'gs://bucket/a/b'
  assert str(path / 'c') == 'gs://bucket/a/b/c'
  assert str(files.path(path)) == str(path)
  assert str(files.path('s3://bucket/a')) == 's3://bucket/a'


@pytest.mark.parametrize(
  ('url', 'message'),
  [
    ('ftp://place/a', 'ftp:// is no place for files here'),
    ('gs:///a', 'names no bucket'),
    ('s3://key:secret@bucket/a', 'holds a credential'),
    ('gs://bucket/a?X-Goog-Signature=secret', 'holds a credential'),
  ],
)
def test_a_bad_url_is_named_but_its_secret_is_not(url, message):
  with pytest.raises(ValueError, match=message) as raised:
    files.path(url)
  assert 'secret' not in str(raised.value)


def test_a_file_is_written_whole_and_replaced(folder):
  path = folder / 'a' / 'config.gin'
  path.parent.mkdir(parents=True, exist_ok=True)
  for text in ('first', 'ä second'):
    files.write_text(path, text)
    assert path.read_text(encoding='utf-8') == text
  assert files.size(path) == 9
  assert [p.name for p in (folder / 'a').iterdir()] == ['config.gin']


def test_what_a_library_writes_to_a_path_becomes_the_file(folder):
  path = folder / 'figure.png'
  with files.replacing(path) as partial:
    pathlib.Path(partial).write_bytes(b'png')
    assert not path.exists()
  assert path.read_bytes() == b'png'


def test_what_is_no_file_is_not_replaced_and_a_link_stays_one(tmp_path):
  os.mkfifo(tmp_path / 'pipe')
  with pytest.raises(FileExistsError, match='pipe is there and is no file'):
    files.write_text(tmp_path / 'pipe', 'x')
  assert (tmp_path / 'pipe').is_fifo()
  (tmp_path / 'link').symlink_to(tmp_path / 'real')
  files.write_text(tmp_path / 'link', 'x')
  assert (tmp_path / 'link').is_symlink()
  assert (tmp_path / 'real').read_text() == 'x'


def test_an_error_leaves_what_was_there(folder):
  path = folder / 'rows'
  files.write_text(path, 'before')
  with pytest.raises(KeyError), files.replacing(path) as partial:
    pathlib.Path(partial).write_text('half')
    raise KeyError
  assert path.read_text() == 'before'
  assert [p.name for p in folder.iterdir()] == ['rows']


def test_a_file_is_begun_by_one_alone(folder):
  path = folder / 'settings.json'
  files.create_text(path, 'mine')
  files.create_text(path, 'mine')  # As where an answer was lost.
  with pytest.raises(FileExistsError):
    files.create_text(path, 'yours')
  assert path.read_text() == 'mine'
  assert [p.name for p in folder.iterdir()] == ['settings.json']


def test_a_folder_appears_with_all_that_is_in_it(folder):
  path = folder / 'model'
  with files.new_folder(path, last='config.json') as temporary:
    (temporary / 'config.json').write_text('{}')
    (temporary / 'deep').mkdir()
    (temporary / 'deep' / 'weights').write_bytes(b'1' * 100)
    assert not path.exists()
  assert (path / 'config.json').read_text() == '{}'
  assert (path / 'deep' / 'weights').read_bytes() == b'1' * 100
  with (
    pytest.raises(FileExistsError, match='model exists'),
    files.new_folder(path),
  ):
    pass


def test_the_file_that_is_looked_for_goes_to_a_bucket_last(bucket, store):
  with files.new_folder(bucket / 'model', last='config.json') as temporary:
    for name in ('a', 'config.json', 'z'):
      (temporary / name).write_text(name)
  written = [r for r in store.requests if r.startswith('POST')][-3:]
  assert 'config.json' in written[-1]


def test_a_growing_file_ends_with_all_that_was_written(folder):
  path = folder / 'metrics.jsonl'
  with contextlib.closing(files.Growing(path, b'kept\n', 0.0)) as file:
    for number in range(3):
      file.write(b'%d\n' % number)
      file.flush()
      assert path.read_bytes().endswith(b'%d\n' % number)
  assert path.read_bytes() == b'kept\n0\n1\n2\n'


def test_a_log_outlives_a_bucket_that_is_away(bucket, store, capsys):
  path = bucket / 'metrics.jsonl'
  with contextlib.closing(files.Growing(path, seconds=0.0)) as file:
    store.fault = object_store.Fault(403, times=2)
    for number in range(3):
      file.write(b'%d\n' % number)
      file.flush()
  assert path.read_bytes() == b'0\n1\n2\n'
  assert capsys.readouterr().err.count('will try again') == 1


def test_copies_are_made_once_and_anew_when_the_object_changes(bucket, store):
  path = bucket / 'tokenizer.model'
  files.write_text(path, 'one')
  assert files.local_copy(path).read_text() == 'one'
  before = len([r for r in store.requests if 'alt=media' in r])
  assert files.local_copy(path).read_text() == 'one'
  assert len([r for r in store.requests if 'alt=media' in r]) == before
  files.write_text(path, 'two')
  assert files.local_copy(path).read_text() == 'two'


def test_a_local_file_is_its_own_copy(tmp_path):
  assert files.local_copy(tmp_path / 'a') == tmp_path / 'a'
  assert files.local_folder(tmp_path) == tmp_path


def test_a_folder_of_copies_has_what_matches(bucket):
  for name in ('config.json', 'a.safetensors', 'b.bin'):
    files.write_text(bucket / name, name)
  copies = files.local_folder(bucket, ('*.json', '*.safetensors'))
  names = {path.name: path.read_text() for path in copies.iterdir()}
  assert names == {n: n for n in ('config.json', 'a.safetensors')}


def test_the_disk_cache_keeps_to_its_limit(bucket, monkeypatch, tmp_path):
  monkeypatch.setenv('SYMBOL_TUNING_DISK_CACHE_GIB', str(250 / 2**30))
  copies = []
  for number in range(3):
    files.write_text(bucket / str(number), str(number) * 100)
    copies.append(files.local_copy(bucket / str(number)))
    os.utime(copies[-1], (number + 1, number + 1))
  assert [copy.exists() for copy in copies] == [False, True, True]
  files.write_text(bucket / 'large', 'x' * 300)
  with pytest.raises(
    OSError, match=r'large has .* raise SYMBOL_TUNING_DISK_CACHE'
  ):
    files.local_copy(bucket / 'large')
  with pytest.raises(OSError, match='raise SYMBOL_TUNING_DISK_CACHE_GIB'):
    files.check_room(300, bucket)


def test_the_disk_cache_removes_nothing_but_copies(
  bucket, monkeypatch, tmp_path
):
  monkeypatch.setenv('SYMBOL_TUNING_DISK_CACHE_GIB', str(150 / 2**30))
  own = tmp_path / 'disk_cache' / 'thesis' / 'thesis.tex'
  own.parent.mkdir(parents=True)
  own.write_text('x' * 100)
  for name in ('a', 'b'):
    files.write_text(bucket / name, name * 100)
    files.local_copy(bucket / name)
  assert [path.name for path in own.parent.iterdir()] == ['thesis.tex']


def _use(path, connection):
  copy = files.local_copy(path)
  connection.send('given')
  connection.recv()
  connection.send(copy.read_text())


def test_a_copy_that_another_process_will_open_is_not_removed(
  bucket, monkeypatch
):
  monkeypatch.setenv('SYMBOL_TUNING_DISK_CACHE_GIB', str(150 / 2**30))
  for name in ('first', 'second'):
    files.write_text(bucket / name, name * 20)
  context = multiprocessing.get_context('spawn')
  ours, theirs = context.Pipe()
  other = context.Process(target=_use, args=(str(bucket / 'first'), theirs))
  other.start()
  assert ours.recv() == 'given'
  with pytest.raises(OSError, match=r'second has .* other processes use'):
    files.local_copy(bucket / 'second')
  ours.send('open')
  assert ours.recv() == 'first' * 20
  other.join()
  # Its lease has ended with it.
  assert files.local_copy(bucket / 'second').read_text() == 'second' * 20


def test_a_folder_that_cannot_be_copied_as_a_whole_is_refused(
  bucket, monkeypatch
):
  monkeypatch.setenv('SYMBOL_TUNING_DISK_CACHE_GIB', str(150 / 2**30))
  for name in ('a', 'b'):
    files.write_text(bucket / name, name * 100)
  with pytest.raises(OSError, match='raise SYMBOL_TUNING_DISK_CACHE_GIB'):
    files.local_folder(bucket)


def test_an_outage_is_waited_out(bucket, store):
  files.write_text(bucket / 'a', 'a')
  store.fault = object_store.Fault(503, times=2)
  start = time.monotonic()
  assert (bucket / 'a').read_text() == 'a'
  assert time.monotonic() - start > 1


@pytest.mark.parametrize(
  ('status', 'kind', 'message'),
  [
    (403, PermissionError, 'ask for the role'),
    (401, PermissionError, 'gcloud auth application-default login'),
    (404, FileNotFoundError, 'does not exist, or its bucket does not'),
  ],
)
def test_an_error_names_the_path_and_the_fix(
  bucket, store, status, kind, message
):
  store.fault = object_store.Fault(status)
  for use in (
    lambda: (bucket / 'a').read_text(),
    lambda: files.write_text(bucket / 'a', 'a'),
    lambda: files.checked_output(bucket),
  ):
    with pytest.raises(kind, match=message) as raised:
      use()
    assert f'{bucket}/' in str(raised.value)
    assert '\n' not in str(raised.value)


def test_absent_credentials_are_told_within_seconds(tmp_path):
  """Nobody is logged in, and no metadata server answers."""
  environment = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(('GOOGLE_', 'STORAGE_', 'CLOUDSDK_'))
  }
  code = "from symbol_tuning import files; files.checked_output('gs://b/run')"
  start = time.monotonic()
  environment |= {'HOME': str(tmp_path), 'GCE_METADATA_HOST': '127.0.0.1:1'}
  done = processes.python('-c', code, env=environment)
  assert time.monotonic() - start < 20
  told = done.stderr.splitlines()[-1]
  assert told.startswith('PermissionError: gs://b/run/.writable-')
  assert 'gcloud auth application-default login' in told


def test_a_missing_bucket_is_named_and_not_made(store):
  with pytest.raises(FileNotFoundError, match='gs://no-such-bucket/runs'):
    files.checked_output('gs://no-such-bucket/runs')
  assert not files.path('gs://no-such-bucket/runs').exists()


def test_a_folder_that_can_be_written_to_is_left_as_it_is(folder):
  files.write_text(folder / 'a', 'a')
  assert [p.name for p in files.checked_output(folder).iterdir()] == ['a']


def _copy(path, folder, start):
  os.environ['SYMBOL_TUNING_DISK_CACHE'] = folder
  start.wait()
  files.local_copy(path)


def test_processes_of_a_host_share_one_copy(bucket, store, tmp_path):
  files.write_text(bucket / 'only', 'x' * 1000)
  context = multiprocessing.get_context('spawn')
  start = context.Event()
  arguments = (str(bucket / 'only'), str(tmp_path / 'shared'), start)
  processes = [context.Process(target=_copy, args=arguments) for _ in range(2)]
  for process in processes:
    process.start()
  start.set()
  for process in processes:
    process.join()
    assert process.exitcode == 0
  read = [r for r in store.requests if bucket.name in r and 'alt=media' in r]
  assert len(read) == 1


def test_a_local_folder_is_not_taken_for_a_bucket(bucket, monkeypatch):
  """Not even by the name that etils has for the bucket's."""
  kept = bucket / 'folder' / 'file'
  files.write_text(kept, 'kept')
  local = pathlib.Path(*kept.parent.parts)
  assert str(local).startswith('/gs/')
  assert not files.holds_checkpoints(local)
  assert files.holds_checkpoints(kept.parent)
  # As if it were there: only root could make it.
  monkeypatch.setattr(pathlib.Path, 'is_dir', lambda _: True)
  with pytest.raises(FileNotFoundError, match='/gs/'):
    files.remove(local)
  assert kept.read_text() == 'kept'
