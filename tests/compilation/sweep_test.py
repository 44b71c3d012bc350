import dataclasses
import functools

import jax
import pytest
import tiny_models

from symbol_tuning.compilation import (
  chips,
  findings,
  measuring,
  memory,
  programs,
  roofline,
  sweep,
)
from symbol_tuning.compilation import topology as topologies
from symbol_tuning.models import decoder
from symbol_tuning.training import optimizers, partitioning, step


@pytest.fixture
def topology():
  """A slice whose devices are CPUs; nothing is compiled for it."""
  devices = tuple(jax.devices()[:4])
  return topologies.Topology('v5e:2x2', chips.CHIPS[1], (2, 2), 1, devices)


@pytest.fixture
def compare(topology, tmp_path):
  return functools.partial(
    sweep.sweep,
    program=functools.partial(
      programs.train_step,
      optimizer=optimizers.adafactor(),
      loss=step.Loss(),
      batch_size=4,
      task_feature_lengths={'inputs': 6, 'targets': 2},
    ),
    topology=topology,
    model=decoder.Decoder(dataclasses.replace(tiny_models.TINY, num_heads=2)),
    partitioner=partitioning.Partitioner(),
    output_dir=str(tmp_path),
  )


@pytest.fixture
def compiled(monkeypatch):
  """The candidates that are 'compiled', in which more tensor is slower."""
  meshes = []

  def measure(program):
    mesh = dict(program.partitioner.mesh.shape)
    meshes.append((mesh['tensor'], program.settings['remat']))
    needed = memory.MemoryNeed({'parameters': 1}, 2, fits=True)
    made = measuring.before_work(program, needed)
    times = roofline.Roofline(mesh['tensor'], 1, 1, 0, 0, needed=0.5)
    work = findings.Work(1, 1, 1, 1, (), ())
    return findings.Timed(**vars(made), roofline=times, work=work)

  monkeypatch.setattr(measuring, 'measure', measure)
  return meshes


def test_candidates_come_fastest_first_and_those_that_cannot_be_are_left_out(
  compare, compiled, capsys, tmp_path
):
  found = compare(remat=('full',))
  assert [one.mesh['tensor'] for one in found] == [1, 2]
  assert compiled == [(1, 'full'), (2, 'full')]
  assert {one.settings[measuring.OPTIMIZATION_LEVEL] for one in found} == {'O1'}
  assert 'mesh (1, 1, 4)' in capsys.readouterr().out
  assert '1 × 4 × 1' in (tmp_path / 'sweep.md').read_text().splitlines()[4]


def test_a_sweep_that_was_stopped_goes_on(compare, compiled):
  compare(meshes=[(1, 4, 1)], remat=('full',))
  compare(meshes=[(1, 4, 1)], remat=('full', 'minimal'))
  assert compiled == [(1, 'full'), (1, 'minimal')]


def test_another_model_of_the_same_shapes_is_compiled(compare, compiled):
  model = compare.keywords['model']
  settings = dataclasses.replace(model.config, activation='gelu')
  for changed in (model, model.clone(config=settings)):
    compare(model=changed, meshes=[(1, 4, 1)], remat=('full',))
  assert len(compiled) == 2


def test_what_cannot_fit_is_not_compiled(compare, compiled, monkeypatch):
  monkeypatch.setattr(memory, 'bytes_on_device', lambda tree: 2.0**40)
  [found] = compare(meshes=[(1, 4, 1)], remat=('full',))
  assert not found.fits
  assert compiled == []
