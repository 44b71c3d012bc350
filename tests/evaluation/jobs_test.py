"""Eval-only jobs, on checkpoints that are there and on those that come."""

import json
import pathlib
import shutil
import threading
import time

import jax
import pytest
import seqio
from made_queries import make_queries
from tensorboard.backend.event_processing import event_accumulator

from symbol_tuning import files
from symbol_tuning.evaluation import jobs, layout, results
from symbol_tuning.evaluation import suite as suite_lib
from symbol_tuning.evaluation.checkpoint_queue import NewCheckpoints
from symbol_tuning.evaluation.ranking import scoring
from symbol_tuning.evaluation.ranking.task import RankingTask
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import digests, native
from symbol_tuning.training import partitioning

TASK = 'icl_flipped_subj'


@pytest.fixture
def questions(use_data):
  use_data()

  class Questions(suite_lib.Questions):
    def load(self, separator):
      task = RankingTask(make_queries(7))
      settings = {'separator': separator}
      return suite_lib.Suite({'icl_flipped': {TASK: task}}, settings)

  return Questions(TASK, {})


@pytest.fixture
def evaluate(model, questions, tmp_path):
  def call(checkpoints, output=tmp_path / 'results', **kwargs):
    budget = layout.Budget(num_row_lengths=1)
    return jobs.evaluate_checkpoints(
      model, questions, checkpoints, str(output), budget=budget, **kwargs
    )

  return call


@pytest.fixture
def save(model, params, tmp_path):
  """Writes a step of a run, with parameters of its own."""

  def call(step, run='run'):
    folder = tmp_path / run / 'checkpoints' / str(step)
    scaled = jax.tree.map(lambda x: step * x, params)
    native.save(scaled, model.config, folder)
    return str(folder)

  return call


@pytest.fixture
def read(monkeypatch):
  """The checkpoints that are read."""
  paths = []
  load_params = parameters.load_params

  def load(path, *args):
    paths.append(path)
    return load_params(path, *args)

  monkeypatch.setattr(parameters, 'load_params', load)
  return paths


def curve(folder, name):
  """(step, accuracy) of a TensorBoard folder, and of the JSON lines."""
  events = event_accumulator.EventAccumulator(str(folder / name)).Reload()
  points = [
    (event.step, pytest.approx(event.value))
    for event in events.Scalars('eval/accuracy')
  ]
  lines = (folder / f'{name}-metrics.jsonl').read_text().splitlines()
  logged = [json.loads(line) for line in lines]
  return points, [(line['step'], line['accuracy']) for line in logged]


def test_checkpoints_are_evaluated_side_by_side(evaluate, save, tmp_path):
  paths = {'first': save(20, 'a'), 'last': str(tmp_path / 'b')}
  save(1, 'b')
  save(100, 'b')
  summaries = evaluate(paths, partitioner=partitioning.Partitioner())
  assert [s.step for s in summaries] == [20, 100]
  assert [s.order for s in summaries] == [0, 1]
  assert summaries[0].fingerprint != summaries[1].fingerprint
  for summary in summaries:
    folder = tmp_path / 'results' / summary.label
    assert results.read_summary(folder) == summary
    accuracy = summary.mixtures['icl_flipped'].accuracy
    logs = tmp_path / 'results' / 'inference_eval' / summary.label
    expected = [(summary.step, accuracy)]
    assert curve(logs, TASK) == (expected, expected)


def test_a_bucket_gets_what_a_disk_gets(
  evaluate, save, model, bucket, tmp_path
):
  path = save(20)
  target = bucket / 'run' / 'checkpoints' / '20'
  native.save(parameters.load_params(path, model), model.config, target)
  evaluate(path)
  # Twice: the second finds all done.
  for _ in range(2):
    (summary,) = evaluate(str(target), bucket / 'results')
  assert summary.path == str(target)
  names = [f'step_20/icl_flipped/{TASK}.jsonl']
  names += [f'inference_eval/{n}-metrics.jsonl' for n in ('icl_flipped', TASK)]
  for name in names:
    expected = (tmp_path / 'results' / name).read_text()
    assert (bucket / 'results' / name).read_text() == expected
  (events,) = (bucket / 'results' / 'inference_eval' / TASK).iterdir()
  assert events.name.startswith('events.out.tfevents')


