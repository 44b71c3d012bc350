"""The 22 datasets of symbol tuning, by task type (Wei et al., 2023, app. A)."""

import dataclasses
import itertools

from symbol_tuning.data.datasets.benchmarks import (
  MATCHED,
  TEST_AS_VALIDATION,
  glue,
  super_glue,
  tweet_eval,
)
from symbol_tuning.data.datasets.spec import (
  CONVERTED,
  DatasetSpec,
  HubLocation,
  TfdsLocation,
)

_NLI = (
  DatasetSpec(
    **glue('rte'),
    template='Premise: {sentence1}\nHypothesis: {sentence2}',
    labels=('entailment', 'not entailment'),
    instruction='Read the premise and decide whether the hypothesis must '
    'be true as well.',
  ),
  DatasetSpec(
    **glue('wnli'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not entailment', 'entailment'),
    instruction='The second sentence says whom or what a pronoun of the '
    'first one stands for. Decide whether the first sentence implies it.',
  ),
  DatasetSpec(
    **glue('qnli'),
    template='Question: {question}\nSentence: {sentence}',
    labels=('entailment', 'not entailment'),
    instruction='Decide whether the sentence contains the answer to the '
    'question.',
  ),
  DatasetSpec(
    **glue('mnli', MATCHED),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='Suppose that the premise is true. Decide whether the '
    'hypothesis must be true, may be true or cannot be true.',
  ),
  DatasetSpec(
    name='snli',
    hub=HubLocation('stanfordnlp/snli', 'plain_text'),
    tfds=TfdsLocation('snli'),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='The premise describes a picture. Must the hypothesis be true '
    'of the picture, may it be true, or must it be false?',
  ),
  DatasetSpec(
    **super_glue('cb', 'cb'),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'contradiction', 'neutral'),
    instruction='Decide what the author of the premise holds the '
    'hypothesis to be: true, false, or neither of these.',
  ),
)

_SENTIMENT = (
  DatasetSpec(
    **glue('sst2'),
    template='{sentence}', labels=('negative', 'positive'),
    instruction='Does the writer of this phrase from a film review like '
    'the film?',
  ),
  DatasetSpec(
    name='rt',
    hub=HubLocation('cornell-movie-review-data/rotten_tomatoes'),
    local='rotten_tomatoes',
    template='{text}',
    labels=('negative', 'positive'), label_values=('neg', 'pos'),
    instruction='Read the sentence from a film review and classify the '
    "critic's opinion of the film.",
  ),
  DatasetSpec(
    **tweet_eval('tes', 'sentiment'),
    labels=('negative', 'neutral', 'positive'),
    instruction='Classify the sentiment of the tweet: how does its author '
    'feel about the topic?',
  ),
)  # fmt: skip

