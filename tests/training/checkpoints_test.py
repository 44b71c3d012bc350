import contextlib
import errno
import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
import tiny_models

from symbol_tuning.models.checkpoints import digests, steps
from symbol_tuning.training import checkpoints, partitioning
from symbol_tuning.training.state import TrainState

CONFIG = tiny_models.TINY


def make_state(step=3, width=64, optimizer=None):
  rng = np.random.default_rng(step)
  params = {
    'embedding': jnp.asarray(rng.normal(size=(1000, width)), jnp.float32),
    'layers': {'scale': jnp.ones((2, width))},
  }
  optimizer = optimizer or optax.adam(0.1)
  return TrainState(
    step=jnp.int32(step),
    params=params,
    opt_state=optimizer.init(params),
    rng=jax.random.PRNGKey(0),
  )


def abstract(state):
  sharding = partitioning.Partitioner().replicated
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state
  )


@pytest.fixture
def saved(tmp_path):
  """The folder of a run with a checkpoint at step 3."""
  with checkpoints.Checkpoints(tmp_path, CONFIG) as run:
    run.save(make_state(), {'position': 12})
  return tmp_path


def newest(folder):
  return steps.newest_whole(folder / 'checkpoints')


def restored(folder, state):
  return checkpoints.restore(newest(folder), CONFIG, abstract(state))


def assert_equal(actual, expected):
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_what_is_saved_is_restored(saved):
  assert_equal(restored(saved, make_state()), make_state())
  assert checkpoints.data_state(newest(saved)) == {'position': 12}


def test_a_state_may_be_donated_once_saving_began(tmp_path):
  spoil = jax.jit(
    lambda state: jax.tree.map(lambda x: x * 0, state), donate_argnums=0
  )
  with checkpoints.Checkpoints(tmp_path, CONFIG) as run:
    state = jax.tree.map(jnp.array, make_state())
    run.save(state, {})
    spoil(state)
  assert_equal(restored(tmp_path, make_state()), make_state())


def test_only_the_newest_stay(tmp_path):
  with checkpoints.Checkpoints(tmp_path, CONFIG, keep=2) as run:
    for step in (1, 2, 3):
      run.save(make_state(step), {})
  folders = {path.name for path in (tmp_path / 'checkpoints').iterdir()}
  assert folders == {'2', '3'}


def test_a_checkpoint_that_was_put_aside_by_hand_is_in_nobodys_way(saved):
  (saved / 'checkpoints' / '3').rename(saved / 'checkpoints' / '3.bak')
  with checkpoints.Checkpoints(saved, CONFIG) as run:
    run.save(make_state(), {'position': 12})
  assert newest(saved).step == 3


def test_another_shape_is_named(saved):
  message = r'params/embedding has shape \(1000, 64\).*/3 and \(1000, 32\)'
  with pytest.raises(ValueError, match=message):
    restored(saved, make_state(width=32))


def test_another_optimizer_is_named(saved):
  with pytest.raises(ValueError, match=r'opt_state/.*has shape none'):
    restored(saved, make_state(optimizer=optax.adafactor(0.1)))


def spoil(path, position=0.5):
  """Flips a bit."""
  content = bytearray(path.read_bytes())
  content[int(position * len(content))] ^= 4
  path.write_bytes(content)


def files_of(folder):
  return sorted(path for path in folder.rglob('*') if path.is_file())


def test_a_flipped_bit_in_any_file_is_noticed(saved):
  step = saved / 'checkpoints' / '3'
  paths = files_of(step)
  assert len(paths) > 10
  for path in paths:
    content = path.read_bytes()
    if content:
      spoil(path)
      with pytest.raises(digests.DamagedError, match=path.name):
        newest(saved)
      path.write_bytes(content)
  assert newest(saved).has_digests


def test_the_damaged_array_is_named(saved):
  paths = files_of(saved / 'checkpoints' / '3' / 'state')
  spoil(max(paths, key=lambda path: path.stat().st_size))
  message = r'bytes \d+–\d+: (opt_state|params)/.*embedding'
  with pytest.raises(digests.DamagedError, match=message):
    newest(saved)


