import contextlib
import resource

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from symbol_tuning.training import checkpoints, partitioning
from symbol_tuning.training.state import TrainState


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
  with checkpoints.Checkpoints(tmp_path) as run:
    run.save(make_state(), {'position': 12})
  return tmp_path


def restored(folder, state, step=3):
  with checkpoints.Checkpoints(folder) as run:
    return run.restore(step, abstract(state))


def assert_equal(actual, expected):
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_what_is_saved_is_restored(saved):
  assert_equal(restored(saved, make_state()), make_state())
  with checkpoints.Checkpoints(saved) as run:
    assert run.data_state(3) == {'position': 12}


def test_a_state_may_be_donated_once_saving_began(tmp_path):
  spoil = jax.jit(
    lambda state: jax.tree.map(lambda x: x * 0, state), donate_argnums=0
  )
  with checkpoints.Checkpoints(tmp_path) as run:
    state = jax.tree.map(jnp.array, make_state())
    run.save(state, {})
    spoil(state)
  assert_equal(restored(tmp_path, make_state()), make_state())


def test_only_the_newest_stay(tmp_path):
  with checkpoints.Checkpoints(tmp_path, keep=2) as run:
    for step in (1, 2, 3):
      run.save(make_state(step), {})
  folders = {path.name for path in (tmp_path / 'checkpoints').iterdir()}
  assert folders == {'2', '3'}


def test_another_shape_is_named(saved):
  message = r'params/embedding has shape \(1000, 64\).*/3 and \(1000, 32\)'
  with pytest.raises(ValueError, match=message):
    restored(saved, make_state(width=32))


def test_another_optimizer_is_named(saved):
  with pytest.raises(ValueError, match=r'opt_state/.*has shape none'):
    restored(saved, make_state(optimizer=optax.adafactor(0.1)))


def test_a_truncated_checkpoint_is_named(saved):
  folder = saved / 'checkpoints' / '3' / 'state'
  largest = max(folder.rglob('*'), key=lambda path: path.stat().st_size)
  largest.write_bytes(largest.read_bytes()[:1000])
  with pytest.raises(ValueError, match=r'checkpoints/3.* damaged'):
    restored(saved, make_state())


def test_a_lack_of_memory_is_not_blamed_on_the_checkpoint(saved, monkeypatch):
  def restore(*_, **__):
    raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: out of memory')

  monkeypatch.setattr(ocp.CheckpointManager, 'restore', restore)
  with pytest.raises(jax.errors.JaxRuntimeError, match='out of memory'):
    restored(saved, make_state())


def test_a_foreign_folder_is_named(tmp_path):
  folder = tmp_path / 'checkpoints' / '7'
  folder.mkdir(parents=True)
  (folder / 'model.ckpt').write_text('something else')
  with checkpoints.Checkpoints(tmp_path) as run:
    with pytest.raises(ValueError, match='checkpoints/7'):
      run.data_state(7)
    with pytest.raises(ValueError, match='checkpoints/7'):
      run.restore(7, abstract(make_state()))


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
    checkpoints.Checkpoints(saved, keep=1) as run,
    files_no_larger_than(100_000),
  ):
    run.save(make_state(step=4), {})
    run.wait()
  assert_equal(restored(saved, make_state()), make_state())
