"""Tests of reading and counting prompts."""

import numpy as np
import pytest

from symbol_tuning.data.seqio_tasks import mixing
from symbol_tuning.inspection import samples

LENGTHS = {'inputs': 1000, 'targets': 20}


def draw(name, lengths=None, most=1000):
  return samples.draw(
    mixing.get_mixture_or_task(name), lengths or LENGTHS, most
  )


def test_a_tuning_task_is_counted(use_data):
  use_data()
  sample = draw('symbol_tuning_tes')
  counted = sample.statistics
  assert counted.num_prompts == len(sample.prompts) == 36
  assert counted.class_counts == {'negative': 12, 'neutral': 12, 'positive': 12}
  assert counted.num_dropped == counted.num_shortened == 0
  assert 2 * 3 * 36 < counted.num_exemplars < 3 * 3 * 36
  in_text = sum(prompt.written.count('\n\n') for prompt in sample.prompts)
  assert counted.num_exemplars == in_text
  assert 0 < counted.input_lengths.max() <= LENGTHS['inputs']
  assert len(counted.target_lengths) == 36
  assert 3 * 36 * 0.9 < len(counted.labels) <= 3 * 36


def test_lengths_are_those_of_the_tokens(use_data):
  use_data()
  sample = draw('symbol_tuning_sst2')
  for prompt, length in zip(
    sample.prompts, sample.statistics.input_lengths, strict=True
  ):
    assert length == len(prompt.written.encode()) + 1  # EOS


def test_dropped_exemplars_and_queries_are_counted(use_data):
  use_data()
  shortened = draw('symbol_tuning_trec', {'inputs': 150, 'targets': 20})
  counted = shortened.statistics
  assert counted.num_prompts == counted.num_shortened == 72
  assert all(p.num_exemplars < p.num_drawn for p in shortened.prompts)
  dropped = draw('symbol_tuning_trec', {'inputs': 31, 'targets': 20})
  assert 0 < dropped.statistics.num_prompts < 72
  total = dropped.statistics.num_prompts + dropped.statistics.num_dropped
  assert total == 72


@pytest.mark.parametrize('most', [5, 16, 24])
def test_a_part_is_read_where_that_is_enough(use_data, most):
  use_data()
  num_prompts = draw('symbol_tuning_sst2', most=most).statistics.num_prompts
  assert most / 2 < num_prompts <= most


def test_options_of_a_query_are_one_prompt(use_data):
  use_data(evaluation_queries=6)
  sample = draw('icl_natural_instructed_tefe')
  assert len(sample.prompts) == 6
  names = ('none', 'against', 'favor')
  for prompt in sample.prompts:
    assert prompt.answers == tuple(f' {name}' for name in names)
    assert prompt.correct == prompt.label
    assert prompt.num_exemplars == 12
  assert sample.statistics.labels == set(names)
  assert len(sample.statistics.target_lengths) == 6 * 3


def test_text_tasks_have_no_classes(use_data):
  use_data()
  sample = draw('turing_concepts_at_most_3', {}, most=4)
  assert len(sample.prompts) == 4
  assert sample.statistics.class_counts == {}
  assert sample.prompts[0].num_exemplars > 0


def test_documents_have_targets_only(use_data):
  use_data()
  sample = draw('tiny_pretraining', {}, most=3)
  assert sample.statistics.num_prompts == 3
  assert not sample.statistics.input_lengths.any()
  assert sample.statistics.target_lengths.all()
  assert sample.statistics.labels == frozenset()


def test_no_prompts_have_statistics():
  counted = samples.Statistics.of([], num_dropped=3, class_names=('a', 'b'))
  assert counted.class_counts == {'a': 0, 'b': 0}
  assert len(counted.input_lengths) == counted.num_prompts == 0
  assert isinstance(counted.target_lengths, np.ndarray)


def test_queries_dropped_earlier_are_not_counted_again(use_data):
  use_data()
  draw('symbol_tuning_sst2', {'inputs': 5, 'targets': 20})
  assert draw('symbol_tuning_sst2').statistics.num_dropped == 0
