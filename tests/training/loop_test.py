import dataclasses
import json
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny_models

from symbol_tuning import run_config
from symbol_tuning.data import positions
from symbol_tuning.models import parameters
from symbol_tuning.training import loop, optimizers

PERIODS = {'checkpoint_period': 3, 'log_period': 2}
SCHEDULED = {'keep', 'eval_period', 'log_period'}


@pytest.fixture
def make_run(make_model, make_data, tmp_path):
  """A function that describes a run of the tiny model with dropout."""

  def make(folder='run', steps=6, data=None, rate=0.05, **settings):
    periods = PERIODS | {
      k: settings.pop(k) for k in SCHEDULED & settings.keys()
    }
    return loop.Run(
      make_model(dropout_rate=0.1),
      data or make_data(),
      str(tmp_path / folder),
      optimizers.adafactor(rate),
      loop.Schedule(steps, **periods),
      **settings,
    )

  return make


@pytest.fixture
def train(make_run):
  return lambda *args, **settings: loop.train(make_run(*args, **settings))


def assert_equal(actual, expected):
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


class Interrupted:
  """Data that does something instead of giving batch number `at`."""

  def __init__(self, data, at, what):
    self.data, self.at, self.what = data, at, what
    self.get_state, self.set_state = data.get_state, data.set_state
    self.shard = data.shard

  def __next__(self):
    if self.data.count == self.at - 1:
      self.what()
    return next(self.data)


def raise_interrupt():
  raise KeyboardInterrupt


def test_an_interrupted_run_ends_in_the_same_state(
  train, make_data, tmp_path, capsys
):
  expected = train('whole')
  with pytest.raises(KeyboardInterrupt):
    train('broken', data=Interrupted(make_data(), 5, raise_interrupt))
  assert 'random parameters: 6 steps' in capsys.readouterr().out
  state = train('broken')
  assert 'checkpoints/3: 3 steps to go' in capsys.readouterr().out
  assert_equal(state, expected)
  lines = (tmp_path / 'broken' / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines] == [2, 3, 4, 6]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_is_sent_again(
  train, make_data, tmp_path, capsys, number
):
  received = []
  previous = signal.signal(number, lambda *_: received.append(1))
  state = train(
    data=Interrupted(make_data(), 2, lambda: signal.raise_signal(number))
  )
  signal.signal(number, previous)
  assert int(state.step) == 2
  assert (tmp_path / 'run' / 'checkpoints' / '2').is_dir()
  assert received == [1]
  told = capsys.readouterr()
  assert 'saved step 2 first' in told.out
  assert ('Interrupted: saving' in told.err) == (number == signal.SIGINT)


def test_a_signal_that_was_ignored_before_stays_ignored(train, make_data):
  previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
  try:
    send = Interrupted(
      make_data(), 2, lambda: signal.raise_signal(signal.SIGINT)
    )
    assert int(train(data=send).step) == 6
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
  finally:
    signal.signal(signal.SIGINT, previous)


def test_a_second_run_in_a_folder_is_refused(train, make_data, tmp_path):
  def start_another():
    with pytest.raises(BlockingIOError, match='choose another MODEL_DIR'):
      train()

  train(data=Interrupted(make_data(), 2, start_another))


def data_of(data, **of):
  """The data, whose positions say what they are of, as those of a mixture."""
  get, set_ = data.get_state, data.set_state

  def set_state(state):
    positions.check(state, of)
    set_(state)

  data.get_state = lambda: get() | {'of': of}
  data.set_state = set_state
  return data


def test_other_data_are_refused_or_read_from_their_start(
  train, make_data, capsys
):
  def data(batch_size):
    return data_of(make_data(), BATCH_SIZE=batch_size)

  train(steps=3, data=data(4))
  with pytest.raises(ValueError, match=r'BATCH_SIZE was 4.*RESTART_DATA=True'):
    train(steps=6, data=data(8))
  again = data(8)
  train(steps=6, data=again, restart_data=True)
  assert again.count == 3
  assert 'read from their start' in capsys.readouterr().out
  further = data(8)
  train(steps=9, data=further, restart_data=True)
  assert further.count == 6


