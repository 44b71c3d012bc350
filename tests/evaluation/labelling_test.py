"""Labels rows that have none, from files to files."""

import csv
import dataclasses
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny_run

from symbol_tuning import files
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.datasets.spec import DatasetSpec
from symbol_tuning.evaluation import (
  labelled_file,
  labelling,
  layout,
  unlabelled,
)
from symbol_tuning.evaluation.ranking import scoring
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native
from symbol_tuning.training import partitioning

SPEC = DatasetSpec(
  name='visits',
  template='{place}',
  labels=('dull', 'lovely'),
  instruction='What was the visit like?',
  label_column='verdict',
)
LABELLED = [
  {'place': f'{word} {place}', 'verdict': verdict}
  for word, verdict in (('grey', 'dull'), ('sunny', 'lovely'))
  for place in ('beach', 'park', 'lake', 'street', 'garden')
]
PLACES = ['a grey hill', 'a sunny hill', 'the sea', ' ', 'the sea']
LENGTHS = {'inputs': 400, 'targets': 40}


@pytest.fixture(scope='module')
def checkpoint(byte_model, byte_params, tmp_path_factory):
  folder = tmp_path_factory.mktemp('run') / 'checkpoints' / '7'
  native.save(byte_params, byte_model.config, folder)
  return str(folder)


@pytest.fixture
def label(byte_model, checkpoint, use_data, tmp_path):
  """Labels PLACES; returns the lines of the output."""
  use_data(evaluation_exemplars=2)
  write_lines(tmp_path / 'labelled.jsonl', LABELLED)
  rows = [{'id': f'p{i}', 'place': place} for i, place in enumerate(PLACES)]
  write_lines(tmp_path / 'rows.jsonl', rows)

  def call(output='out.jsonl', checkpoint=checkpoint, **asked):
    if isinstance(output, str):
      output = tmp_path / output
    counts = labelling.label_rows(
      byte_model,
      checkpoint,
      questions(tmp_path, **asked),
      str(output),
      rows_per_part=2,
      partitioner=partitioning.Partitioner(),
      budget=layout.Budget(num_row_lengths=1),
    )
    lines = read_lines(output)
    assert sum(counts.values()) == len(lines)
    return lines

  return call


def questions(folder, **changes):
  asked = unlabelled.RowQuestions(
    dataset=SPEC,
    input_path=str(folder / 'rows.jsonl'),
    exemplars_path=str(folder / 'labelled.jsonl'),
    setting='natural_instructed',
    task_feature_lengths=LENGTHS,
  )
  return dataclasses.replace(asked, **changes)


def write_lines(path, rows):
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))


def read_lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_has_its_line_in_order(label):
  lines = label(keep_columns=('id',))
  assert [line['row'] for line in lines] == [1, 2, 3, 4, 5]
  assert [line['id'] for line in lines] == ['p0', 'p1', 'p2', 'p3', 'p4']
  assert [line['text'] for line in lines] == [one.strip() for one in PLACES]
  empty = lines.pop(3)
  assert empty['label'] is None and empty['reason'] == 'the row has no text'
  assert 'probabilities' not in empty
  for line in lines:
    assert line.keys() == {'row', 'id', 'text', 'label', 'probabilities'}
    probabilities = line['probabilities']
    assert probabilities.keys() == {'dull', 'lovely'}
    assert sum(probabilities.values()) == pytest.approx(1)
    assert line['label'] == max(probabilities, key=probabilities.get)


def test_probabilities_are_those_of_the_options_of_the_prompt(
  label, byte_model, byte_params, tmp_path
):
  lines = label()
  asker = questions(tmp_path).load()
  (query,) = asker.ask(asker.rows[:1])
  assert query.text.startswith('What was the visit like?\n')
  assert query.text.count('\n\n') == 4
  assert 'a grey hill' in query.text.split('\n\n')[-1]
  scores = [
    log_likelihood(byte_model, byte_params, query.tokens, option.tokens)
    for option in query.options
  ]
  odds = np.exp(scores) / np.exp(scores).sum()
  names = [SPEC.labels[option.label] for option in query.prompt.options]
  assert lines[0]['probabilities'] == pytest.approx(
    dict(zip(names, odds, strict=True)), abs=1e-5
  )


def log_likelihood(model, params, prompt, target):
  """The sum over a target's tokens, by a pass of its own."""
  tokens = np.concatenate([prompt, target])
  logits = model.apply({'params': params}, tokens[None, :-1])
  log_p = jax.nn.log_softmax(logits[0])
  steps = np.arange(len(prompt) - 1, len(tokens) - 1)
  return float(log_p[steps, tokens[1:][steps]].sum())


def test_symbols_stand_for_the_labels_and_are_told(label, tmp_path):
  lines = label(setting='symbol_uninstructed')
  for line in lines[:3]:
    symbols = line['symbols']
    assert symbols.keys() == line['probabilities'].keys() == {'dull', 'lovely'}
    assert len(set(symbols.values())) == 2
  asker = questions(tmp_path, setting='symbol_uninstructed').load()
  (query,) = asker.ask(asker.rows[:1])
  assert 'visit like' not in query.text
  for exemplar in query.prompt.exemplars:
    symbol = lines[0]['symbols'][SPEC.labels[exemplar.label]]
    assert f'{exemplar.text}{query.prompt.format.infix} {symbol}' in query.text


