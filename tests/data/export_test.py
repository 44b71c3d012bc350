"""Tests of mixtures as JSON lines."""

import gzip
import json

import pytest
import seqio

from symbol_tuning import tasks
from symbol_tuning.data import export
from symbol_tuning.data.seqio_tasks import mixing

assert tasks  # They are registered.

seqio.MixtureRegistry.add(
  'export_pair', [('symbol_tuning_sst2', 1.0), ('symbol_tuning_trec', 1.0)]
)


@pytest.fixture
def write(use_data, tmp_path):
  """A function: exports a mixture and returns the lines."""
  use_data(evaluation_queries=3)

  def run(name, file='lines.jsonl', **changes):
    path = tmp_path / 'new' / file
    count = export.export_mixture(name, str(path), **changes)
    open_file = gzip.open if path.suffix == '.gz' else open
    with open_file(path, 'rt', encoding='utf-8') as file:
      lines = [json.loads(line) for line in file]
    assert count == len(lines)
    assert not list(path.parent.glob('.*'))
    return lines

  return run


def test_tuning_prompts_say_where_they_come_from(write):
  lines = write('export_pair', num_examples=20, seed=7)
  assert len(lines) == 20
  assert {line['task'] for line in lines} == {
    'symbol_tuning_sst2', 'symbol_tuning_trec'
  }  # fmt: skip
  for line in lines:
    dataset = line['task'].removeprefix('symbol_tuning_')
    assert line['dataset'] == dataset and line['seed'] == 7
    assert f'{dataset} train' in line['prompt']
    assert f'{line["target"]}\n\n' in line['prompt']
    assert line['target'].startswith(' ')
    spec = mixing.get_mixture_or_task(line['task']).source.spec
    assert line['natural_label'] == spec.labels[line['label']]


def test_evaluation_prompts_have_their_options(write):
  lines = write('icl_natural_instructed_tefe')
  spec = mixing.get_mixture_or_task('icl_natural_instructed_tefe').source.spec
  assert len(lines) == 3
  for line in lines:
    assert line['prompt'].startswith(f'{spec.instruction}\n')
    assert line['options'] == [f' {label}' for label in spec.labels]
    assert line['target'] == line['options'][line['label']]
    assert line['natural_label'] == line['target'].strip()
    assert f'tefe validation {line["query_index"]}\n' in line['prompt']
    assert (line['task'], line['dataset']) == (
      'icl_natural_instructed_tefe', 'tefe'
    )  # fmt: skip


def test_generated_answers_have_no_options(write):
  lines = write('turing_concepts_at_most_3', num_examples=4)
  assert len(lines) == 4
  for line in lines:
    assert line['target'].strip() == line['answers'][0]
    assert line['prompt'].endswith((':', '=', '>')) and 'options' not in line
    assert line['origin'] and 'dataset' not in line


def test_prompts_are_fitted_into_lengths(write):
  lengths = {'inputs': 120, 'targets': 20}
  lines = write(
    'symbol_tuning_trec', num_examples=6, task_feature_lengths=lengths
  )
  assert max(len(line['prompt'].encode()) for line in lines) < 120


def test_lengths_into_which_nothing_fits_leave_no_file(write, tmp_path):
  lengths = {'inputs': 8, 'targets': 20}
  name = 'icl_symbol_uninstructed_subj'
  with pytest.raises(ValueError, match=r'No query of .* fits into'):
    write(name, task_feature_lengths=lengths)
  assert not list((tmp_path / 'new').iterdir())


def test_the_path_says_whether_to_compress(write):
  plain = write('symbol_tuning_sst2', num_examples=5)
  assert write('symbol_tuning_sst2', 'lines.jsonl.gz', num_examples=5) == plain


def test_an_endless_mixture_needs_a_limit(write):
  with pytest.raises(ValueError, match='set NUM_EXAMPLES'):
    write('symbol_tuning_sst2')


def test_a_failed_export_leaves_nothing(write, tmp_path, monkeypatch):
  def fail(*unused, **unused_options):
    raise OSError('No space left on device')

  monkeypatch.setattr(export.json, 'dumps', fail)
  with pytest.raises(OSError, match='No space'):
    write('symbol_tuning_sst2', num_examples=5)
  assert not list((tmp_path / 'new').iterdir())
