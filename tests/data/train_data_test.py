"""Tests of the way from mixtures to packed batches."""

import json

import jax
import numpy as np
import pytest
import seqio
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data import packing, positions, train_data
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.seqio_tasks import dataset_tasks, mixing
from symbol_tuning.data.shards import BatchShard
from symbol_tuning.tasks.mixtures import number_of_examples

LENGTHS = {'inputs': 600, 'targets': 20}
VOCABULARY = seqio.ByteVocabulary()
seqio.MixtureRegistry.add(
  'test_trio',
  ['symbol_tuning_sst2', 'symbol_tuning_rte', 'symbol_tuning_trec'],
  default_rate=number_of_examples,
)


def segments(batch):
  """Yields the arrays of each packed example of a batch."""
  for row in range(len(batch['decoder_segment_ids'])):
    ids = batch['decoder_segment_ids'][row]
    for segment in range(1, ids.max() + 1):
      yield {name: array[row][ids == segment] for name, array in batch.items()}


def open_data(name='symbol_tuning_sst2', **changes):
  chosen = {'batch_size': 2, 'num_packing_bins': 4}
  return train_data.TrainData(name, LENGTHS, **chosen | changes)


@given(
  st.lists(st.integers(1, 9), max_size=6),
  st.lists(st.integers(1, 9), min_size=2, max_size=4),
)
def test_decoder_features_predict_the_targets_only(inputs, targets):
  example = {'inputs': np.array(inputs, int), 'targets': np.array(targets)}
  features = packing.to_decoder_features(example)
  tokens = inputs + targets
  assert features['decoder_input_tokens'].tolist() == tokens[:-1]
  assert features['decoder_target_tokens'].tolist() == tokens[1:]
  weighted = features['decoder_target_tokens'][
    features['decoder_loss_weights'] == 1
  ]
  assert weighted.tolist() == (targets if inputs else targets[1:])


def test_batches_hold_whole_prompts(use_data):
  use_data()
  batch = next(open_data())
  assert {array.shape for array in batch.values()} == {
    (2, sum(LENGTHS.values()))
  }
  assert {array.dtype for array in batch.values()} == {np.dtype('int32')}
  found = list(segments(batch))
  assert len(found) > 2
  for segment in found:
    length = len(segment['decoder_positions'])
    assert segment['decoder_positions'].tolist() == list(range(length))
    text = VOCABULARY.decode(segment['decoder_input_tokens'].tolist())
    assert text.count('sst2 train') >= 5
    targets = segment['decoder_target_tokens']
    loss = segment['decoder_loss_weights'] == 1
    label = VOCABULARY.decode(targets[loss].tolist()).removesuffix('</s>')
    assert targets[loss][-1] == VOCABULARY.eos_id
    assert f'{label}\n\n' in text
    assert np.flatnonzero(loss).tolist() == list(
      range(length - loss.sum(), length)
    )


def test_loss_can_fall_on_every_label_whose_class_was_shown(use_data):
  use_data(loss_on='labels', symbol_tuning_exemplars=(2, 2))
  batch = next(open_data())
  for segment in segments(batch):
    targets = VOCABULARY.decode(
      segment['decoder_target_tokens'][
        segment['decoder_loss_weights'] == 1
      ].tolist()
    )
    text = VOCABULARY.decode(segment['decoder_input_tokens'].tolist())
    first, second, third = targets.removesuffix('</s>').split()
    assert {first, second} >= {third} and first != second
    assert all(text.count(f' {label}\n\n') == 2 for label in (first, second))


def test_rows_respect_the_budget_of_loss_positions(use_data):
  use_data()
  data = open_data(batch_size=8, loss_positions_per_row=20)
  per_row = next(data)['decoder_loss_weights'].sum(axis=1)
  assert 0 < per_row.max() <= 20
  with pytest.raises(ValueError, match='raise LOSS_POSITIONS_PER_ROW'):
    next(open_data(loss_positions_per_row=2))