_PARAPHRASE = (
  DatasetSpec(
    **glue('qqp'),
    template='Question 1: {question1}\nQuestion 2: {question2}',
    labels=('not duplicate', 'duplicate'),
    instruction='Do the two questions ask the same thing?',
  ),
  DatasetSpec(
    **glue('mrpc'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not equivalent', 'equivalent'),
    instruction='Do the two sentences from the news mean the same thing?',
  ),
  DatasetSpec(
    name='paws',
    hub=HubLocation('google-research-datasets/paws', 'labeled_final'),
    tfds=TfdsLocation('paws_wiki/labeled_final_raw'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not paraphrase', 'paraphrase'),
    label_values=('different_meaning', 'paraphrase'),
    instruction='The two sentences share most of their words. Do they also '
    'share their meaning?',
  ),
)

_COMMON_SENSE = (
  DatasetSpec(
    **super_glue('copa', 'copa'),
    template='Premise: {premise}\nWhat was the {question}?\n'
    'Choice 1: {choice1}\nChoice 2: {choice2}',
    labels=('choice 1', 'choice 2'),
    instruction='Pick the more plausible cause or effect of the premise '
    'out of the two that are listed.',
  ),
  DatasetSpec(
    name='piqa',
    hub=HubLocation('ybisk/piqa', 'plain_text', revision=CONVERTED),
    tfds=TfdsLocation('piqa'),
    template='Goal: {goal}\nSolution 1: {sol1}\nSolution 2: {sol2}',
    labels=('solution 1', 'solution 2'),
    instruction='Which of the two ways of reaching the goal would work?',
  ),
)

_TOPIC = (
  DatasetSpec(
    name='agn',
    hub=HubLocation('fancyzhx/ag_news', splits=TEST_AS_VALIDATION),
    tfds=TfdsLocation(
      'ag_news_subset', TEST_AS_VALIDATION, columns=(('text', 'description'),)
    ),
    local='ag_news',
    template='{text}',
    labels=('World', 'Sports', 'Business', 'Sci/Tech'),
    instruction='Which section of a newspaper does the article belong to?',
  ),
  DatasetSpec(
    name='trec',
    hub=HubLocation(
      'CogComp/trec', 'default', TEST_AS_VALIDATION,
      columns=(('label', 'coarse_label'),), revision=CONVERTED,
    ),
    tfds=TfdsLocation(
      'trec', TEST_AS_VALIDATION, columns=(('label', 'label-coarse'),)
    ),
    template='{text}',
    labels=('abbreviation', 'entity', 'description', 'human', 'location',
            'number'),
    label_values=('ABBR', 'ENTY', 'DESC', 'HUM', 'LOC', 'NUM'),
    instruction='What kind of answer does the question ask for?',
  ),
)  # fmt: skip

_COREFERENCE = (
  DatasetSpec(
    **super_glue('wsc', 'wsc.fixed'),
    template='Text: {text}\nNoun: {span1_text}\nPronoun: {span2_text}',
    labels=('different', 'same'), label_values=(False, True),
    instruction='Does the pronoun stand for the noun in the text?',
  ),
  DatasetSpec(
    name='wino',
    hub=HubLocation('allenai/winogrande', 'winogrande_xl'),
    tfds=TfdsLocation(
      'winogrande',
      splits=(('train', 'train_xl'), ('validation', 'validation')),
      columns=(('answer', 'label'),),
    ),
    local='winogrande',
    template='Sentence: {sentence}\nOption 1: {option1}\nOption 2: {option2}',
    labels=('option 1', 'option 2'),
    label_column='answer', label_values=('1', '2'),
    instruction='Which of the two words or names fills the blank (_) in '
    'the sentence?',
  ),
)  # fmt: skip

_OTHER = (
  DatasetSpec(
    **tweet_eval('teo', 'offensive'),
    labels=('not offensive', 'offensive'),
    label_values=('non-offensive', 'offensive'),
    instruction='Does the tweet contain insults, threats or swearing?',
  ),
  DatasetSpec(
    **tweet_eval('tei', 'irony'),
    labels=('not ironic', 'ironic'), label_values=('non_irony', 'irony'),
    instruction='Does the author of the tweet mean the opposite of what '
    'the words say?',
  ),
  DatasetSpec(
    **super_glue('wic', 'wic'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}\nWord: {word}',
    labels=('different meaning', 'same meaning'), label_values=(False, True),
    instruction='Is the word used in one sense in both sentences, or in '
    'two senses?',
  ),
  DatasetSpec(
    **glue('cola'),
    template='{sentence}', labels=('unacceptable', 'acceptable'),
    instruction='Judge the grammar of the English sentence: would a native '
    'speaker say it?',
  ),
)  # fmt: skip

BY_TASK_TYPE = {
  task_type: tuple(dataclasses.replace(s, task_type=task_type) for s in specs)
  for task_type, specs in {
    'nli': _NLI,
    'sentiment': _SENTIMENT,
    'paraphrase': _PARAPHRASE,
    'common_sense': _COMMON_SENSE,
    'topic': _TOPIC,
    'coreference': _COREFERENCE,
    'other': _OTHER,
  }.items()
}
TUNING_DATASETS = tuple(itertools.chain(*BY_TASK_TYPE.values()))
