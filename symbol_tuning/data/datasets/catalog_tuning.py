"""The 22 datasets of symbol tuning, by task type (Wei et al., 2023, app. A)."""

from symbol_tuning.data.datasets.spec import (
  CONVERTED,
  DatasetSpec,
  HubLocation,
  TfdsLocation,
)

_TEST_AS_VALIDATION = (('train', 'train'), ('validation', 'test'))
_MATCHED = (('train', 'train'), ('validation', 'validation_matched'))


def _glue(task: str) -> HubLocation:
  return HubLocation('nyu-mll/glue', task)


def _super_glue(task: str) -> HubLocation:
  return HubLocation('aps/super_glue', task)


def _tweet_eval(task: str) -> HubLocation:
  return HubLocation('cardiffnlp/tweet_eval', task)


_NLI = (
  DatasetSpec(
    name='rte',
    task_type='nli',
    hub=_glue('rte'),
    tfds=TfdsLocation('glue/rte'),
    template='Premise: {sentence1}\nHypothesis: {sentence2}',
    labels=('entailment', 'not entailment'),
    instruction='Read the premise and decide whether the hypothesis must '
    'be true as well.',
  ),
  DatasetSpec(
    name='wnli',
    task_type='nli',
    hub=_glue('wnli'),
    tfds=TfdsLocation('glue/wnli'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not entailment', 'entailment'),
    instruction='The second sentence says whom or what a pronoun of the '
    'first one stands for. Decide whether the first sentence implies it.',
  ),
  DatasetSpec(
    name='qnli',
    task_type='nli',
    hub=_glue('qnli'),
    tfds=TfdsLocation('glue/qnli'),
    template='Question: {question}\nSentence: {sentence}',
    labels=('entailment', 'not entailment'),
    instruction='Decide whether the sentence contains the answer to the '
    'question.',
  ),
  DatasetSpec(
    name='mnli',
    task_type='nli',
    hub=HubLocation('nyu-mll/glue', 'mnli', splits=_MATCHED),
    tfds=TfdsLocation('glue/mnli', splits=_MATCHED),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='Suppose that the premise is true. Decide whether the '
    'hypothesis must be true, may be true or cannot be true.',
  ),
  DatasetSpec(
    name='snli',
    task_type='nli',
    hub=HubLocation('stanfordnlp/snli', 'plain_text'),
    tfds=TfdsLocation('snli'),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='The premise describes a picture. Must the hypothesis be true '
    'of the picture, may it be true, or must it be false?',
  ),
  DatasetSpec(
    name='cb',
    task_type='nli',
    hub=_super_glue('cb'),
    tfds=TfdsLocation('super_glue/cb'),
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'contradiction', 'neutral'),
    instruction='Decide what the author of the premise holds the '
    'hypothesis to be: true, false, or neither of these.',
  ),
)

_SENTIMENT = (
  DatasetSpec(
    name='sst2',
    task_type='sentiment',
    hub=_glue('sst2'),
    tfds=TfdsLocation('glue/sst2'),
    template='{sentence}',
    labels=('negative', 'positive'),
    instruction='Does the writer of this phrase from a film review like '
    'the film?',
  ),
  DatasetSpec(
    name='rt',
    task_type='sentiment',
    hub=HubLocation('cornell-movie-review-data/rotten_tomatoes'),
    local='rotten_tomatoes',
    template='{text}',
    labels=('negative', 'positive'),
    instruction='Read the sentence from a film review and classify the '
    "critic's opinion of the film.",
    label_values=('neg', 'pos'),
  ),
  DatasetSpec(
    name='tes',
    task_type='sentiment',
    hub=_tweet_eval('sentiment'),
    local='tweet_eval_sentiment',
    template='{text}',
    labels=('negative', 'neutral', 'positive'),
    instruction='Classify the sentiment of the tweet: how does its author '
    'feel about the topic?',
  ),
)

