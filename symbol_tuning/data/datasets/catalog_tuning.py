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
    code='RTE',
    task_type='nli',
    role='tuning',
    hub=_glue('rte'),
    tfds=TfdsLocation('glue/rte'),
    local='rte',
    template='Premise: {sentence1}\nHypothesis: {sentence2}',
    labels=('entailment', 'not entailment'),
    instruction='Decide whether the premise entails the hypothesis. Answer '
    'with "entailment" or "not entailment".',
  ),
  DatasetSpec(
    name='wnli',
    code='WNLI',
    task_type='nli',
    role='tuning',
    hub=_glue('wnli'),
    tfds=TfdsLocation('glue/wnli'),
    local='wnli',
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not entailment', 'entailment'),
    instruction='The second sentence replaces a pronoun of the first. Say '
    'whether the first sentence implies it: "entailment" or "not entailment".',
  ),
  DatasetSpec(
    name='qnli',
    code='QNLI',
    task_type='nli',
    role='tuning',
    hub=_glue('qnli'),
    tfds=TfdsLocation('glue/qnli'),
    local='qnli',
    template='Question: {question}\nSentence: {sentence}',
    labels=('entailment', 'not entailment'),
    instruction='Does the sentence contain the answer to the question? Write '
    '"entailment" if it does and "not entailment" if it does not.',
  ),
  DatasetSpec(
    name='mnli',
    code='MNLI',
    task_type='nli',
    role='tuning',
    hub=HubLocation('nyu-mll/glue', 'mnli', splits=_MATCHED),
    tfds=TfdsLocation('glue/mnli', splits=_MATCHED),
    local='mnli',
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='How does the hypothesis relate to the premise? Choose '
    '"entailment", "neutral" or "contradiction".',
  ),
  DatasetSpec(
    name='snli',
    code='SNLI',
    task_type='nli',
    role='tuning',
    hub=HubLocation('stanfordnlp/snli', 'plain_text'),
    tfds=TfdsLocation('snli'),
    local='snli',
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'neutral', 'contradiction'),
    instruction='The premise describes a picture. Say whether the hypothesis '
    'follows ("entailment"), may be true ("neutral") or cannot be true '
    '("contradiction").',
  ),
  DatasetSpec(
    name='cb',
    code='CB',
    task_type='nli',
    role='tuning',
    hub=_super_glue('cb'),
    tfds=TfdsLocation('super_glue/cb'),
    local='cb',
    template='Premise: {premise}\nHypothesis: {hypothesis}',
    labels=('entailment', 'contradiction', 'neutral'),
    instruction='Is the author of the premise committed to the truth of the '
    'hypothesis ("entailment"), to its falsehood ("contradiction") or to '
    'neither ("neutral")?',
  ),
)

_SENTIMENT = (
  DatasetSpec(
    name='sst2',
    code='SST2',
    task_type='sentiment',
    role='tuning',
    hub=_glue('sst2'),
    tfds=TfdsLocation('glue/sst2'),
    local='sst2',
    template='{sentence}',
    labels=('negative', 'positive'),
    instruction='Is the sentiment of this phrase from a film review negative '
    'or positive?',
  ),
  DatasetSpec(
    name='rt',
    code='RT',
    task_type='sentiment',
    role='tuning',
    hub=HubLocation('cornell-movie-review-data/rotten_tomatoes'),
    tfds=None,
    local='rotten_tomatoes',
    template='{text}',
    labels=('negative', 'positive'),
    instruction='Read the sentence from a film review and say whether the '
    "critic's opinion is negative or positive.",
  ),
  DatasetSpec(
    name='tes',
    code='TES',
    task_type='sentiment',
    role='tuning',
    hub=_tweet_eval('sentiment'),
    tfds=None,
    local='tweet_eval_sentiment',
    template='{text}',
    labels=('negative', 'neutral', 'positive'),
    instruction='Classify the sentiment of the tweet as negative, neutral or '
    'positive.',
  ),
)

_PARAPHRASE = (
  DatasetSpec(
    name='qqp',
    code='QQP',
    task_type='paraphrase',
    role='tuning',
    hub=_glue('qqp'),
    tfds=TfdsLocation('glue/qqp'),
    local='qqp',
    template='Question 1: {question1}\nQuestion 2: {question2}',
    labels=('not duplicate', 'duplicate'),
    instruction='Do the two questions ask the same thing? Answer "duplicate" '
    'if they do, otherwise "not duplicate".',
  ),
  DatasetSpec(
    name='mrpc',
    code='MRPC',
    task_type='paraphrase',
    role='tuning',
    hub=_glue('mrpc'),
    tfds=TfdsLocation('glue/mrpc'),
    local='mrpc',
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not equivalent', 'equivalent'),
    instruction='Say whether the two sentences from the news mean the same: '
    '"equivalent" or "not equivalent".',
  ),
  DatasetSpec(
    name='paws',
    code='PAWS',
    task_type='paraphrase',
    role='tuning',
    hub=HubLocation('google-research-datasets/paws', 'labeled_final'),
    tfds=TfdsLocation('paws_wiki/labeled_final_raw'),
    local='paws',
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}',
    labels=('not paraphrase', 'paraphrase'),
    instruction='The two sentences share most of their words. Answer '
    '"paraphrase" if they also share their meaning and "not paraphrase" if '
    'they do not.',
  ),
)

