"""Harms programs at random, and holds what they promise against what they do.

Whatever happens, a program survives, and its run is bit by bit the one that
nobody disturbed; or it ends within seconds with one clear line, and its last
good state is whole. Choices are seeded. A few of each kind are tried;
SYMBOL_TUNING_FAULTS=long tries hundreds. The table is printed at the end.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from faults import programs
from faults.harm import (
  delete,
  files_of,
  flip,
  largest,
  some_file,
  swap,
  truncate,
  zero,
)
from faults.programs import tries

from symbol_tuning.models.checkpoints import digests, steps


def newest(world, name) -> pathlib.Path:
  return world.folder / name / 'checkpoints' / '9'


@tries(1, 3)
def test_kill_in_the_middle(world, rng, tried, number):
  name, kills = world.new_name(), 0
  while kills < (10 if programs.LONG else 3):
    program = world.start(name)
    if not program.wait_for('Training from'):
      break
    time.sleep(rng.random() * 0.9)
    os.kill(program.process.pid, signal.SIGKILL)
    kills += program.wait().status == -signal.SIGKILL
  world.assert_survives(name)
  tried('survived', kills)


@pytest.mark.parametrize('kind', [signal.SIGTERM, signal.SIGINT])
@tries(1, 10)
def test_told_to_stop(world, rng, tried, number, kind):
  name = world.new_name()
  program = world.start(name, TRAIN_STEPS=2000, CHECKPOINT_PERIOD=2000)
  assert program.wait_for('step 2/')
  time.sleep(rng.random() / 2)
  os.kill(program.process.pid, kind)
  ended = program.wait()
  assert ended.status == (130 if kind == signal.SIGINT else -kind), ended
  assert 'Told to stop; saved step' in ended.out
  assert 'Traceback' not in ended.err
  (step,) = (world.folder / name / 'checkpoints').iterdir()
  if int(step.name) < programs.STEPS:
    world.assert_survives(name)
  tried('survived')


@tries(1, 5)
def test_stopped_for_a_while(world, rng, tried, number):
  name = world.new_name()
  program = world.start(name)
  assert program.wait_for('Training from')
  time.sleep(rng.random())
  os.kill(program.process.pid, signal.SIGSTOP)
  time.sleep(1)
  os.kill(program.process.pid, signal.SIGCONT)
  program.wait().assert_done()
  world.assert_survived(name)
  tried('survived')


@pytest.mark.parametrize(
  ('harm', 'few', 'many'),
  [(flip, 4, 60), (truncate, 1, 12), (delete, 1, 12), (zero, 1, 12)],
)
def test_harm_to_the_newest_checkpoint(world, rng, tried, harm, few, many):
  for _ in range(many if programs.LONG else few):
    name = world.new_run()
    path = some_file(rng, newest(world, name))
    harm(rng, path)
    # A run that is killed at the very end of saving lacks this one, too.
    lacks_seal = harm is delete and path.name == digests.SEAL
    told = 'are unchecked' if lacks_seal else 'is damaged and skipped'
    world.assert_survives(name, told)
    tried('survived')


@tries(1, 5)
def test_files_of_checkpoints_swapped(world, rng, tried, number):
  name = world.new_run()
  here = newest(world, name)
  there = here.parent / '6'
  names = {path.relative_to(here) for path in files_of(here)} & {
    path.relative_to(there) for path in files_of(there)
  }
  differing = [
    name
    for name in sorted(names)
    if (here / name).read_bytes() != (there / name).read_bytes()
  ]
  swapped = rng.choice(differing)
  swap(here / swapped, there / swapped)
  ended = world.train(name)
  ended.assert_done()
  assert ended.out.count('is damaged and skipped') == 2, ended
  world.assert_survived(name)
  tried('survived')


def test_newest_checkpoint_empty(world, tried):
  name = world.new_run()
  shutil.rmtree(newest(world, name))
  newest(world, name).mkdir()
  world.assert_survives(name, 'Checkpoint 9 is damaged and skipped')
  tried('survived')


@tries(1, 5)
def test_every_checkpoint_damaged(world, rng, tried, number):
  name = world.new_run()
  for step in newest(world, name).parent.iterdir():
    flip(rng, largest(step))
  world.train(name).assert_clear('none of the checkpoints', 'restore them')
  tried('clear')


@pytest.mark.parametrize('harm', [flip, truncate, delete, zero])
@tries(1, 8)
def test_harm_to_the_cache(world, rng, tried, harm, number):
  cache = world.copy_of(world.folder / 'cache')
  path = rng.choice([*cache.glob('*.array_record'), cache / 'manifest.json'])
  harm(rng, path)
  ended = world.train(world.new_name(), CACHE_DIR=str(cache))
  ended.assert_clear(
    str(cache) if harm is delete else str(path), 'symbol_tuning.cache_tasks'
  )
  tried('clear')


@tries(1, 3)
def test_shards_of_the_cache_swapped(world, tried, number):
  cache = world.copy_of(world.folder / 'cache')
  swap(*cache.glob('*.array_record'))
  ended = world.train(world.new_name(), CACHE_DIR=str(cache))
  ended.assert_clear('.array_record is damaged')
  tried('clear')


@tries(1, 8)
def test_two_writers(world, rng, tried, number):
  name = world.new_name()
  first = world.start(name)
  assert first.wait_for('Training from')
  time.sleep(rng.random() / 3)
  second = world.train(name)
  if 'Nothing to train' not in second.out:
    second.assert_clear('is written by process', 'MODEL_DIR', seconds=10)
  first.wait().assert_done()
  world.assert_survived(name)
  tried('clear')


@tries(1, 16)
def test_files_cannot_grow(world, rng, tried, number):
  name = world.new_run()
  ended = world.train(name, largest_file=rng.choice([100, 2000, 9000, 20000]))
  if ended.status:
    ended.assert_clear(str(world.folder / name), 'File too large')
  world.assert_survives(name)
  tried('clear' if ended.status else 'survived')


@pytest.fixture
def small_disk(tmp_path):
  """A function: options of mount → a disk of its own."""
  disk = tmp_path / 'disk'
  disk.mkdir()

  def mount(options):
    command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
      pytest.skip('disks cannot be mounted here')
    return disk

  yield mount
  subprocess.run(['umount', str(disk)], capture_output=True, check=False)


@pytest.mark.parametrize('what', ['size', 'nr_inodes'])
@tries(1, 6)
def test_full_disk(world, rng, tried, small_disk, what, number):
  most = {
    'size': f'size={rng.randrange(4, 900)}k',
    'nr_inodes': f'size=10m,nr_inodes={rng.randrange(5, 70)}',
  }
  disk = small_disk(most[what])
  model_dir = str(disk / 'run')
  ended = world.train('', MODEL_DIR=model_dir)
  ended.assert_clear(model_dir, 'No space left on device')
  name = world.new_name()
  if (disk / 'run').exists():
    shutil.copytree(disk / 'run', world.folder / name)
  world.assert_survives(name)
  tried('clear')


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become nobody')
@pytest.mark.parametrize(
  ('refused', 'mode'),
  [
    (lambda run: run, 0o555),
    (lambda run: run / 'checkpoints', 0o555),
    (lambda run: largest(run / 'checkpoints' / '9'), 0),
    (lambda run: run / 'checkpoints' / '9', 0),
  ],
  ids=['model_dir', 'checkpoints', 'a file of a checkpoint', 'a step'],
)
@tries(1, 2)
def test_no_permission(world, tried, refused, mode, number):
  name = world.new_run()
  run = world.folder / name
  for path in [run, *run.rglob('*')]:
    path.chmod(0o777)
  refused(run).chmod(mode)
  ended = world.train(name, user=programs.NOBODY)
  ended.assert_clear(str(world.folder / name), 'ermission denied')
  assert 'damaged' not in ended.err
  assert 'delete' not in ended.err
  world.assert_survives(name)
  tried('clear')


def test_places_that_are_no_folders(world, tried):
  file = world.folder / world.new_name()
  file.write_text('a file')
  world.train(file.name).assert_clear(str(file))
  tried('clear')
  folder = world.folder / world.new_name()
  folder.mkdir()
  (folder / 'checkpoints').write_text('a file')
  world.train(folder.name).assert_clear(str(folder / 'checkpoints'), seconds=15)
  tried('clear')
  world.train('x', MODEL_DIR='').assert_clear('MODEL_DIR')
  tried('clear')


@pytest.mark.parametrize(
  ('setting', 'names'),
  [
    ('--gin.BATCH_SIZE=8', ['BATCH_SIZE', '4', '8', 'RESTART_DATA']),
    ('--gin.RANDOM_SEED=1', ['RANDOM_SEED', 'RESTART_DATA']),
    ('--gin.TRAIN_STEPS=1e1', []),
    ('--gin.TRAIN_STEPS=twelve', ['TRAIN_STEPS']),
    ('--gin.TRAIN_STEPS=-1', ['TRAIN_STEPS', '-1']),
    ('--gin.TRAIN_STEPS=[1', ['TRAIN_STEPS']),
    ('--gin.LEARNING_RATE=-1.0', ['LEARNING_RATE', '-1']),
    ('--gin.MODEL_DIR=run', ['MODEL_DIR']),
    ('--gin.CACHE_DIR=/no/where', ['CACHE_DIR']),
    ("--gin.CACHE_DIR='/no/where'", ['/no/where']),
    ('--gin_file=no_such.gin', ['no_such.gin']),
    ('--gin_file=binary.gin', ['binary.gin']),
    ('--gin_file=unclosed.gin', ['unclosed.gin']),
    ("--gin.MIXTURE_OR_TASK_NAME='others'", ['others', 'random_rows']),
    ("--gin.TASK_FEATURE_LENGTHS={'inputs': 9, 'targets': 8}", ['lengths']),
    ("--gin.INITIAL_CHECKPOINT_PATH='/no/where'", []),
    ('--gin.config.DecoderConfig.embed_dim=32', ['embed_dim', '16', '32']),
    ('--gin.OPTIMIZER=@optimizers.adamw()', []),
  ],
)
def test_settings(world, tried, setting, names):
  (world.folder / 'binary.gin').write_bytes(bytes(range(256)))
  (world.folder / 'unclosed.gin').write_text('A = {"b": [1,\nB = 2\n')
  name = world.new_run()
  arguments = programs.train_arguments(world.folder, name)
  ended = world.start_other('symbol_tuning.train', *arguments, setting).wait()
  if ended.status:
    ended.assert_clear(*names)
    assert steps.choose(world.folder / name).step == 9
    tried('clear')
  else:
    tried('survived')


@tries(1, 3)
def test_loss_not_finite(world, tried, number):
  name = world.new_run()
  ended = world.train(name, LEARNING_RATE=1e38)
  ended.assert_clear('not_finite/step_', 'checkpoints/9', 'learning rate')
  world.assert_survives(name, 'broke at the batch in')
  other = world.new_run()
  world.train(other, LEARNING_RATE=1e38).assert_clear('not_finite/step_')
  again = world.train(other, RESTART_DATA=True, RANDOM_SEED=7)
  again.assert_done('read from their start')
  tried('clear')


@pytest.mark.parametrize(
  ('harm', 'few', 'many'), [(flip, 2, 30), (truncate, 1, 6), (zero, 1, 6)]
)
def test_conversion_of_a_harmed_checkpoint(world, rng, tried, harm, few, many):
  for number in range(many if programs.LONG else few):
    name = world.new_run()
    path = some_file(rng, newest(world, name))
    harm(rng, path)
    target = world.folder / f'{name}-converted'
    given = newest(world, name) if number % 2 else world.folder / name
    ended = world.start_other(
      'faults.reading_member', str(given), str(target)
    ).wait()
    if number % 2:
      ended.assert_clear(path.name)
      assert not target.exists()
      tried('clear')
    else:
      ended.assert_done('Checkpoint 9 is damaged and skipped, 6 is read')
      tried('survived')
    shutil.rmtree(world.folder / name)