def test_a_damaged_newest_checkpoint_is_passed_over_and_set_aside(
  saved, capsys
):
  with checkpoints.Checkpoints(saved, CONFIG) as run:
    run.save(make_state(step=4), {'position': 16})
  step = saved / 'checkpoints' / '4'
  shutil.rmtree(step / 'data')
  shutil.copytree(step.parent / '3' / 'data', step / 'data')
  chosen = newest(saved)
  chosen.say()
  assert 'Checkpoint 4 is damaged and skipped, 3 is read' in (
    capsys.readouterr().out
  )
  assert_equal(restored(saved, make_state()), make_state())
  with checkpoints.Checkpoints(saved, CONFIG) as run:
    run.set_aside(chosen)
    run.save(make_state(step=4), {'position': 16})
  assert newest(saved).step == 4
  assert (saved / 'checkpoints' / 'damaged-4').is_dir()


def test_checkpoints_without_digests_are_read_and_it_is_said(saved, capsys):
  step = saved / 'checkpoints' / '3'
  for name in (digests.FILE, digests.SEAL):
    (step / name).unlink()
  newest(saved).say()
  assert 'has no digests' in capsys.readouterr().out
  largest = max(files_of(step), key=lambda path: path.stat().st_size)
  largest.write_bytes(largest.read_bytes()[:1000])
  with pytest.raises(digests.DamagedError, match=r'3/state is damaged'):
    restored(saved, make_state())


def test_marks_without_digests_are_said_to_be_unchecked(saved, capsys):
  step = newest(saved).folder
  newest(saved).say()
  assert capsys.readouterr().out == ''
  (step / digests.SEAL).unlink()
  newest(saved).say()
  (line,) = capsys.readouterr().out.splitlines()
  assert f'{step} has no {digests.SEAL}' in line
  assert 'unchecked' in line
  assert_equal(restored(saved, make_state()), make_state())


def test_what_cannot_be_opened_is_not_called_damaged(saved, monkeypatch):
  def refuse(path):
    raise PermissionError(errno.EACCES, 'Permission denied', str(path))

  monkeypatch.setattr(digests.Digest, 'of', refuse)
  with pytest.raises(PermissionError, match='checkpoints/3'):
    newest(saved)


@pytest.mark.parametrize(
  ('raised', 'kind'),
  [
    (jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: memory'), None),
    (ValueError('PERMISSION_DENIED: Error opening "x"'), OSError),
    (ValueError('UNAVAILABLE: connection'), OSError),
    (ValueError('DATA_LOSS: zstd'), digests.DamagedError),
  ],
)
def test_only_what_is_proven_is_called_damage(saved, monkeypatch, raised, kind):
  def restore(*_, **__):
    raise raised

  monkeypatch.setattr(ocp.PyTreeCheckpointHandler, 'restore', restore)
  with pytest.raises(kind or type(raised)) as caught:
    restored(saved, make_state())
  assert ('damaged' in str(caught.value)) == (kind is digests.DamagedError)


def test_a_run_of_foreign_folders_is_refused(tmp_path):
  folder = tmp_path / 'checkpoints' / '7'
  folder.mkdir(parents=True)
  (folder / 'model.ckpt').write_text('something else')
  with pytest.raises(digests.DamagedError, match=r'none.*checkpoints/7 holds'):
    newest(tmp_path)


@contextlib.contextmanager
def files_no_larger_than(size):
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_named_and_spares_older_checkpoints(saved):
  with (
    pytest.raises(OSError, match=r'File too large.*intact.*step 3'),
    checkpoints.Checkpoints(saved, CONFIG, keep=1) as run,
    files_no_larger_than(100_000),
  ):
    run.save(make_state(step=4), {})
    run.wait()
  assert_equal(restored(saved, make_state()), make_state())
