"""Tests of what prompts depend on: task, seed, epoch and query, no more."""

import collections

import pytest
import seqio

from symbol_tuning.data.seqio_tasks import dataset_tasks

LENGTHS = {'inputs': 600, 'targets': 20}


def prompts(
  name='symbol_tuning_sst2', shards=1, epochs=1, seed=0, shuffle=True
):
  """Returns the texts of prompts by query, in the order of their epochs."""
  found = collections.defaultdict(list)
  for index in range(shards):
    dataset = seqio.TaskRegistry.get('symbol_tuning_sst2').get_dataset(
      LENGTHS,
      'train',
      shuffle=True,
      seed=seed,
      num_epochs=epochs,
      shard_info=seqio.ShardInfo(index, shards) if shards > 1 else None,
    )
    for example in dataset.as_numpy_iterator():
      *_, query = example[dataset_tasks.ORIGIN].tolist()
      found[query].append(example['inputs_pretokenized'].decode())
  return dict(found)


@pytest.mark.parametrize('shards', [2, 3])
def test_prompts_do_not_depend_on_the_number_of_shards(use_data, shards):
  use_data()
  assert prompts(shards=shards, epochs=2) == prompts(epochs=2)


def test_seeds_and_epochs_draw_anew(use_data):
  use_data()
  once, twice, other = prompts(), prompts(epochs=2), prompts(seed=1)
  assert len(once) == 24
  for query, (prompt,) in once.items():
    assert twice[query][0] == prompt and twice[query][1] != prompt
    assert other[query] != [prompt]


def test_a_prompt_is_made_again_from_its_origin(use_data):
  use_data()
  task = seqio.TaskRegistry.get('symbol_tuning_trec')
  lengths = {'inputs': 150, 'targets': 20}
  maker = task.source.prompt_maker(lengths)
  dataset = task.get_dataset(lengths, 'train', seed=5, num_epochs=2)
  for example in dataset.take(150).as_numpy_iterator():
    seed, epoch, query = example[dataset_tasks.ORIGIN].tolist()
    (fitted,) = maker.make([query], seed, [epoch])
    assert fitted.text == example['inputs_pretokenized'].decode()
    assert fitted.inputs.tolist() == example['inputs'].tolist()
    answer = fitted.prompt.answer.text
    assert f' {answer}' == example['targets_pretokenized'].decode()


def test_evaluation_asks_the_same_whatever_the_seed(use_data):
  use_data(evaluation_queries=5)
  task = seqio.TaskRegistry.get('icl_symbol_uninstructed_subj')
  drawn = [
    [
      example['inputs_pretokenized']
      for example in task.get_dataset(
        LENGTHS, 'validation', shuffle=False, seed=seed
      ).as_numpy_iterator()
    ]
    for seed in (0, 1)
  ]
  assert drawn[0] == drawn[1] and len(drawn[0]) == 10