def test_the_steps_of_a_run_make_one_curve(evaluate, save, tmp_path):
  paths = [save(step) for step in (1, 20, 3)]
  for _ in range(2):
    summaries = evaluate(paths)
    assert [s.label for s in summaries] == ['step_1', 'step_20', 'step_3']
    expected = [(s.step, s.mixtures['icl_flipped'].accuracy) for s in summaries]
    for name in ('icl_flipped', TASK):
      logs = tmp_path / 'results' / 'inference_eval'
      assert curve(logs, name) == (expected, expected)


def damage(folder):
  """Flips a bit of the largest file."""
  paths = (path for path in pathlib.Path(folder).rglob('*') if path.is_file())
  path = max(paths, key=lambda path: path.stat().st_size)
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def test_the_newest_whole_step_of_a_run_is_evaluated(
  evaluate, save, tmp_path, capsys
):
  save(1)
  damage(save(20))
  (summary,) = evaluate(str(tmp_path / 'run'))
  assert summary.step == 1
  told = capsys.readouterr().out
  assert 'Checkpoint 20 is damaged and skipped, 1 is read' in told


def test_a_damaged_step_is_refused_or_passed_over_while_training_goes_on(
  evaluate, save, tmp_path, capsys
):
  save(1)
  damage(save(3))
  with pytest.raises(digests.DamagedError, match='checkpoints/3/state/'):
    evaluate(str(tmp_path / 'run' / 'checkpoints' / '3'))
  queue = NewCheckpoints(str(tmp_path / 'run'), final_step=3, poll_period=0.1)
  assert [summary.step for summary in evaluate(queue)] == [1]
  assert 'step_3 · skipped, for it is damaged' in capsys.readouterr().out


def test_a_second_evaluation_in_a_folder_is_refused(evaluate, save, tmp_path):
  path = save(1)
  message = 'choose another EVAL_OUTPUT_DIR'
  with (
    files.only_writer(tmp_path / 'results', 'EVAL_OUTPUT_DIR'),
    pytest.raises(BlockingIOError, match=message),
  ):
    evaluate(path)