_COMMON_SENSE = (
  DatasetSpec(
    name='copa',
    code='COPA',
    task_type='common_sense',
    role='tuning',
    hub=_super_glue('copa'),
    tfds=TfdsLocation('super_glue/copa'),
    local='copa',
    template='Premise: {premise}\nWhat was the {question}?\n'
    'Choice 1: {choice1}\nChoice 2: {choice2}',
    labels=('choice 1', 'choice 2'),
    instruction='Pick the more plausible cause or effect of the premise: '
    'choice 1 or choice 2.',
  ),
  DatasetSpec(
    name='piqa',
    code='PIQA',
    task_type='common_sense',
    role='tuning',
    hub=HubLocation('ybisk/piqa', 'plain_text', revision=CONVERTED),
    tfds=TfdsLocation('piqa'),
    local='piqa',
    template='Goal: {goal}\nSolution 1: {sol1}\nSolution 2: {sol2}',
    labels=('solution 1', 'solution 2'),
    instruction='Which way of reaching the goal would work, solution 1 or '
    'solution 2?',
  ),
)

_TOPIC = (
  DatasetSpec(
    name='agn',
    code='AGN',
    task_type='topic',
    role='tuning',
    hub=HubLocation('fancyzhx/ag_news', splits=_TEST_AS_VALIDATION),
    tfds=TfdsLocation(
      'ag_news_subset',
      splits=_TEST_AS_VALIDATION,
      columns=(('text', 'description'),),
    ),
    local='ag_news',
    template='{text}',
    labels=('World', 'Sports', 'Business', 'Sci/Tech'),
    instruction='Which section of the news does the article belong to: World, '
    'Sports, Business or Sci/Tech?',
  ),
  DatasetSpec(
    name='trec',
    code='TREC',
    task_type='topic',
    role='tuning',
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
      label_values=(2, 1, 0, 3, 5, 4),
    ),
    local='trec',
    template='{text}',
    labels=(
      'abbreviation',
      'entity',
      'description',
      'human',
      'location',
      'number',
    ),
    instruction='What kind of answer does the question ask for: abbreviation, '
    'entity, description, human, location or number?',
  ),
)

_COREFERENCE = (
  DatasetSpec(
    name='wsc',
    code='WSC',
    task_type='coreference',
    role='tuning',
    hub=_super_glue('wsc.fixed'),
    tfds=TfdsLocation('super_glue/wsc.fixed'),
    local='wsc',
    template='Text: {text}\nNoun: {span1_text}\nPronoun: {span2_text}',
    labels=('different', 'same'),
    instruction='Do the noun and the pronoun stand for the same person or '
    'thing in the text, or for different ones? Answer "same" or "different".',
  ),
  DatasetSpec(
    name='wino',
    code='WINO',
    task_type='coreference',
    role='tuning',
    hub=HubLocation('allenai/winogrande', 'winogrande_xl'),
    tfds=TfdsLocation(
      'winogrande',
      splits=(('train', 'train_xl'), ('validation', 'validation')),
      columns=(('answer', 'label'),),
      label_values=(0, 1),
    ),
    local='winogrande',
    template='Sentence: {sentence}\nOption 1: {option1}\nOption 2: {option2}',
    labels=('option 1', 'option 2'),
    instruction='Which option fills the blank (_) in the sentence, option 1 '
    'or option 2?',
    label_column='answer',
    label_values=('1', '2'),
  ),
)

_OTHER = (
  DatasetSpec(
    name='teo',
    code='TEO',
    task_type='other',
    role='tuning',
    hub=_tweet_eval('offensive'),
    tfds=None,
    local='tweet_eval_offensive',
    template='{text}',
    labels=('not offensive', 'offensive'),
    instruction='Say whether the language of the tweet is "offensive" or "not '
    'offensive".',
  ),
  DatasetSpec(
    name='tei',
    code='TEI',
    task_type='other',
    role='tuning',
    hub=_tweet_eval('irony'),
    tfds=None,
    local='tweet_eval_irony',
    template='{text}',
    labels=('not ironic', 'ironic'),
    instruction='Is the tweet meant ironically? Answer "ironic" or "not '
    'ironic".',
  ),
  DatasetSpec(
    name='wic',
    code='WIC',
    task_type='other',
    role='tuning',
    hub=_super_glue('wic'),
    tfds=TfdsLocation('super_glue/wic'),
    local='wic',
    template='Sentence 1: {sentence1}\nSentence 2: {sentence2}\nWord: {word}',
    labels=('different meaning', 'same meaning'),
    instruction='Compare the sense of the word in the two sentences. Answer '
    '"same meaning" or "different meaning".',
  ),
  DatasetSpec(
    name='cola',
    code='COLA',
    task_type='other',
    role='tuning',
    hub=_glue('cola'),
    tfds=TfdsLocation('glue/cola'),
    local='cola',
    template='{sentence}',
    labels=('unacceptable', 'acceptable'),
    instruction='Judge the grammar of the English sentence: acceptable or '
    'unacceptable?',
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
