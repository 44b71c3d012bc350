"""Compiles small models for TPU slices, where the TPU compiler is installed."""

import importlib.util
import json
import pathlib

import processes
import pytest

from symbol_tuning import precompile as precompile_main
from symbol_tuning.compilation import measuring

needs_compiler = pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is None,
  reason='the TPU compiler (libtpu) is not installed',
)
SMALL = (
  'config.DecoderConfig.num_layers=2',
  'config.DecoderConfig.embed_dim=256',
  'config.DecoderConfig.head_dim=128',
  'config.DecoderConfig.num_heads=2',
  'config.DecoderConfig.mlp_dim=512',
  'config.DecoderConfig.vocab_size=1024',
  "TASK_FEATURE_LENGTHS={'inputs': 96, 'targets': 32}",
  'partitioning.Partitioner.data=1',
  'partitioning.Partitioner.fsdp=2',
  'partitioning.Partitioner.tensor=2',
)


def precompile(folder, *bindings, flags=()):
  return processes.python(
    *('-m', 'symbol_tuning.precompile', *flags),
    *('--gin_file=models/palm_8b.gin', '--gin_file=runs/precompile.gin'),
    *(f'--gin.{binding}' for binding in bindings),
    f'--gin.OUTPUT_DIR={str(folder)!r}',
  )


@needs_compiler
def test_a_small_train_step_is_compiled_for_four_chips(tmp_path):
  ended = precompile(tmp_path, *SMALL, 'BATCH_SIZE=4', "TPU_TOPOLOGY='v5e:2x2'")
  assert ended.returncode == 0, ended.stderr[-3000:]
  report = json.loads((tmp_path / 'train_step-v5e_2x2.json').read_text())
  work = report['work']
  assert report['memory']['fits']
  assert report['mesh'] == {'data': 1, 'fsdp': 2, 'tensor': 2}
  assert work['unknown_loops'] == []
  # The compiled program computes what its jaxpr says, and a little more: each
  # device of an axis makes the one key-value head.
  assert 1 < work['device_flops'] * 4 / work['step_flops'] < 1.1
  assert work['model_flops'] < work['step_flops']
  kinds = {(one['kind'], *one['axes']) for one in work['collectives']}
  assert ('all-gather', 'fsdp') in kinds
  assert ('all-reduce', 'tensor') in kinds
  assert 'Fits: ' in (tmp_path / 'train_step-v5e_2x2.md').read_text()


@needs_compiler
def test_a_step_that_does_not_fit_ends_with_its_own_status(tmp_path):
  ended = precompile(
    tmp_path, 'BATCH_SIZE=4', "TPU_TOPOLOGY='v5e:2x2'", 'NUM_MICROBATCHES=1'
  )
  assert ended.returncode == measuring.DOES_NOT_FIT, ended.stderr[-3000:]
  assert 'Does not fit: needs about' in ended.stdout
  assert '| gradients layers/mlp/' in ended.stdout
  assert 'Partitioner.fsdp' in ended.stdout
  assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize(
  ('binding', 'message'),
  [
    ("TPU_TOPOLOGY='v5e:44'", 'near ones: v5e:4x4'),
    ("OUTPUT_DIR='x'", 'TPU_TOPOLOGY'),
  ],
)
def test_a_topology_must_be_named(tmp_path, binding, message):
  ended = precompile(tmp_path, binding)
  assert ended.returncode == 1
  assert message in ended.stderr
  assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize(
  ('arguments', 'expected'),
  [
    (['--gin.A=1', '--sweep'], True),
    (['--sweep=true'], True),
    (['--nosweep'], False),
    (['--gin.SWEEP_MESHES=None'], False),
  ],
)
def test_a_sweep_is_asked_for_as_any_flag(arguments, expected):
  argv = ['precompile', *arguments, '--gin_file=runs/precompile.gin']
  assert precompile_main.is_sweep(argv) == expected


@needs_compiler
def test_experiments_on_slices_are_the_papers_and_can_be_laid_out():
  script = pathlib.Path(__file__).parent / 'helpers' / 'experiments_layout.py'
  ended = processes.python(script)
  assert ended.returncode == 0, ended.stderr[-3000:]
  experiments = json.loads(ended.stdout.splitlines()[-1])
  assert len(experiments) >= 15
  for name, found in experiments.items():
    rows = 256 if name.endswith('batch_256') else 32
    assert (found['rows'], found['length']) == (rows, 2048 + 512), name
    rate = 1e-3 if '540b' in name else 3e-3
    assert found['learning_rate'] == rate, name
    assert found['memory'] < 0.6, name
