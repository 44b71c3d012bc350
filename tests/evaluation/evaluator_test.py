"""Evaluating parameters: what is written, kept and refused."""

import dataclasses

import jax
import pytest
import seqio
from made_queries import make_queries

from symbol_tuning.evaluation import evaluator, layout, metrics, results
from symbol_tuning.evaluation import suite as suite_lib
from symbol_tuning.evaluation.ranking import scoring
from symbol_tuning.evaluation.ranking.task import RankingTask

CHECKPOINT = evaluator.Checkpoint('tuned', '/a/checkpoint', step=7)


@pytest.fixture
def suite():
  return suite_lib.Suite(
    {
      'icl_flipped': {'icl_flipped_subj': RankingTask(make_queries(3), 3)},
      'icl_symbol_instructed': {
        'icl_symbol_instructed_subj': RankingTask(make_queries(3, seed=1), 3),
        'icl_symbol_instructed_teab': RankingTask(
          make_queries(2, 3, seed=2), 3
        ),
      },
    },
    {'separator': 'eos', 'lengths': (2048, 512)},
  )


@pytest.fixture
def scored(monkeypatch):
  """The number of queries of every task that is scored."""
  counts = []
  log_likelihoods = scoring.log_likelihoods

  def counting(model, params, queries, *args):
    counts.append(len(queries))
    return log_likelihoods(model, params, queries, *args)

  monkeypatch.setattr(scoring, 'log_likelihoods', counting)
  return counts


@pytest.fixture
def evaluate(model, params, tmp_path, scored):
  """Evaluates; `scored` then tells of this evaluation alone."""

  def call(suite, params=params, folder=''):
    scored.clear()
    budget = layout.Budget(num_row_lengths=1)
    return evaluator.evaluate(
      model, params, suite, CHECKPOINT, tmp_path / folder, budget
    )

  return call


def test_writes_a_summary_and_every_prediction(
  evaluate, model, params, suite, tmp_path
):
  summary = evaluate(suite)
  assert results.read_summary(tmp_path) == summary
  assert (summary.label, summary.path) == ('tuned', '/a/checkpoint')
  assert summary.step == 7
  assert summary.settings == {'separator': 'eos', 'lengths': [2048, 512]}
  assert not summary.unfinished
  tasks = summary.mixtures['icl_symbol_instructed'].tasks
  assert [task.dataset for task in tasks.values()] == ['subj', 'teab']
  for mixture, name, asked in suite:
    chosen = asked.plan([asked], params, layout.Budget())
    task = summary.mixtures[mixture].tasks[name]
    made = results.read_predictions(tmp_path / task.predictions)
    text = (tmp_path / task.predictions).read_text()
    named = (task.dataset, task.predictions, task.fingerprint)
    assert results.task_result(made, text, *named, num_dropped=3) == task
    expected = scoring.log_likelihoods(model, params, asked.queries, chosen)
    for prediction, scores in zip(made, expected, strict=True):
      found = [option.log_likelihood for option in prediction.options]
      assert found == pytest.approx(scores.tolist(), abs=1e-4)


def test_goes_on_where_it_was_stopped(evaluate, suite, scored, monkeypatch):
  whole = evaluate(suite, folder='whole')
  write, written = results.write_summary, []

  def stop_at_the_second(directory, summary):
    if written:
      raise KeyboardInterrupt
    written.append(summary)
    write(directory, summary)

  monkeypatch.setattr(results, 'write_summary', stop_at_the_second)
  with pytest.raises(KeyboardInterrupt):
    evaluate(suite, folder='stopped')
  assert len(written[0].unfinished) == 2
  monkeypatch.setattr(results, 'write_summary', write)
  assert evaluate(suite, folder='stopped') == whole
  assert scored == [3, 2]


def test_damaged_predictions_are_made_again(
  evaluate, suite, tmp_path, scored, capsys
):
  whole = evaluate(suite)
  (path, *_) = sorted(tmp_path.rglob('*.jsonl'))
  written = path.read_bytes()
  path.write_bytes(written.replace(b'-', b'=', 1))
  assert evaluate(suite) == whole
  assert len(scored) == 1
  assert path.read_bytes() == written
  assert f'{path} is not what was written' in capsys.readouterr().out