def test_a_run_that_is_done_is_not_done_with_other_data(train, make_data):
  def data(seed):
    return data_of(make_data(), RANDOM_SEED=seed)

  state = train(steps=3, data=data(0))
  assert_equal(train(steps=3, data=data(0)), state)
  with pytest.raises(ValueError, match='RANDOM_SEED was 0'):
    train(steps=3, data=data(1))


def test_a_try_that_left_no_checkpoint_replaces_no_configuration(tmp_path):
  try:
    for step, text in ((0, 'made it'), (100, 'broke'), (100, 'third')):
      run_config.use(text)
      run_config.save(tmp_path, step)
  finally:
    run_config.use(None)
  assert (tmp_path / 'config-until-100.gin').read_text() == 'made it'
  assert (tmp_path / 'config.gin').read_text() == 'third'


class Evaluation:
  """Remembers what it was given."""

  def __init__(self):
    self.seen = {}

  def prepare(self):
    self.seen['prepared'] = None

  def __call__(self, params, step):
    self.seen[step] = jax.tree.map(np.array, params)
    return {'accuracy': 50.0}


def test_evaluates_when_due_and_at_the_end(train, tmp_path, capsys):
  evaluation = Evaluation()
  state = train(steps=5, eval_period=2, evaluation=evaluation)
  assert list(evaluation.seen) == ['prepared', 2, 4, 5]
  assert_equal(evaluation.seen[5], state.params)
  assert 'step 4/5 · accuracy 50' in capsys.readouterr().out
  lines = (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
  measured = [line for line in map(json.loads, lines) if line['kind'] == 'eval']
  assert [(m['step'], m['accuracy']) for m in measured] == [
    (2, 50), (4, 50), (5, 50)
  ]  # fmt: skip


def test_an_evaluation_that_a_signal_leaves_out_is_told(
  train, make_data, capsys
):
  previous = signal.signal(signal.SIGTERM, lambda *_: None)
  evaluation = Evaluation()
  train(
    data=Interrupted(
      make_data(), 2, lambda: signal.raise_signal(signal.SIGTERM)
    ),
    eval_period=2,
    evaluation=evaluation,
  )
  signal.signal(signal.SIGTERM, previous)
  assert list(evaluation.seen) == ['prepared']
  assert 'evaluation of step 2 is left out' in capsys.readouterr().out


def test_without_a_period_nothing_is_evaluated(train):
  evaluation = Evaluation()
  train(steps=2, evaluation=evaluation)
  assert not evaluation.seen


def test_a_period_needs_something_to_evaluate(train):
  with pytest.raises(ValueError, match=r'EVAL_PERIOD is 2.*train_eval\.gin'):
    train(steps=2, eval_period=2)


def test_a_dry_run_checks_and_writes_nothing(make_run, tmp_path, capsys):
  loop.dry_run(make_run(steps=3))
  told = capsys.readouterr().out
  assert 'batch: 4 rows of 8 tokens' in told
  assert 'from random parameters, 3 steps to go' in told
  assert not list(tmp_path.iterdir())
  missing = str(tmp_path / 'nowhere')
  with pytest.raises((OSError, ValueError), match='nowhere'):
    loop.dry_run(make_run(initial_checkpoint_path=missing))
  loop.train(make_run(steps=3))
  before = sorted(tmp_path.rglob('*'))
  loop.dry_run(make_run(steps=5))
  assert 'checkpoints/3, 2 steps to go' in capsys.readouterr().out
  assert sorted(tmp_path.rglob('*')) == before


def test_starts_from_the_parameters_of_another_run(train, tmp_path):
  first = train('first', steps=3)
  path = str(tmp_path / 'first')
  second = train('second', 1, rate=0.0, initial_checkpoint_path=path)
  assert_equal(second.params, first.params)
  assert int(second.step) == 1


def test_a_run_does_not_go_on_with_a_decoder_that_computes_something_else(
  make_run, make_model
):
  loop.train(make_run(steps=1))
  run = make_run(steps=2)
  other = dataclasses.replace(run, model=make_model(rope_base=5e5))
  for start in (loop.dry_run, loop.train):
    with pytest.raises(ValueError, match=r'rope_base is 500000\.0 and 10000'):
      start(other)
  # As a checkpoint of an earlier version is, it is read.
  step = run.folder / 'checkpoints' / '1'
  for name in ('decoder.json', 'digests.json', 'digests-commit.json'):
    (step / name).unlink()
  assert int(loop.train(other).step) == 2


def test_the_folder_of_a_published_model_is_refused(make_run, tmp_path):
  """Such as that of the model that a training starts from."""
  run = make_run()
  config = run.model.config
  params = tiny_models.random_params(config)
  parameters.export(params, config, tmp_path / 'run')
  before = {path: path.read_bytes() for path in (tmp_path / 'run').iterdir()}
  for start in (loop.dry_run, loop.train):
    with pytest.raises(ValueError, match=r'run holds a published model'):
      start(run)
  after = {path: path.read_bytes() for path in (tmp_path / 'run').iterdir()}
  assert after == before
  # A description alone, as one may keep beside a run, is no model.
  (tmp_path / 'run' / 'model.safetensors').unlink()
  assert int(loop.train(run).step) == 6


@pytest.mark.parametrize('folder', ['/gs/runs/1', '/s3/runs/1', 's3://b/1'])
def test_what_orbax_takes_for_a_bucket_it_cannot_use_is_refused(
  make_run, folder
):
  run = dataclasses.replace(make_run(), model_dir=folder)
  for start in (loop.dry_run, loop.train):
    with pytest.raises(ValueError, match=f'{folder} cannot hold checkpoints'):
      start(run)


def test_a_complete_run_says_so(train, capsys):
  expected = train(steps=2)
  assert_equal(train(steps=2), expected)
  assert 'Nothing to train' in capsys.readouterr().out


def test_a_loss_that_is_not_finite_stops_the_run_and_its_batch_is_kept(
  train, make_batch, tmp_path, capsys
):
  train(steps=3)
  with pytest.raises(FloatingPointError, match=r'step 4 .*checkpoints/3'):
    train(steps=6, rate=float('nan'))
  kept = tmp_path / 'run' / 'not_finite' / 'step_4.process_0.npz'
  expected = make_batch(seed=4)
  with np.load(kept, allow_pickle=False) as batch:
    assert_equal(dict(batch), expected)
  capsys.readouterr()
  train(steps=6)
  assert f'broke at the batch in {kept}' in capsys.readouterr().out


def test_a_run_describes_its_model(train, tmp_path):
  train(steps=1)
  info = (tmp_path / 'run' / 'model-info.txt').read_text()
  assert 'layers/mlp/up/kernel' in info
  assert '(layers=2, embed=8, mlp=16)' in info
  assert '(None, fsdp, tensor)' in info


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'steps': 0}, 'train_steps is 0'),
    ({'log_period': 0}, 'log_period is 0'),
    ({'keep': 0}, 'keep is 0; it must be at least 1'),
    ({'num_microbatches': 0}, 'NUM_MICROBATCHES is 0'),
    ({'steps': 4.0}, r'train_steps is 4\.0; it must be a whole number'),
    ({'eval_period': '2'}, "eval_period is '2'; it must be a whole number"),
  ],
)
def test_bad_settings_are_named(train, settings, message):
  with pytest.raises((TypeError, ValueError), match=message):
    train(**settings)


