"""Who opens the tasks of datasets, and what is left of them."""

import dataclasses

import pytest
import seqio

from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing

LENGTHS = {'inputs': 600, 'targets': 20}


def opened_as_t5x_does(name):
  converter = seqio.DecoderFeatureConverter(pack=True)
  return seqio.get_dataset(name, LENGTHS, converter, dataset_split='train')


@pytest.mark.parametrize('name', ['symbol_tuning_sst2', 'symbol_tuning'])
def test_loss_on_labels_is_refused_where_it_would_be_dropped(use_data, name):
  use_data(loss_on='labels')
  with pytest.raises(ValueError, match=r"DataSettings.loss_on is 'labels'"):
    opened_as_t5x_does(name)
  assert 'inputs_loss' in next(
    mixing.read(mixing.tuning_examples(name, LENGTHS, 0))
  )


def test_loss_on_the_query_is_opened_by_all(use_data):
  use_data()
  (row,) = opened_as_t5x_does('symbol_tuning_sst2').take(1)
  assert int(row['decoder_loss_weights'].numpy().sum()) > 0


SUBJ = catalog.get('subj')


def source_of(spec, setting='natural_instructed'):
  return dataset_tasks.evaluation_source(spec, icl_settings.get(setting))


@pytest.mark.parametrize(
  'change',
  [{'labels': ('news', 'opinion')}, {'instruction': 'Is this a fact?'}],
)
def test_rows_asked_in_another_way_are_other_rows(use_data, change):
  use_data()
  first, again = source_of(SUBJ), source_of(SUBJ)
  assert first.digest() == again.digest()
  changed = dataclasses.replace(SUBJ, **change)
  assert source_of(changed).digest() != first.digest()


def test_labels_that_a_vocabulary_cannot_tell_apart_are_refused(use_data):
  use_data(vocabulary=vocabularies.tiny())
  spec = dataclasses.replace(SUBJ, labels=('坏', '好'))
  maker = source_of(spec).prompt_maker({})
  with pytest.raises(ValueError, match=r"' (坏|好)' with the same tokens"):
    dataset_tasks.queries('some_task', maker, [0, 1])
