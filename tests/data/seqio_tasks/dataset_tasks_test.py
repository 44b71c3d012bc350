"""Who opens the tasks of datasets, and what is left of them."""

import pytest
import seqio

from symbol_tuning.data.seqio_tasks import mixing

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
