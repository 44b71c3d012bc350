"""Tests of reading and counting prompts."""

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
  assert len(sample.prompts) == 36
  assert sample.class_counts == {'negative': 12, 'neutral': 12, 'positive': 12}
  assert sample.num_dropped == sample.num_shortened == 0
  assert 2 * 3 * 36 < sample.num_exemplars < 3 * 3 * 36
  in_text = sum(prompt.query.text.count('\n\n') for prompt in sample.prompts)
  assert sample.num_exemplars == in_text
  assert 0 < sample.input_lengths.max() <= LENGTHS['inputs']
  assert len(sample.target_lengths) == 36
  assert 3 * 36 * 0.9 < len(sample.labels) <= 3 * 36


def test_lengths_are_those_of_the_tokens(use_data):
  use_data()
  sample = draw('symbol_tuning_sst2')
  for prompt, length in zip(sample.prompts, sample.input_lengths, strict=True):
    assert length == len(prompt.query.text.encode()) + 1  # EOS


def test_dropped_exemplars_and_queries_are_counted(use_data):
  use_data()
  shortened = draw('symbol_tuning_trec', {'inputs': 150, 'targets': 20})
  assert len(shortened.prompts) == shortened.num_shortened == 72
  assert all(p.num_exemplars < p.num_drawn for p in shortened.prompts)
  dropped = draw('symbol_tuning_trec', {'inputs': 90, 'targets': 20})
  assert 0 < len(dropped.prompts) < 72
  total = len(dropped.prompts) + dropped.num_dropped
  assert total == 72


@pytest.mark.parametrize('most', [5, 16, 24])
def test_a_part_is_read_where_that_is_enough(use_data, most):
  use_data()
  assert len(draw('symbol_tuning_sst2', most=most).prompts) == most


def test_options_of_a_query_are_one_prompt(use_data):
  use_data(evaluation_queries=6)
  sample = draw('icl_natural_instructed_tefe', {'inputs': 3000, 'targets': 20})
  assert len(sample.prompts) == 6
  names = ('none', 'against', 'favor')
  for prompt in sample.prompts:
    written = [option.text for option in prompt.query.options]
    assert written == [f' {name}' for name in names]
    assert prompt.query.label == prompt.label
    assert prompt.num_exemplars == 12
  assert sample.labels == set(names)
  assert len(sample.target_lengths) == 6 * 3


def test_text_tasks_have_no_classes(use_data):
  use_data()
  sample = draw('turing_concepts_at_most_3', {}, most=4)
  assert len(sample.prompts) == 4
  assert sample.class_counts == {}
  assert sample.prompts[0].num_exemplars > 0


def test_documents_have_targets_only(use_data):
  use_data()
  sample = draw('tiny_pretraining', {}, most=3)
  assert len(sample.prompts) == 3
  assert not sample.input_lengths.any()
  assert sample.target_lengths.all()
  assert sample.labels == frozenset()


def test_no_prompts_are_counted_too():
  sample = samples.Sample('task', (), num_dropped=3, class_names=('a', 'b'))
  assert sample.class_counts == {'a': 0, 'b': 0}
  assert len(sample.input_lengths) == len(sample.target_lengths) == 0
