"""Evaluation tasks as lm-eval reads them."""

import dataclasses
import json

import datasets
import numpy as np
import pytest
import yaml

from symbol_tuning.data import settings as data_settings
from symbol_tuning.data import vocabularies
from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.evaluation import lm_eval_export
from symbol_tuning.evaluation.ranking.task import RankingTask
from symbol_tuning.evaluation.suite import Questions

LENGTHS = {'inputs': 600, 'targets': 30}
EOS = '</s>'


@pytest.fixture
def questions(use_data):
  use_data(
    vocabulary=vocabularies.tiny(),
    evaluation_queries=3,
    evaluation_exemplars=1,
    missing=('adec', 'or', 'tc', 'tos'),
    skip_missing=True,
  )
  return Questions(
    ['icl_flipped', 'icl_natural_instructed_teab'], dict(LENGTHS)
  )


def read_yaml(path):
  return yaml.safe_load(path.read_text(encoding='utf-8'))


@pytest.mark.parametrize('separator', ['eos', 'none'])
def test_the_documents_are_the_queries_of_our_own_evaluation(
  questions, separator, tmp_path
):
  suite = questions.load(separator)
  count = lm_eval_export.export(questions, str(tmp_path), separator)
  assert count == len(list(suite)) == 3
  for _, name, task in suite:
    lines = (tmp_path / f'{name}.jsonl').read_text(encoding='utf-8').split('\n')
    docs = [json.loads(line) for line in lines if line]
    asked = {
      (doc['query'], option): (doc['prompt'], text, doc['label'] == option)
      for doc in docs
      for option, text in enumerate(doc['options'])
    }
    prompt_end = EOS if separator == 'eos' else ''
    assert asked == {
      (query.index, number): (
        query.text + prompt_end,
        option.text + EOS,
        query.label == number,
      )
      for query in task.queries
      for number, option in enumerate(query.options)
    }


def test_lm_eval_is_told_where_everything_is(questions, tmp_path):
  lm_eval_export.export(questions, str(tmp_path))
  config = read_yaml(tmp_path / 'icl_natural_instructed_teab.yaml')
  assert config['task'] == 'icl_natural_instructed_teab'
  assert config['output_type'] == 'multiple_choice'
  assert config['target_delimiter'] == ''
  assert [m['metric'] for m in config['metric_list']] == ['acc', 'acc_norm']
  documents = datasets.load_dataset(
    config['dataset_path'],
    **config['dataset_kwargs'],
    cache_dir=str(tmp_path / 'cache'),
  )[config['validation_split']]
  first = documents[0]
  [*_, query] = first[config['doc_to_text']].split('\n\n')
  assert query.removesuffix(EOS).endswith(tuple(f.infix for f in FORMATS))
  assert first[config['doc_to_choice']] == [
    f' {label}{EOS}' for label in ('none', 'against', 'favor')
  ]
  assert first[config['doc_to_target']] in (0, 1, 2)


def test_a_mixture_is_a_group_in_which_all_tasks_count_the_same(
  questions, tmp_path
):
  lm_eval_export.export(questions, str(tmp_path))
  group = read_yaml(tmp_path / 'icl_flipped.yaml')
  assert group['group'] == 'icl_flipped'
  assert group['task'] == list(questions.load().mixtures['icl_flipped'])
  weighted = [m['weight_by_size'] for m in group['aggregate_metric_list']]
  assert weighted == [False, False]


def test_written_answers_are_not_exported(use_data, tmp_path):
  use_data(vocabulary=vocabularies.tiny())
  questions = Questions('turing_concepts', {'inputs': 2048, 'targets': 512})
  with pytest.raises(ValueError, match=r'turing_concepts.* written answers'):
    lm_eval_export.export(questions, str(tmp_path))


def test_chat_templates_are_left_to_lm_eval(questions, tmp_path):
  with pytest.raises(ValueError, match=r"'chat' .*--apply_chat_template"):
    lm_eval_export.export(questions, str(tmp_path), 'chat')


def test_a_vocabulary_whose_end_has_no_text_is_refused(use_data, tmp_path):
  use_data(evaluation_queries=3)
  questions = Questions('icl_flipped_subj', LENGTHS)
  with pytest.raises(ValueError, match='ByteVocabulary has no text'):
    lm_eval_export.export(questions, str(tmp_path))


def with_more_text(query):
  return dataclasses.replace(query, text=f'{query.text} more')


def with_special_tokens(query):
  """What stands for EOS in a text, lm-eval's tokenizer would see as EOS."""
  text = query.text + EOS
  tokens = np.array(data_settings.vocabulary().encode(text))
  return dataclasses.replace(query, text=text, tokens=tokens)


@pytest.mark.parametrize('change', [with_more_text, with_special_tokens])
def test_text_of_which_lm_eval_would_make_other_tokens_is_refused(
  change, questions, tmp_path, monkeypatch
):
  suite = questions.load('none')
  tasks = {
    name: RankingTask(list(map(change, task.queries)))
    for _, name, task in suite
  }
  changed = dataclasses.replace(suite, mixtures={'changed': tasks})
  monkeypatch.setattr(Questions, 'load', lambda *_: changed)
  with pytest.raises(ValueError, match='would ask another question'):
    lm_eval_export.export(questions, str(tmp_path), 'none')