def test_scores_are_kept_and_measured_by_the_metrics_of_now(
  evaluate, suite, scored, tmp_path, monkeypatch
):
  before = evaluate(suite)
  changed = [dataclasses.replace(metrics.METRICS[1], of=lambda _: 0.25)]
  changed.append(dataclasses.replace(changed[0], name='added'))
  monkeypatch.setattr(metrics, 'METRICS', (metrics.ACCURACY, *changed))
  fewer = {
    mixture: {
      name: dataclasses.replace(task, num_dropped=5)
      for name, task in tasks.items()
    }
    for mixture, tasks in suite.mixtures.items()
  }
  after = evaluate(dataclasses.replace(suite, mixtures=fewer))
  assert not scored
  assert results.read_summary(tmp_path) == after
  for mixture, measured in after.mixtures.items():
    assert measured.accuracy == before.mixtures[mixture].accuracy
    for one in (measured, *measured.tasks.values()):
      assert one.metrics[changed[0].name] == one.metrics['added'] == 25
    assert {one.num_dropped for one in measured.tasks.values()} == {5}
  monkeypatch.undo()
  assert evaluate(suite) == before


def test_other_parameters_or_examples_are_evaluated_anew(
  evaluate, params, suite, scored
):
  evaluate(suite)
  tasks = {'icl_flipped_subj': RankingTask(make_queries(4, seed=9))}
  summary = evaluate(suite_lib.Suite({'icl_flipped': tasks}, suite.settings))
  assert scored == [4]
  assert summary.mixtures['icl_flipped'].num_queries == 4
  assert set(summary.mixtures) == set(suite.mixtures)
  evaluate(suite, jax.tree.map(lambda x: 2 * x, params))
  assert scored == [3, 3, 2]


def test_other_tasks_may_follow_with_settings_of_their_own(
  evaluate, suite, scored
):
  evaluate(suite)
  task = RankingTask(make_queries(2, seed=9))
  settings = suite.settings | {'decoding': {'max_new_tokens': 64}}
  others = suite_lib.Suite({'more': {'more_subj': task}}, settings)
  summary = evaluate(others)
  assert set(summary.mixtures) == {*suite.mixtures, 'more'}
  assert summary.settings['decoding'] == {'max_new_tokens': 64}
  assert evaluate(suite) == summary
  assert not scored
  otherwise = suite_lib.Suite(others.mixtures, settings | {'separator': 'none'})
  assert set(evaluate(otherwise).mixtures) == {'more'}


def test_a_task_that_is_asked_alone_leaves_the_others(evaluate, suite, scored):
  whole = evaluate(suite)
  mixture = 'icl_symbol_instructed'
  [(name, task), _] = suite.mixtures[mixture].items()
  one = suite_lib.Suite({mixture: {name: task}}, suite.settings)
  assert evaluate(one) == whole
  assert not scored


@pytest.fixture
def register():
  """Registers a mixture of given tasks, in place of one of its name."""
  name = 'mixture_of_an_evaluation'

  def call(*tasks):
    if name in seqio.MixtureRegistry.names():
      seqio.MixtureRegistry.remove(name)
    if tasks:
      seqio.MixtureRegistry.add(name, tasks, default_rate=1.0)
    return name

  yield call
  call()


@pytest.mark.parametrize('is_registered', [True, False])
def test_a_task_taken_out_of_its_mixture_leaves_its_average(
  evaluate, suite, register, scored, tmp_path, is_registered
):
  (tasks,) = list(suite.mixtures.values())[1:]
  (first, *_) = tasks
  mixture = register(*tasks if is_registered else ())
  before = evaluate(suite_lib.Suite({mixture: tasks}))
  mixture = register(*[first] if is_registered else ())
  after = evaluate(suite_lib.Suite({mixture: {first: tasks[first]}}))
  assert not scored
  kept = before.mixtures[mixture].tasks[first]
  assert after.mixtures[mixture] == results.mixture_result(
    mixture, {first: kept}
  )
  assert results.read_summary(tmp_path) == after


def test_an_empty_task_is_named():
  with pytest.raises(ValueError, match='task icl_flipped_subj of'):
    suite_lib.Suite({'icl_flipped': {'icl_flipped_subj': RankingTask([])}})
