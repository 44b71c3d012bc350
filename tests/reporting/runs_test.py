"""Results are found, named and put in order."""

import pytest

from symbol_tuning.reporting import runs


@pytest.fixture
def tasks(fake):
  return {('icl_flipped', 'subj'): fake.predictions(60)}


def labels(*folders):
  return [run.label for run in runs.load_runs(folders)]


def test_runs_come_in_the_order_they_were_evaluated(fake, tasks):
  tuned = fake.write('a_tuned', tasks, order=1)
  original = fake.write('original', tasks, order=0)
  assert labels(fake.folder) == ['original', 'a_tuned']
  assert labels(tuned, original) == ['a_tuned', 'original']


def test_checkpoints_that_were_evaluated_one_by_one_are_told(
  fake, tasks, caplog
):
  folders = [fake.write(name, tasks, order=0) for name in ('before', 'after')]
  assert labels(*folders) == ['before', 'after']
  assert not caplog.text
  assert labels(fake.folder) == ['after', 'before']
  assert 'evaluated one by one' in caplog.text


def test_equal_labels_are_told_apart_by_folders(fake, tasks):
  fake.write('seed0/eval/tuned', tasks, label='tuned')
  fake.write('seed1/eval/tuned', tasks, label='tuned')
  fake.write('seed1/eval/original', tasks, label='original')
  found = labels(fake.folder / 'seed0/eval', fake.folder / 'seed1/eval')
  assert sorted(found) == ['original', 'seed0/eval/tuned', 'seed1/eval/tuned']


def test_a_label_that_is_the_folder_of_another_is_told_apart(fake, tasks):
  for folder, label in (('a', 'x'), ('b', 'x'), ('c', 'b')):
    fake.write(folder, tasks, label=label)
  assert labels(fake.folder) == ['a', 'b', 'c']


def test_a_folder_given_twice_is_named(fake, tasks):
  folder = fake.write('tuned', tasks)
  with pytest.raises(ValueError, match='tuned is given twice'):
    runs.load_runs([folder, fake.folder])


def test_a_folder_without_results_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'empty holds no summary\.json'):
    runs.load_runs([tmp_path / 'empty'])


def test_an_unfinished_evaluation_is_named(fake, tasks):
  fake.write('a', tasks, unfinished=('icl_flipped_tc',))
  with pytest.raises(ValueError, match='lacks 1 tasks, icl_flipped_tc'):
    runs.load_runs([fake.folder])
