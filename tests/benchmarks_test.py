"""Every benchmark, from beginning to end, with little to measure.

No speed is asserted: each is to end well and to fill in its table.
"""

import json
import pathlib
import re

import made_findings
import processes
import pytest
import tiny_checkpoint

from symbol_tuning.compilation import findings
from symbol_tuning.data.datasets import catalog, synthetic

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'
ONE_ROUND = '--rounds=1'
# Each needs what tests do not have: T5X, and another Python with lm-eval.
ELSEWHERE = {'t5x_step.py', 'scoring_lm_eval.py'}


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
  """A folder of datasets with the hub's columns."""
  root = tmp_path_factory.mktemp('data')
  for name in ('sst2', 'subj', 'teab'):
    spec = catalog.get(name)
    folder = root / spec.local
    folder.mkdir()
    for split in ('train', 'validation'):
      rows = synthetic.rows(spec, split, 300, seed=0)
      text = '\n'.join(json.dumps(row, default=int) for row in rows)
      (folder / f'{split}.jsonl').write_text(text)
  return root


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
  folder = tmp_path_factory.mktemp('model') / 'tiny'
  tiny_checkpoint.write(folder)
  return f'--checkpoint={folder}'


@pytest.fixture
def output(data_root, monkeypatch):
  """Runs a benchmark to its end; returns what it printed."""
  monkeypatch.setenv('SYMBOL_TUNING_DATA_ROOT', str(data_root))

  def run(name, *flags):
    done = processes.python(BENCHMARKS / name, *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout

  return run


def table(text):
  """The rows of the table in a text, each cell by the heading of its column."""
  lines = re.findall(r'^\| (.+) \|$', text, re.MULTILINE)
  header, _, *rows = [[x.strip() for x in line.split('|')] for line in lines]
  assert rows
  assert all(len(row) == len(header) for row in rows)
  return [dict(zip(header, row, strict=True)) for row in rows]


def number(cell):
  return float(cell.rstrip('%').replace(',', ''))


def names(rows):
  return [next(iter(row.values())) for row in rows]


def test_every_benchmark_is_run():
  text = pathlib.Path(__file__).read_text()
  present = {path.name for path in BENCHMARKS.glob('*.py')}
  assert present == set(re.findall(r"'(\w+\.py)'", text))


def test_packing(output):
  rows = table(output('packing.py', '--examples=200', '--row_length=512'))
  assert names(rows) == [*(f'ours, {n} bins' for n in (16, 64, 256)), 'SeqIO']
  assert all(0 < number(row['not padding']) <= 100 for row in rows)


def test_prompts(output):
  rows = table(output('prompts.py', ONE_ROUND, '--seconds=0.1'))
  assert names(rows) == ['SentencePiece', 'BPE']
  assert all(number(row['SeqIO, prompts/s']) > 0 for row in rows)


def test_training_step(output, checkpoint):
  contenders = '--contenders=ours, full;ours, minimal'
  rows = table(output('training_step.py', checkpoint, ONE_ROUND, contenders))
  assert sorted(names(rows)) == ['ours, full', 'ours, minimal']
  assert all(number(row['useful tokens/s']) > 0 for row in rows)


def test_step_profile(output, checkpoint):
  rows = table(output('step_profile.py', checkpoint, '--steps=1'))
  assert sum(number(row['share']) for row in rows) == pytest.approx(100, abs=2)
  assert {f'MLP: {way}' for way in ('forward', 'recomputed', 'backward')} < set(
    names(rows)
  )


def test_start_up(output, checkpoint):
  rows = table(output('start_up.py', checkpoint, ONE_ROUND))
  assert names(rows) == [
    f'{model}, {time} time'
    for model in ('quickstart', 'open model')
    for time in ('first', 'second')
  ]
  for row in rows:
    _, *phases, together = row.values()
    assert sum(map(number, phases)) == pytest.approx(number(together), abs=0.5)


def test_scoring(output, checkpoint):
  """Tasks of two and of three classes, by both of our ways."""
  rows = table(output('scoring.py', checkpoint, ONE_ROUND, '--queries=2'))
  assert len(rows) == 4
  for row in rows:
    assert float(row['largest difference (nats)']) < 1e-3
    assert row['same choices'] == '100%'


def test_loss_positions(output):
  rows = table(
    output(
      'loss_positions.py',
      *('--models=smollm2_135m', '--rows=2', '--length=32', '--positions=4'),
      '--devices=2',
    )
  )
  all_at_once, _, gathered = (number(row['TFLOPs of the step']) for row in rows)
  assert gathered <= all_at_once


def test_loading(output):
  rows = table(output('loading.py', '--layers=2', '--processes=2'))
  assert names(rows) == ['its ranges', 'whole tensors']
  assert all(row['kept, of the file'] == '0.50' for row in rows)


def test_cache_reading(output):
  text = output('cache_reading.py', ONE_ROUND, '--batches=2')
  assert re.search(r'reading +[\d.]+ M tokens/s', text)


def test_cache_in_bucket(output):
  text = output('cache_in_bucket.py', '--rows=32', '--read=4', '--latency_ms=1')
  assert re.search(r'[\d,]+ rows/s from the copy; +[\d,]+ rows/s row by', text)


def test_compilation(output, tmp_path):
  """What has been compiled is read, and is not compiled again."""
  for positions in (2560, 256, 64):
    folder = tmp_path / f'{positions}_of_2560'
    folder.mkdir()
    found = findings.to_json(made_findings.fitting())
    (folder / 'found.json').write_text(found)
  rows = table(output('compilation.py', 'loss', f'--output_dir={tmp_path}'))
  assert names(rows) == [f'{n} of 2560' for n in (2560, 256, 64)]
  assert all(number(row['HBM a device, GiB']) == 3 for row in rows)