def test_labels_beyond_the_budget_of_a_row_lose_their_loss(use_data, caplog):
  """The query's label, which is last, is the last that would."""
  use_data(loss_on='labels', symbol_tuning_exemplars=(2, 2))
  data = open_data(batch_size=8, loss_positions_per_row=16)
  limited = list(segments(next(data)))
  num_labels = set()
  for segment in limited:
    targets = segment['decoder_target_tokens']
    loss = segment['decoder_loss_weights'] == 1
    assert 0 < loss.sum() <= 16
    assert loss[-1] and targets[-1] == VOCABULARY.eos_id
    labels = VOCABULARY.decode(targets[loss].tolist())
    text = VOCABULARY.decode(segment['decoder_input_tokens'].tolist())
    *whole, query = labels.removesuffix('</s>').split()
    assert all(f' {label}\n\n' in text for label in [*whole, query])
    num_labels.add(1 + len(whole))
  assert {1, 3} <= num_labels


def test_the_length_of_an_unknown_feature_is_refused():
  lengths = {'input': 600, 'targets': 20}
  with pytest.raises(ValueError, match="not of 'input'"):
    train_data.TrainData('symbol_tuning_sst2', lengths, batch_size=2)


def test_the_same_seed_gives_the_same_batches(use_data):
  use_data()
  first, again, other = open_data(), open_data(), open_data(seed=1)
  one, same, different = next(first), next(again), next(other)
  name = 'decoder_input_tokens'
  assert (one[name] == same[name]).all()
  assert (one[name] != different[name]).any()


def test_going_on_from_a_state_gives_the_same_batches(use_data):
  use_data()
  data = open_data('test_trio')
  for _ in range(3):
    next(data)
  state = data.get_state()
  expected = [next(data) for _ in range(3)]
  resumed = open_data('test_trio')
  resumed.set_state(state)
  for batch in expected:
    np.testing.assert_equal(next(resumed), batch)


def test_a_position_in_other_data_is_an_error(use_data):
  use_data()
  with pytest.raises(ValueError, match='other data than a mixture'):
    open_data().set_state({'batches_read': 3})


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'batch_size': 4}, 'BATCH_SIZE was 2 .* 4:.*RESTART_DATA'),
    ({'seed': 7}, 'RANDOM_SEED was 0 .* 7:'),
    ({'settings': {'symbol_tuning_exemplars': (1, 1)}}, 'exemplars was'),
  ],
)
def test_a_position_in_other_examples_is_an_error(use_data, changes, message):
  use_data()
  state = json.loads(json.dumps(open_data().get_state()))
  use_data(**changes.pop('settings', {}))
  with pytest.raises(positions.OtherDataError, match=message):
    open_data(**changes).set_state(state)


def test_a_position_in_files_that_have_changed_is_an_error(use_data, tmp_path):
  rows = [{'sentence': f'film {i}', 'label': i % 2} for i in range(40)]
  words = {
    name: [f'{name}{chr(97 + i)}' for i in range(26)]
    for name in ('short', 'long')
  }

  def open_files(folder):
    """Writes the files into a folder, and reads them."""
    (tmp_path / folder / 'sst2').mkdir(parents=True)
    path = tmp_path / folder / 'sst2' / 'train.jsonl'
    path.write_text('\n'.join(map(json.dumps, rows)))
    for name, listed in words.items():
      (tmp_path / folder / name).write_text('\n'.join(listed))
    use_data(
      source=sources.LocalSource(str(tmp_path / folder)),
      word_files=tuple(str(tmp_path / folder / name) for name in words),
    )
    return open_data()

  state = json.loads(json.dumps(open_files('first').get_state()))
  open_files('moved').set_state(state)
  rows[7]['sentence'] = 'another film'
  with pytest.raises(positions.OtherDataError, match='symbol_tuning_sst2 was'):
    open_files('changed').set_state(state)
  rows[7]['sentence'] = 'film 7'
  words['long'].pop()
  with pytest.raises(positions.OtherDataError, match=r'word_files\[1\] was'):
    open_files('with other words').set_state(state)
  del state['digests']  # as earlier versions saved it
  open_files('from an earlier version').set_state(state)


def test_a_position_before_a_dataset_was_there_is_an_error(use_data, tmp_path):
  def open_files():
    root = tmp_path / str(len(datasets))
    for name, column in datasets.items():
      (root / name).mkdir(parents=True)
      lines = (f'{{"{column}": "{i}", "label": {i % 2}}}' for i in range(40))
      (root / name / 'train.jsonl').write_text('\n'.join(lines))
    use_data(source=sources.LocalSource(str(root)), skip_missing=True)
    return open_data('symbol_tuning')

  datasets = {'sst2': 'sentence'}
  state = json.loads(json.dumps(open_files().get_state()))
  datasets['rotten_tomatoes'] = 'text'
  with pytest.raises(positions.OtherDataError, match='tuning_rt was None'):
    open_files().set_state(state)