def test_a_stopped_job_goes_on_with_the_first_missing_part(
  label, tmp_path, monkeypatch
):
  whole = label('whole.jsonl')
  log_likelihoods, calls = scoring.log_likelihoods, []

  def fail_at_second(*args):
    calls.append(args)
    if len(calls) == 2:
      raise KeyboardInterrupt
    return log_likelihoods(*args)

  monkeypatch.setattr(scoring, 'log_likelihoods', fail_at_second)
  with pytest.raises(KeyboardInterrupt):
    label()
  assert not (tmp_path / 'out.jsonl').exists()
  folder = tmp_path / 'out.jsonl.parts'
  (part,) = folder.glob('*.jsonl')
  assert part.name.startswith('000000.')
  assert label() == whole
  assert len(calls) == 4
  assert not (tmp_path / 'out.jsonl.parts').exists()
  assert label() == whole
  assert len(calls) == 4


def test_a_damaged_part_is_labelled_again(label, tmp_path, monkeypatch, capsys):
  whole = label('whole.jsonl')
  monkeypatch.setattr(labelled_file.Output, 'finish', lambda *_: {})
  with pytest.raises(FileNotFoundError):
    label()
  monkeypatch.undo()
  (part, *_) = sorted((tmp_path / 'out.jsonl.parts').glob('*.jsonl'))
  part.write_text(part.read_text().replace('lovely', 'lovelx'))
  assert label() == whole
  assert f'{part} is not what was written: labelled' in capsys.readouterr().out


def test_a_part_that_is_gone_at_the_end_is_named(label, monkeypatch):
  monkeypatch.setattr(labelled_file.Output, 'finished', lambda _, n: [True] * n)
  with pytest.raises(ValueError, match=r'out\.jsonl\.parts lacks part 0'):
    label()
  monkeypatch.undo()
  assert len(label()) == 5


def test_a_damaged_output_is_refused(label, tmp_path):
  label()
  path = tmp_path / 'out.jsonl'
  path.write_text(path.read_text().replace('lovely', 'lovelx'))
  with pytest.raises(ValueError, match=r'out\.jsonl is not what was written'):
    label()


def test_rows_and_labels_may_be_in_a_bucket(label, bucket, tmp_path):
  expected = label('local.jsonl')
  for name in ('rows.jsonl', 'labelled.jsonl'):
    (bucket / name).write_text((tmp_path / name).read_text())
  asked = {
    'input_path': str(bucket / 'rows.jsonl'),
    'exemplars_path': str(bucket / 'labelled.jsonl'),
  }
  output = bucket / 'out.jsonl'
  assert label(output, **asked) == expected
  assert label(output, **asked) == expected
  assert {path.name for path in bucket.iterdir()} == {
    'rows.jsonl', 'labelled.jsonl', 'out.jsonl', 'out.jsonl.run.json',
  }  # fmt: skip


def test_two_jobs_do_not_write_one_output(label, tmp_path):
  with (
    files.only_writer(tmp_path / 'out.jsonl.parts', 'OUTPUT_PATH'),
    pytest.raises(BlockingIOError, match='OUTPUT_PATH'),
  ):
    label()
  assert len(label()) == 5


def test_a_dry_run_shows_the_first_prompt_and_writes_nothing(
  label, byte_model, checkpoint, tmp_path, capsys
):
  before = sorted(tmp_path.iterdir())
  labelling.dry_run(
    byte_model, checkpoint, questions(tmp_path), str(tmp_path / 'out.jsonl')
  )
  assert sorted(tmp_path.iterdir()) == before
  said = capsys.readouterr().out
  assert '5 rows of' in said and 'What was the visit like?\n' in said
  assert 'a grey hill' in said


def test_an_output_of_something_else_is_not_added_to(label, tmp_path):
  label()
  with pytest.raises(ValueError, match=r'begun with other seed, see .*json'):
    label(seed=1)
  write_lines(tmp_path / 'rows.jsonl', [{'place': 'the moon'}])
  with pytest.raises(ValueError, match=r'begun with other input, see'):
    label()
  (tmp_path / 'mine.jsonl').write_text('')
  with pytest.raises(FileExistsError, match=r'mine\.jsonl is there already'):
    label('mine.jsonl')
  assert (tmp_path / 'mine.jsonl').read_text() == ''


def test_the_output_says_what_made_it(label, checkpoint, tmp_path):
  label()
  run = json.loads((tmp_path / 'out.jsonl.run.json').read_text())
  assert run['checkpoint']['path'] == checkpoint
  assert run['checkpoint']['step'] == 7
  assert run['dataset']['labels'] == ['dull', 'lovely']
  assert run['input']['rows'] == 5
  assert run['exemplars_per_class'] == [2, 2]


