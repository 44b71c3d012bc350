"""Fixtures shared by the tests."""

import dataclasses
import os
import uuid

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# The TPU compiler, where it is installed, would look for a TPU.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Read when JAX first compiles: tests spend their time compiling, not running.
os.environ.setdefault(
  'XLA_FLAGS',
  '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true',
)

import gin
import hypothesis
import jax
import object_store
import pytest

from symbol_tuning import files
from symbol_tuning.data import settings, vocabularies
from symbol_tuning.data.datasets import sources

# Machines are noisy, and a first example may compile.
hypothesis.settings.register_profile('default', deadline=None)
hypothesis.settings.load_profile('default')

jax.config.update('jax_num_cpu_devices', 4)


@pytest.fixture(autouse=True, scope='session')
def compilation_cache(tmp_path_factory):
  """What is compiled twice in the tests is compiled once."""
  folder = tmp_path_factory.mktemp('jax')
  jax.config.update('jax_compilation_cache_dir', str(folder))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  with pytest.MonkeyPatch.context() as patch:
    # Programs that tests start keep nothing in the home of who tests.
    patch.setenv('JAX_COMPILATION_CACHE_DIR', str(folder))
    yield


@pytest.fixture
def clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


@dataclasses.dataclass(frozen=True)
class CountingSource:
  """Every dataset, with texts that name their dataset, split and number.

  Attributes:
    lacks: names of the datasets that this source lacks.
  """

  lacks: tuple[str, ...] = ()

  def missing(self, spec, split) -> str | None:
    return f'No {split} of {spec.name}.' if spec.name in self.lacks else None

  def load(self, spec, split) -> sources.Pool:
    labels = tuple(range(spec.num_classes)) * 12
    texts = tuple(f'{spec.name} {split} {i}' for i in range(len(labels)))
    return sources.Pool(texts, labels, spec.num_classes)


@pytest.fixture
def use_data():
  """Sets the data settings for one test: byte vocabulary, counting source."""

  def use(missing=(), **overrides):
    choices = {
      'vocabulary': vocabularies.Bytes(),
      'source': CountingSource(missing),
      'symbol_tuning_exemplars': (2, 3),
    }
    settings.use(settings.DataSettings(**(choices | overrides)))

  yield use
  settings.use(None)


@pytest.fixture(scope='session')
def store():
  """An object store, to which all clients of this process are led."""
  with object_store.ObjectStore() as running, pytest.MonkeyPatch.context() as m:
    for name, value in running.environment.items():
      m.setenv(name, value)
    yield running


@pytest.fixture
def bucket(store, tmp_path, monkeypatch):
  """A folder of its own in the bucket, and an empty disk cache."""
  monkeypatch.setenv('SYMBOL_TUNING_DISK_CACHE', str(tmp_path / 'disk_cache'))
  yield files.path(f'gs://{object_store.BUCKET}/{uuid.uuid4().hex}')
  store.fault = None