_PARAPHRASE = (
  DatasetSpec(
    name='qqp',
    task_type='paraphrase',
    hub=_glue('qqp'),
    tfds=TfdsLocation('glue/qqp'),
    template='Question 1: {question1}\nQuestion 2: {question2}',
    labels=('not duplicate', 'duplicate'),
    instruction='Do the two questions ask the same thing?',
  ),
  DatasetSpec(
    name='mrpc',
    task_type='paraphrase',
    hub=_glue('mrpc'),
    tfds=TfdsLocation('glue/mrpc'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not equivalent', 'equivalent'),
    instruction='Do the two sentences from the news mean the same thing?',
  ),
  DatasetSpec(
    name='paws',
    task_type='paraphrase',
    hub=HubLocation('google-research-datasets/paws', 'labeled_final'),
    tfds=TfdsLocation('paws_wiki/labeled_final_raw'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not paraphrase', 'paraphrase'),
    instruction='The two sentences share most of their words. Do they also '
    'share their meaning?',
    label_values=('different_meaning', 'paraphrase'),
  ),
)

_COMMON_SENSE = (
  DatasetSpec(
    name='copa',
    task_type='common_sense',
    hub=_super_glue('copa'),
    tfds=TfdsLocation('super_glue/copa'),
    template='Premise: {premise}\nWhat was the {question}?\n'
    'Choice 1: {choice1}\nChoice 2: {choice2}',
    labels=('choice 1', 'choice 2'),
    instruction='Pick the more plausible cause or effect of the premise '
    'out of the two that are listed.',
  ),
  DatasetSpec(
    name='piqa',
    task_type='common_sense',
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
    task_type='topic',
    hub=HubLocation('fancyzhx/ag_news', splits=_TEST_AS_VALIDATION),
    tfds=TfdsLocation(
      'ag_news_subset',
      splits=_TEST_AS_VALIDATION,
      columns=(('text', 'description'),),
    ),
    local='ag_news',
    template='{text}',
    labels=('World', 'Sports', 'Business', 'Sci/Tech'),
    instruction='Which section of a newspaper does the article belong to?',
  ),
  DatasetSpec(
    name='trec',
    task_type='topic',
    hub=HubLocation(
      'CogComp/trec',
      'default',
      splits=_TEST_AS_VALIDATION,
      columns=(('label', 'coarse_label'),),
      revision=CONVERTED,
    ),
    tfds=TfdsLocation(
      'trec',
      splits=_TEST_AS_VALIDATION,
      columns=(('label', 'label-coarse'),),
    ),
    template='{text}',
    labels=(
      'abbreviation',
      'entity',
      'description',
      'human',
      'location',
      'number',
    ),
    instruction='What kind of answer does the question ask for?',
    label_values=('ABBR', 'ENTY', 'DESC', 'HUM', 'LOC', 'NUM'),
  ),
)

_COREFERENCE = (
  DatasetSpec(
    name='wsc',
    task_type='coreference',
    hub=_super_glue('wsc.fixed'),
    tfds=TfdsLocation('super_glue/wsc.fixed'),
    template='Text: {text}\nNoun: {span1_text}\nPronoun: {span2_text}',
    labels=('different', 'same'),
    instruction='Does the pronoun stand for the noun in the text?',
    label_values=(False, True),
  ),
  DatasetSpec(
    name='wino',
    task_type='coreference',
    hub=HubLocation('allenai/winogrande', 'winogrande_xl'),
    tfds=TfdsLocation(
      'winogrande',
      splits=(('train', 'train_xl'), ('validation', 'validation')),
      columns=(('answer', 'label'),),
    ),
    local='winogrande',
    template='Sentence: {sentence}\nOption 1: {option1}\nOption 2: {option2}',
    labels=('option 1', 'option 2'),
    instruction='Which of the two words or names fills the blank (_) in '
    'the sentence?',
    label_column='answer',
    label_values=('1', '2'),
  ),
)

_OTHER = (
  DatasetSpec(
    name='teo',
    task_type='other',
    hub=_tweet_eval('offensive'),
    local='tweet_eval_offensive',
    template='{text}',
    labels=('not offensive', 'offensive'),
    instruction='Does the tweet contain insults, threats or swearing?',
    label_values=('non-offensive', 'offensive'),
  ),
  DatasetSpec(
    name='tei',
    task_type='other',
    hub=_tweet_eval('irony'),
    local='tweet_eval_irony',
    template='{text}',
    labels=('not ironic', 'ironic'),
    instruction='Does the author of the tweet mean the opposite of what '
    'the words say?',
    label_values=('non_irony', 'irony'),
  ),
  DatasetSpec(
    name='wic',
    task_type='other',
    hub=_super_glue('wic'),
    tfds=TfdsLocation('super_glue/wic'),
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}\nWord: {word}',
    labels=('different meaning', 'same meaning'),
    instruction='Is the word used in one sense in both sentences, or in '
    'two senses?',
    label_values=(False, True),
  ),
  DatasetSpec(
    name='cola',
    task_type='other',
    hub=_glue('cola'),
    tfds=TfdsLocation('glue/cola'),
    template='{sentence}',
    labels=('unacceptable', 'acceptable'),
    instruction='Judge the grammar of the English sentence: would a native '
    'speaker say it?',
  ),
)

TUNING_DATASETS = (
  *_NLI,
  *_SENTIMENT,
  *_PARAPHRASE,
  *_COMMON_SENSE,
  *_TOPIC,
  *_COREFERENCE,
  *_OTHER,
)