def test_every_metric_that_a_task_declares_has_a_curve(
  evaluate, save, tmp_path, monkeypatch
):
  def highest(targets, scores):
    assert [query for (query, _), *_ in targets] == [n // 2 for n in range(14)]
    return {'highest': max(scores), 'text': seqio.metrics.Text('not drawn')}

  task = seqio.TaskRegistry.get(TASK).replace(metric_fns=[highest])
  monkeypatch.setitem(seqio.TaskRegistry._REGISTRY, TASK, task)
  evaluate(save(3))
  folder = tmp_path / 'results'
  path = folder / 'step_3' / 'icl_flipped' / f'{TASK}.jsonl'
  made = results.read_predictions(path)
  best = max(o.log_likelihood for p in made for o in p.options)
  line = (folder / 'inference_eval' / f'{TASK}-metrics.jsonl').read_text()
  logged = json.loads(line)
  assert (logged['step'], logged['highest']) == (3, best)
  assert logged.keys() >= {'accuracy', 'length_normalized_accuracy', 'chance'}
  assert 'text' not in logged


def test_every_new_checkpoint_of_a_training_is_evaluated(
  evaluate, save, tmp_path
):
  save(10)
  save(9)
  run = tmp_path / 'run'
  half_written = run / 'checkpoints' / '8' / 'state.orbax-checkpoint-tmp-1'
  half_written.mkdir(parents=True)
  training = threading.Thread(target=lambda: (time.sleep(1), save(11)))
  training.start()
  queue = NewCheckpoints(str(run), final_step=11, timeout=60, poll_period=0.1)
  summaries = evaluate(queue)
  training.join()
  assert [s.label for s in summaries] == ['step_9', 'step_10', 'step_11']
  assert [s.order for s in summaries] == [9, 10, 11]


def test_nothing_is_waited_for_after_the_time_out(evaluate, save, capsys):
  run = save(3).removesuffix('/checkpoints/3')
  queue = NewCheckpoints(run, timeout=0.2, poll_period=0.05)
  assert [s.step for s in evaluate(queue)] == [3]
  assert 'No new checkpoint for 1s' in capsys.readouterr().out
  assert not evaluate(NewCheckpoints('/nowhere', timeout=0.1, poll_period=0.05))


def test_a_checkpoint_that_vanishes_is_passed_over(
  evaluate, save, monkeypatch, capsys
):
  run = save(3).removesuffix('/checkpoints/3')
  save(4)
  load_params = parameters.load_params

  def remove_first(path, *args):
    if path.endswith('/3'):
      shutil.rmtree(path)
    return load_params(path, *args)

  monkeypatch.setattr(parameters, 'load_params', remove_first)
  queue = NewCheckpoints(run, final_step=4, poll_period=0.05)
  assert [s.step for s in evaluate(queue)] == [4]
  assert 'step_3 · skipped: the training removed it' in capsys.readouterr().out


def test_a_checkpoint_of_another_model_is_not_passed_over(
  evaluate, model, params, tmp_path
):
  embedding = {'token_embedding': params['token_embedding']}
  step = tmp_path / 'run' / 'checkpoints' / '3'
  native.save(embedding, model.config, step)
  queue = NewCheckpoints(str(tmp_path / 'run'), final_step=3, poll_period=0.05)
  with pytest.raises(ValueError, match='DecoderConfig'):
    evaluate(queue)


def test_a_job_that_was_stopped_gives_the_same_results(
  evaluate, save, monkeypatch, tmp_path
):
  paths = [save(step) for step in (1, 2, 3)]
  whole = evaluate(paths)
  shutil.rmtree(tmp_path / 'results')
  log_likelihoods, scored = scoring.log_likelihoods, []

  def stop_at_the_second(*args):
    scored.append(args)
    if len(scored) == 2:
      raise KeyboardInterrupt
    return log_likelihoods(*args)

  monkeypatch.setattr(scoring, 'log_likelihoods', stop_at_the_second)
  with pytest.raises(KeyboardInterrupt):
    evaluate(paths)
  assert evaluate(paths) == whole
  assert len(scored) == 2 + 2


def test_unknown_tasks_are_named_before_a_checkpoint_is_waited_for(
  model, use_data, tmp_path
):
  use_data()
  questions = suite_lib.Questions('icl_flipt', {})
  training = NewCheckpoints('/nowhere')
  with pytest.raises(ValueError, match=r"'icl_flipt'.*icl_flipped"):
    jobs.evaluate_checkpoints(model, questions, training, str(tmp_path))


@pytest.mark.parametrize(
  ('named', 'kwargs', 'message'),
  [
    ({}, {}, 'checkpoints is empty'),
    ({'a/b': '/c'}, {}, "label 'a/b' cannot be"),
    ('/nowhere', {}, 'No checkpoint at /nowhere'),
    (['/a/run', '/b/run'], {}, "Several checkpoints are called 'run'"),
    ('/tmp', {'separator': 'eso'}, "'eso' is none of eos, none, chat"),
    ('/tmp', {'separator': 'chat'}, 'no chat template'),
    ('/tmp', {'separator': {'a': 'eos'}}, 'the checkpoints are tmp'),
    (NewCheckpoints('/a'), {'separator': {'a': 'eos'}}, 'not known'),
  ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(
  evaluate, named, kwargs, message
):
  with pytest.raises((ValueError, FileNotFoundError), match=message):
    evaluate(named, **kwargs)
