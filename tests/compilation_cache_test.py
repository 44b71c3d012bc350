"""What is kept of what XLA compiled, and where."""

import os
import subprocess
import sys

import jax
import pytest

from symbol_tuning import compilation_cache

CONFIGURED = (
  'jax_compilation_cache_dir',
  'jax_compilation_cache_max_size',
  'jax_enable_compilation_cache',
  'jax_persistent_cache_min_compile_time_secs',
)
# Compiles one function for longer than is kept; tells how it was come by.
PROGRAM = """
import jax, jax.numpy as jnp
from symbol_tuning import compilation_cache
compilation_cache.use()
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
hits = []
jax.monitoring.register_event_listener(
  lambda name, **_: hits.append(name) if 'cache_hits' in name else None)
x = jnp.linspace(0.0, 1.0, 997)
y = jax.jit(lambda x: jnp.sin(x @ jnp.outer(x, x)).sum())(x)
print(len(hits), float(y).hex())
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
  """The folder of a user who has set nothing of JAX's."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  before = {name: getattr(jax.config, name) for name in CONFIGURED}
  jax.config.update('jax_compilation_cache_dir', None)
  yield compilation_cache.folder_of_user()
  for name, value in before.items():
    jax.config.update(name, value)


def test_the_folder_is_the_users_alone_and_of_limited_size(cache, tmp_path):
  compilation_cache.use()
  assert cache.is_relative_to(tmp_path / 'symbol_tuning')
  assert jax.config.jax_compilation_cache_dir == str(cache)
  assert cache.stat().st_mode & 0o777 == 0o700
  assert jax.config.jax_compilation_cache_max_size > 0


def test_without_xdg_it_is_below_the_home(monkeypatch, tmp_path):
  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  monkeypatch.setenv('HOME', str(tmp_path))
  folder = compilation_cache.folder_of_user()
  assert folder.is_relative_to(tmp_path / '.cache' / 'symbol_tuning')


@pytest.mark.parametrize('mode', [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_not_used(cache, mode, capsys):
  cache.mkdir(parents=True)
  cache.chmod(mode)
  compilation_cache.use()
  assert jax.config.jax_compilation_cache_dir is None
  assert f'{cache} may be written by others' in capsys.readouterr().err


def test_a_place_where_nothing_can_be_made_is_told(cache, tmp_path, capsys):
  (tmp_path / 'symbol_tuning').write_text('a file')
  compilation_cache.use()
  assert jax.config.jax_compilation_cache_dir is None
  assert 'Nothing compiled is kept' in capsys.readouterr().err


def test_what_the_user_has_set_stands(cache, tmp_path):
  jax.config.update('jax_compilation_cache_dir', str(tmp_path / 'mine'))
  compilation_cache.use()
  assert jax.config.jax_compilation_cache_dir == str(tmp_path / 'mine')
  jax.config.update('jax_compilation_cache_dir', None)
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.use()
  assert jax.config.jax_compilation_cache_dir is None
  assert not cache.exists()


def test_what_was_left_half_written_is_removed(cache):
  cache.mkdir(parents=True, mode=0o700)
  for name in ('whole-cache', 'whole-atime', 'half-cache'):
    (cache / name).write_bytes(b'12345678')
  compilation_cache.use()
  left = sorted(path.name for path in cache.glob('*-*'))
  assert left == ['whole-atime', 'whole-cache']


def test_processes_that_share_it_compute_the_same_bits(cache):
  environment = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith('JAX_') or name == 'JAX_PLATFORMS'
  }

  def start():
    return subprocess.Popen(
      [sys.executable, '-W', 'error', '-c', PROGRAM],
      env=environment,
      stdout=subprocess.PIPE,
      text=True,
    )

  together = [start(), start()]
  answers = [process.communicate()[0].split() for process in together]
  (hits, value) = start().communicate()[0].split()
  assert int(hits) > 0
  assert {value} == {value for _, value in answers}