def test_a_position_among_other_processes_is_an_error(use_data):
  use_data()
  data = open_data(shard=BatchShard(1, 2))
  with pytest.raises(ValueError, match='2 in the checkpoint and 1 in'):
    open_data().set_state(data.get_state())


def test_more_processes_than_examples_are_refused(use_data, monkeypatch):
  use_data()
  monkeypatch.setattr(jax, 'process_count', lambda: 25)
  with pytest.raises(ValueError, match=r'sst2 has 24 examples, .* 25 proc'):
    open_data(batch_size=25)


def test_unknown_names_get_near_ones():
  with pytest.raises(ValueError, match='Did you mean symbol_tuning'):
    mixing.get_mixture_or_task('symbol_tunning')


def test_missing_datasets_are_named_or_skipped(use_data):
  missing = ('rte',)
  use_data(missing=missing)
  with pytest.raises(FileNotFoundError, match='1 of 3 tasks have no data: rte'):
    open_data('test_trio')
  use_data(missing=missing, skip_missing=True)
  assert len(mixing.available_tasks('test_trio')) == 2
  assert next(open_data('test_trio'))


def test_evaluation_examples_come_option_by_option(use_data):
  use_data(evaluation_queries=5)
  examples = mixing.evaluation_examples('icl_symbol_uninstructed_tefe', {})
  assert len(examples) == 5 * 3
  for i, example in enumerate(examples):
    assert example['idx'].tolist() == [example['query_index'], i % 3]
    assert example['is_correct'] == (example['label'] == i % 3)
    prompt = VOCABULARY.decode(example['inputs'][:-1].tolist())
    assert prompt.encode() == example['inputs_pretokenized']
    assert prompt.count('\n\n') == 4 * 3
    assert example['inputs'][-1] == VOCABULARY.eos_id
    option = VOCABULARY.decode(example['targets'][:-1].tolist())
    assert prompt.count(f'{option}\n\n') == 4


def test_all_settings_ask_the_same_queries_with_the_same_exemplars(use_data):
  use_data(evaluation_queries=4)
  seen = set()
  for setting in ('natural_instructed', 'symbol_uninstructed', 'flipped'):
    examples = mixing.evaluation_examples(f'icl_{setting}_subj', {})
    texts = [e['inputs_pretokenized'].decode() for e in examples]
    seen.add(tuple(word for t in texts for word in t.split() if word.isdigit()
                   and len(word) < 4))  # fmt: skip
  assert len(seen) == 1


def test_the_separator_is_a_choice(use_data):
  use_data(separator='none', evaluation_queries=2)
  example = mixing.evaluation_examples('icl_natural_instructed_or', {})[0]
  assert VOCABULARY.eos_id not in example['inputs']
  assert example['targets'][-1] == VOCABULARY.eos_id


def test_queries_too_long_for_the_model_are_dropped_and_counted(use_data):
  use_data()
  name = 'symbol_tuning_trec'
  dataset_tasks.dropped_queries.clear()
  dataset = mixing.get_mixture_or_task(name).get_dataset(
    {'inputs': 90, 'targets': 20}, 'train', shuffle=False
  )
  kept = len(list(dataset))
  assert 0 < kept < 72
  assert dataset_tasks.dropped_queries[name] == 72 - kept


@pytest.mark.parametrize(
  'lengths', [{'inputs': 3, 'targets': 20}, {'inputs': 200, 'targets': 1}]
)
def test_a_training_that_no_prompt_fits_does_not_wait_for_one(
  use_data, lengths
):
  use_data()
  examples = mixing.tuning_examples('symbol_tuning_sst2', lengths, seed=0)
  with pytest.raises(ValueError, match=r'^symbol_tuning_sst2: none of .* fits'):
    next(mixing.read(examples))


def test_label_options_are_never_cut(use_data):
  use_data()
  with pytest.raises(ValueError, match='icl_natural_instructed_or: the label'):
    mixing.evaluation_examples(
      'icl_natural_instructed_or', {'inputs': 2000, 'targets': 4}
    )
