"""Tests of what prompts depend on: task, seed, epoch and query, no more."""

import collections
import dataclasses
import itertools
import tracemalloc

import pytest
import seqio

from symbol_tuning.data import settings
from symbol_tuning.data.datasets import catalog, sources
from symbol_tuning.data.seqio_tasks import dataset_tasks

LENGTHS = {'inputs': 600, 'targets': 20}


def prompts(shards=1, epochs=1, seed=0):
  """Returns the texts of prompts by query, in the order of their epochs."""
  found = collections.defaultdict(list)
  for index in range(shards):
    dataset = seqio.TaskRegistry.get('symbol_tuning_sst2').get_dataset(
      LENGTHS,
      'train',
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


class WithGiants:
  """The rows of another source, with six of 200 kB among them."""

  def __init__(self, source):
    self.source = source

  def missing(self, spec, split):
    return self.source.missing(spec, split)

  def load(self, spec, split):
    pool = self.source.load(spec, split)
    texts = [
      f'{text} {"very " * 40_000}' if i % 4 == 0 else text
      for i, text in enumerate(pool.texts)
    ]
    return sources.Pool(tuple(texts), pool.labels, pool.num_classes)


def test_texts_far_too_long_cost_little_and_are_counted_and_said(
  use_data, capsys
):
  use_data()
  use_data(source=WithGiants(settings.current().source))
  name = 'symbol_tuning_sst2'
  dataset_tasks.dropped_queries.clear()
  tracemalloc.start()
  found = prompts()
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 50e6
  assert len(found) == 24 - 6
  assert 'very very' not in ''.join(itertools.chain(*found.values()))
  assert dataset_tasks.dropped_queries[name] == 6
  assert 'sst2: 6 of 24 rows are longer' in capsys.readouterr().err


def test_seeds_and_epochs_draw_anew(use_data):
  use_data()
  once, twice, other = prompts(), prompts(epochs=2), prompts(seed=1)
  assert len(once) == 24
  for query, (prompt,) in once.items():
    assert twice[query][0] == prompt and twice[query][1] != prompt
    assert other[query] != [prompt]
  # Each query has symbols of its own.
  firsts = {prompt.split('\n\n')[0].split()[-1] for (prompt,) in once.values()}
  assert len(firsts) > 20


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


# Labelled examples of the split that is evaluated on, as the hub has them:
# RAFT labels fifty, which serve to show and to ask.
HUB_SIZES = {
  'subj': 2000, 'teh': 1000, 'teab': 66, 'teat': 52, 'tefe': 67, 'tehi': 69,
  'adec': 50, 'or': 50, 'sot': 50, 'tos': 50, 'tc': 50,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class HubSizedSource:
  """Stand-ins of the evaluation datasets in the hub's sizes."""

  def missing(self, spec, split):
    return None

  def load(self, spec, split):
    assert split == 'validation'
    size = HUB_SIZES[spec.name]
    labels = tuple(i % spec.num_classes for i in range(size))
    return sources.Pool(tuple(map(str, range(size))), labels, spec.num_classes)


def test_the_evaluation_has_as_many_queries_as_that_of_the_paper(use_data):
  use_data(source=HubSizedSource())
  mixture = seqio.MixtureRegistry.get('icl_natural_instructed')
  counts = {
    task.source.spec.name: task.source.num_input_examples('validation')
    for task in mixture.tasks
  }
  names = [spec.name for spec in catalog.EVALUATION_DATASETS]
  assert [counts[name] for name in names] == [
    100, 100, 66, 52, 67, 69, 50, 50, 50, 50, 50,
  ]  # fmt: skip
  assert sum(counts.values()) == 704


def test_where_seqio_caches_are_asked_for_prompts_are_made_anew(use_data):
  use_data()
  task = seqio.TaskRegistry.get('symbol_tuning_sst2')
  live, cached = (
    next(
      task.get_dataset(
        LENGTHS, 'train', seed=3, use_cached=use_cached
      ).as_numpy_iterator()
    )
    for use_cached in (False, True)
  )
  assert live['inputs_pretokenized'] == cached['inputs_pretokenized']