def test_data_that_ends_is_named(train, make_data):
  def end():
    raise StopIteration

  with pytest.raises(ValueError, match='has ended'):
    train(data=Interrupted(make_data(), 1, end))


def test_imports_neither_tensorflow_nor_seqio_nor_gin():
  code = (
    'import sys, symbol_tuning.training.loop;'
    'print([m for m in ("tensorflow", "seqio", "gin") if m in sys.modules])'
  )
  result = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert result.stdout.strip() == '[]'


def test_the_configuration_is_saved_once_a_run_is_accepted(
  train, make_data, tmp_path
):
  folder = tmp_path / 'run'
  try:
    run_config.use('first')
    train(steps=2)
    assert (folder / 'config.gin').read_text() == 'first'
    run_config.use('refused')
    with pytest.raises(ValueError, match='vocabulary of the data'):
      data = make_data()
      good = data.make_batch
      data.make_batch = lambda seed: {
        k: v + 30 for k, v in good(seed=seed).items()
      }
      train(steps=3, data=data)
    assert (folder / 'config.gin').read_text() == 'first'
    run_config.use('second')
    train(steps=3)
  finally:
    run_config.use(None)
  assert (folder / 'config.gin').read_text() == 'second'
  assert (folder / 'config-until-2.gin').read_text() == 'first'
