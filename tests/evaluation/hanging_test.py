"""Evaluations and labellings that hang end; those that wait or work do not."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_run
from made_queries import make_queries

from symbol_tuning import watchdog
from symbol_tuning.evaluation import countdown, layout
from symbol_tuning.evaluation.checkpoint_queue import NewCheckpoints
from symbol_tuning.evaluation.generation import generating
from symbol_tuning.evaluation.generation.decoding import Decoding, End
from symbol_tuning.evaluation.ranking import rows, scoring
from symbol_tuning.evaluation.ranking.branches import Branches

OWN_TASK = """
import threading

from symbol_tuning.data.seqio_tasks import text_tasks
from symbol_tuning.evaluation.generation import exact_match


def wait_for_a_file_system(targets, predictions):
  threading.Event().wait()


text_tasks.add_text_task(
  'sums',
  lambda: [text_tasks.Question((), '1 + 1 = ', ('2',), 'sum')] * 4,
  metric_fns=(wait_for_a_file_system,),
  postprocess_fn=exact_match.first_line,
)
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A folder with a run of the tiny model, and a module with a task."""
  folder = tmp_path_factory.mktemp('hanging')
  tiny_run.save(folder / 'run')
  (folder / 'own_task.py').write_text(OWN_TASK)
  return folder


def ended(folder, program, seconds, *arguments):
  return subprocess.run(
    [
      sys.executable, '-m', f'symbol_tuning.{program}',
      '--gin_file=models/tiny.gin', f'--gin_file=runs/{program}.gin',
      "--gin.CHECKPOINT_PATH='run'", f'--gin.HANG_SECONDS={seconds}',
      "--gin.TASK_FEATURE_LENGTHS={'inputs': 64, 'targets': 16}",
      *arguments,
    ],
    cwd=folder,
    capture_output=True,
    text=True,
    timeout=200,
  )  # fmt: skip


def test_an_evaluation_that_hangs_says_where_and_ends(run):
  done = ended(
    run,
    'eval',
    15,
    '--module_import=own_task',
    "--gin.MIXTURE_OR_TASK_NAME='sums'",
    "--gin.EVAL_OUTPUT_DIR='results'",
  )
  assert done.returncode == watchdog.STATUS, done.stderr
  assert 'process 0 ' in done.stderr and 'nothing was finished' in done.stderr
  assert 'tokens of an evaluation. It ends with status 75' in done.stderr
  assert 'own_task.py", line 9 in wait_for_a_file_system' in done.stderr


def test_a_labelling_whose_rows_never_come_ends(run):
  os.mkfifo(run / 'rows.jsonl')
  done = ended(
    run,
    'infer',
    2,
    "--gin.DATASET='sst2'",
    "--gin.INPUT_PATH='rows.jsonl'",
    "--gin.OUTPUT_PATH='labels.jsonl'",
  )
  assert done.returncode == watchdog.STATUS, done.stderr
  assert 'since the start. It ends with status 75' in done.stderr
  assert 'row_files.py' in done.stderr
  assert not (run / 'labels.jsonl').exists()


@pytest.fixture
def barks(monkeypatch):
  """What the watchdog says instead of ending the process."""
  said = []

  def end_process(dog, silent):
    said.append(dog._what)
    time.sleep(1000)

  monkeypatch.setattr(watchdog.Watchdog, '_end_process', end_process)
  return said


def test_to_wait_for_a_checkpoint_is_not_to_hang(barks, tmp_path):
  queue = NewCheckpoints(str(tmp_path), timeout=3.0, poll_period=1.5)
  with watchdog.Watchdog(1.0):
    assert list(queue) == []
  assert not barks


def test_a_folder_of_checkpoints_that_never_answers_hangs(
  barks, monkeypatch, tmp_path
):
  queue = NewCheckpoints(str(tmp_path), timeout=0.4, poll_period=0.1)
  monkeypatch.setattr(
    NewCheckpoints, '_first_after', lambda *_: time.sleep(1.0) or -1
  )
  with watchdog.Watchdog(0.3):
    assert list(queue) == []
  assert barks == ['the start']


@pytest.fixture
def told(monkeypatch):
  """What the watchdog hears."""
  heard = []
  monkeypatch.setattr(
    watchdog, 'finished', lambda what, rest=0.0: heard.append(what)
  )
  return heard


def test_each_batch_of_rankings_is_told(model, params, told):
  queries = make_queries(12)
  plan = rows.plan(
    [Branches.of(query) for query in queries],
    layout.Budget(num_row_lengths=1, batch_tokens=64),
  )
  count = countdown.Countdown(0)
  scoring.log_likelihoods(model, params, queries, plan, count.advance)
  assert len(told) > 3
  assert told[-1] == f'{count.done:,.0f} tokens of an evaluation'


def test_each_block_of_written_tokens_is_told(model, params, told):
  prompts = [np.arange(2, 8, dtype=np.int32)] * 2
  written = generating.generate(
    model,
    params,
    prompts,
    generating.plan(prompts, 12, layout.Budget()),
    Decoding(max_new_tokens=12),
    End((), lambda ids: ''),
    block_size=4,
  )
  assert len(written) == 2
  assert told == ['a block of tokens'] * 4
