import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from symbol_tuning.training import partitioning

# data, fsdp, tensor; the last goes over two slices.
MESHES = ('8,1,1', '1,8,1', '2,2,2', '1,2,4', '4,2,1,2')


@pytest.fixture(scope='module')
def on_eight_devices(tmp_path_factory):
  """What `eight_devices.py` found out."""
  script = pathlib.Path(__file__).parents[1] / 'helpers' / 'eight_devices.py'
  folder = tmp_path_factory.mktemp('eight_devices')
  result = subprocess.run(
    [sys.executable, str(script), str(folder), *MESHES],
    capture_output=True,
    text=True,
    env={**os.environ, 'PYTHONPATH': str(script.parent)},
  )
  assert result.returncode == 0, result.stderr[-3000:]
  return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize('run', ['scanned', 'unscanned in microbatches'])
@pytest.mark.parametrize('mesh', MESHES)
def test_sharded_training_is_unsharded_training(on_eight_devices, mesh, run):
  """Losses of three steps, the last gradient, the updated parameters."""
  differences = on_eight_devices[mesh]['differences'][run]
  assert set(differences) == {'losses', 'gradients', 'parameters'}
  assert max(differences.values()) < 1e-5


def test_microbatches_do_not_move_rows_between_devices(on_eight_devices):
  collectives = on_eight_devices['8,1,1']['collectives']
  assert collectives == ['all-reduce f32']


def test_no_device_embeds_the_rows_of_others(on_eight_devices):
  assert on_eight_devices['embedded_whole_batches'] == []


@pytest.mark.parametrize('mesh', MESHES)
def test_a_checkpoint_moves_between_meshes(on_eight_devices, mesh):
  assert on_eight_devices[mesh]['restored_equal']


def test_statistics_are_laid_out_like_their_parameters(on_eight_devices):
  """The kernel [layers, embed, mlp] is (None, fsdp, tensor)."""
  specs = on_eight_devices['2,2,2']['specs']
  assert specs['kernel'] == [None, 'fsdp', 'tensor']
  assert specs['v_row'] == [None, 'fsdp']
  assert specs['v_col'] == [None, 'tensor']
  assert specs['v'] == [None, None]


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'data': 2}, 'data=2, fsdp=1, tensor=1 does not fit 4 device'),
    ({'fsdp': 3}, 'fsdp=3'),
    ({'fsdp': -1}, 'make one of the three -1'),
    ({'tensor': 0}, 'tensor=0'),
    ({'fsdp': 4, 'slices': 2}, 'data must be a multiple of 2'),
    ({'slices': 3}, 'cannot be split into slices=3'),
  ],
)
def test_a_mesh_that_does_not_fit_is_refused(settings, message):
  devices = tuple(jax.devices()[:4])
  with pytest.raises(ValueError, match=message):
    _ = partitioning.Partitioner(devices=devices, **settings).mesh


@pytest.mark.parametrize(
  ('slice_indices', 'settings', 'expected'),
  [
    # Each group of data parallel devices is within one slice.
    ([0, 1, 0, 1], {'fsdp': 2}, [[[0], [2]], [[1], [3]]]),
    ([0, 1, 0, 1], {'tensor': 2}, [[[0, 2]], [[1, 3]]]),
    ([0, 0, 0, 0], {'fsdp': 2, 'slices': 2}, [[[0], [1]], [[2], [3]]]),
    ([0, 1, 0, 1], {'tensor': 4, 'slices': 1}, [[[0, 1, 2, 3]]]),
  ],
)
def test_only_data_crosses_slices(
  make_devices, slice_indices, settings, expected
):
  devices = make_devices(slice_indices)
  mesh = partitioning.Partitioner(devices=devices, **settings).mesh
  assert np.vectorize(lambda d: d.id)(mesh.devices).tolist() == expected


def test_eight_devices_refuse_what_they_cannot_divide(on_eight_devices):
  batch, heads = on_eight_devices['refused']
  assert 'a batch of 12 rows cannot be split over 8 devices' in batch
  assert '(8 or 16)' in batch
  assert "output/kernel: axis 'heads' of size 4 cannot be split in" in heads
  assert "[1, 2, 4], or keep the axis whole by the rule ('heads'" in heads


def test_a_rule_for_an_axis_that_the_mesh_lacks_is_refused():
  rules = partitioning.standard_logical_axis_rules([('embed', 'fdsp')])
  message = r"rule \('embed', 'fdsp'\) .* data, fsdp, tensor"
  with pytest.raises(ValueError, match=message):
    partitioning.Partitioner(logical_axis_rules=rules)


def test_an_empty_batch_is_refused():
  with pytest.raises(ValueError, match='BATCH_SIZE is 0'):
    partitioning.Partitioner().check_batch_size(0)


def test_additional_rules_come_first():
  rules = partitioning.standard_logical_axis_rules([['embed', None]])
  partitioner = partitioning.Partitioner(logical_axis_rules=rules)
  shape = jax.ShapeDtypeStruct((4, 6), jnp.float32)
  axes = PartitionSpec('vocab', 'embed')
  assert partitioner.abstract(shape, axes).sharding.spec == PartitionSpec(
    'tensor', None
  )