def test_rows_and_exemplars_may_be_csv_and_the_training_split(label, tmp_path):
  with (tmp_path / 'rows.csv').open('w', newline='') as file:
    writer = csv.writer(file)
    writer.writerows([['sentence', 'n'], ['a film', '1'], ['a, film', '2']])
  lines = label(
    dataset='sst2',
    input_path=str(tmp_path / 'rows.csv'),
    exemplars_path=None,
    keep_columns=('n',),
  )
  assert [line['text'] for line in lines] == ['a film', 'a, film']
  assert [line['n'] for line in lines] == ['1', '2']
  assert lines[0]['probabilities'].keys() == {'negative', 'positive'}


def test_rows_that_cannot_be_asked_about_say_why(label, tmp_path):
  rows = [{'place': 'sea ' * 150}, {'place': 'x'}]
  write_lines(tmp_path / 'rows.jsonl', rows)
  long, short = label()
  assert long['label'] is None and 'more than the 400 tokens' in long['reason']
  assert short['label'] in SPEC.labels


def test_exemplars_are_dropped_but_every_class_is_shown(label, tmp_path):
  rows = [{'place': f'sea {i}'} for i in range(20)]
  write_lines(tmp_path / 'rows.jsonl', rows)
  lengths = {'inputs': 210, 'targets': 40}
  assert all(line['label'] for line in label(task_feature_lengths=lengths))
  asker = questions(tmp_path, task_feature_lengths=lengths).load()
  shown = [query.prompt.exemplars for query in asker.ask(asker.rows)]
  assert {len(exemplars) for exemplars in shown} <= {2, 3}
  assert all({one.label for one in exemplars} == {0, 1} for exemplars in shown)


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    ({'place': None}, r'rows\.jsonl:2: no value in column place'),
    ({'spot': 'x'}, r'rows\.jsonl:2: no value in column place; .* has spot'),
    ({'place': ['x']}, r'rows\.jsonl:2: place is .* a list'),
    ({'place': 'x'}, r'rows\.jsonl:2: there is no column id to keep'),
  ],
)
def test_a_bad_row_is_named_before_anything_is_computed(
  label, tmp_path, row, message, monkeypatch
):
  monkeypatch.setattr(parameters, 'load_params', None)
  write_lines(tmp_path / 'rows.jsonl', [{'id': 1, 'place': 'x'}, row])
  with pytest.raises(ValueError, match=message):
    label(keep_columns=('id',))


def test_what_cannot_be_asked_is_refused(label, tmp_path):
  with pytest.raises(ValueError, match=r"'sst' is registered\. Did .* sst2"):
    label(dataset='sst')
  with pytest.raises(ValueError, match='no ICL setting'):
    label(setting='odd')
  with pytest.raises(ValueError, match='flipped is for 2 classes; agn has 4'):
    label(dataset='agn', setting='flipped')
  with pytest.raises(FileNotFoundError, match=r'no\.csv .*rows\.jsonl'):
    label(input_path=str(tmp_path / 'no.csv'))
  with pytest.raises(ValueError, match='keep_columns has label'):
    label(keep_columns=('label',))
  with pytest.raises(FileNotFoundError, match='No checkpoint'):
    label(checkpoint='nowhere')
  (tmp_path / 'rows.jsonl').write_text('')
  with pytest.raises(ValueError, match='has no rows'):
    label()


def test_registered_datasets_are_found_by_name():
  assert unlabelled.find_dataset('rte') is catalog.get('rte')
  assert unlabelled.find_dataset(SPEC) is SPEC


def test_the_program_labels_a_file(tmp_path):
  """From the command line to the output, on the tiny model."""
  tiny_run.save(tmp_path / 'run')
  (tmp_path / 'visits.py').write_text(
    'from symbol_tuning import tasks\n'
    'from symbol_tuning.data.spec import DatasetSpec\n'
    f'tasks.register({SPEC!r})\n'
  )
  write_lines(tmp_path / 'labelled.jsonl', LABELLED)
  write_lines(tmp_path / 'rows.jsonl', [{'place': place} for place in PLACES])
  command = [
    sys.executable, '-m', 'symbol_tuning.infer', '--module_import=visits',
    '--gin_file=models/tiny.gin', '--gin_file=runs/infer.gin',
    "--gin.CHECKPOINT_PATH='run'", "--gin.DATASET='visits'",
    "--gin.INPUT_PATH='rows.jsonl'", "--gin.OUTPUT_PATH='out.jsonl'",
    "--gin.EXEMPLARS_PATH='labelled.jsonl'",
    "--gin.ICL_SETTING='symbol_uninstructed'",
    "--gin.TASK_FEATURE_LENGTHS={'inputs': 512, 'targets': 16}",
  ]  # fmt: skip
  done = subprocess.run(
    command, cwd=tmp_path, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  assert 'Labelled 5 rows: ' in done.stdout
  lines = read_lines(tmp_path / 'out.jsonl')
  assert [line['row'] for line in lines] == [1, 2, 3, 4, 5]
  assert all(line['label'] in SPEC.labels for line in lines if line['text'])
