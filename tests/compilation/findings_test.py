import jax
import jax.numpy as jnp
import made_findings
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from made_findings import GIB, MESH, SETTINGS

from symbol_tuning.compilation import findings, memory, rendering, roofline


@pytest.fixture
def fitting():
  return made_findings.fitting()


@pytest.fixture
def too_large():
  return made_findings.too_large()


def test_findings_are_read_as_they_were_written(fitting, too_large):
  assert findings.from_json(findings.to_json(fitting)) == fitting
  assert findings.from_json(findings.to_json(too_large)) == too_large


def test_findings_say_what_there_is_to_know(fitting):
  text = rendering.markdown(fitting)
  assert 'Fits: 3 of 16.0 GiB a device' in text
  assert '2 s a step, MFU 62%; if communication never hides, 2.5 s, 50%' in text
  assert '| all-gather | fsdp | 64 | 30.0 |' in text
  for assumption in roofline.ASSUMPTIONS:
    assert assumption in text


def test_a_kernel_that_asks_for_too_much_is_no_lack_of_hbm():
  error = 'RESOURCE_EXHAUSTED: Allocation (size=9) would exceed memory, space=v'
  assert not memory.is_exhausted(RuntimeError(error))


def test_a_step_that_does_not_fit_is_an_answer(mesh):
  """Float32 [8, 256] over two devices: 4 KiB each, of a need of 22.5 MiB."""
  sharding = NamedSharding(mesh, PartitionSpec('fsdp'))
  params = jax.ShapeDtypeStruct((8, 256), jnp.float32, sharding=sharding)
  error = (
    'RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required '
    'for HLO temporaries (22.50M) exceeds available HBM (15.75G).'
  )
  assert memory.is_exhausted(RuntimeError(error))
  needed = memory.of_error(
    error, {'parameters': params}, {'gradients': {'w': params}}, 15.75 * GIB
  )
  assert needed.by_kind['parameters'] == 4096
  assert needed.total == 22.5 * 2**20
  assert needed.largest == {'parameters': 4096, 'gradients w': 4096}
  text = rendering.markdown(made_findings.make(needed))
  assert '| gradients w |' in text
  assert 'Does not fit' in text
  assert 'NUM_MICROBATCHES = 2' in text


@pytest.mark.parametrize(
  ('changes', 'advice'),
  [
    ({'remat': 'minimal'}, "remat = 'full'"),
    ({'positions with loss': 2560}, 'LOSS_POSITIONS_PER_ROW = 256'),
    ({'microbatches': 4}, 'NUM_MICROBATCHES = 8'),
  ],
)
def test_advice_follows_from_the_settings(changes, advice):
  needed = memory.MemoryNeed({'parameters': GIB}, 16 * GIB, fits=False)
  found = '\n'.join(memory.advice(needed, SETTINGS | changes, MESH))
  assert advice in found
  assert 'bfloat16' not in found


def test_a_batch_of_a_row_a_device_is_not_to_be_split():
  needed = memory.MemoryNeed({'parameters': GIB}, 16 * GIB, fits=False)
  mesh = MESH | {'fsdp': 32}
  assert 'MICROBATCHES' not in str(memory.advice(needed, SETTINGS, mesh))


def test_advice_on_parameters_that_fill_the_memory():
  needed = memory.MemoryNeed({'parameters': 9 * GIB}, 16 * GIB, fits=False)
  assert '112%' in memory.advice(needed, SETTINGS, MESH)[0]


def test_findings_are_compared_in_a_table(fitting, too_large):
  lines = rendering.comparison([fitting, too_large]).splitlines()
  assert '1 × 4 × 4' in lines[2]
  assert '2–2.5 | 62% | 50% |' in lines[2]
  assert 'does not fit' in lines[3]
