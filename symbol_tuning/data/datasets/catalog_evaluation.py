"""The eleven held-out datasets, none of a tuning kind (Wei et al., 2023).

Four of them come from RAFT (Alex et al., 2021, arXiv 2109.14076), whose test
labels are not public: its 50 labelled training rows are all there is, and serve
as the validation split too. RAFT counts labels from 1; 0 is "Unlabeled".
"""

from symbol_tuning.data.datasets.spec import CONVERTED, DatasetSpec, HubLocation

_TEST_AS_VALIDATION = (('train', 'train'), ('validation', 'test'))
_TRAIN_AS_VALIDATION = (('train', 'train'), ('validation', 'train'))


def _raft(task: str) -> HubLocation:
  return HubLocation(
    'ought/raft', task, splits=_TRAIN_AS_VALIDATION, revision=CONVERTED
  )


def _stance(name: str, code: str, folder: str, target: str) -> DatasetSpec:
  return DatasetSpec(
    name=name,
    code=code,
    task_type='stance',
    role='evaluation',
    hub=HubLocation('cardiffnlp/tweet_eval', f'stance_{folder}'),
    tfds=None,
    local=f'tweet_eval_stance_{folder}',
    template='{text}',
    labels=('none', 'against', 'favor'),
    instruction=f'What is the stance of the tweet towards {target}: none, '
    'against or favor?',
  )


EVALUATION_DATASETS = (
  DatasetSpec(
    name='subj',
    code='SUBJ',
    task_type='subjectivity',
    role='evaluation',
    hub=HubLocation('SetFit/subj', splits=_TEST_AS_VALIDATION),
    tfds=None,
    local='subj',
    template='{text}',
    labels=('objective', 'subjective'),
    instruction='Does the sentence state facts or an opinion? Answer '
    '"objective" for facts and "subjective" for an opinion.',
  ),
  DatasetSpec(
    name='teh',
    code='TEH',
    task_type='hate_speech',
    role='evaluation',
    hub=HubLocation('cardiffnlp/tweet_eval', 'hate'),
    tfds=None,
    local='tweet_eval_hate',
    template='{text}',
    labels=('not hate', 'hate'),
    instruction='Label the tweet as "hate" if it attacks women or immigrants '
    'and as "not hate" otherwise.',
  ),
  _stance('teab', 'TEAB', 'abortion', 'the right to abortion'),
  _stance('teat', 'TEAT', 'atheism', 'atheism'),
  _stance('tefe', 'TEFE', 'feminist', 'the feminist movement'),
  _stance('tehi', 'TEHI', 'hillary', 'Hillary Clinton'),
  DatasetSpec(
    name='adec',
    code='ADEC',
    task_type='medicine',
    role='evaluation',
    hub=HubLocation(
      'ade-benchmark-corpus/ade_corpus_v2',
      'Ade_corpus_v2_classification',
      splits=_TRAIN_AS_VALIDATION,
    ),
    tfds=None,
    local='ade_corpus_v2',
    template='{text}',
    labels=('not related', 'related'),
    instruction='Is the sentence from a medical report related to an adverse '
    'effect of a drug? Answer "related" or "not related".',
  ),
  DatasetSpec(
    name='or',
    code='OR',
    task_type='law',
    role='evaluation',
    hub=_raft('overruling'),
    tfds=None,
    local='overruling',
    template='{Sentence}',
    labels=('not overruling', 'overruling'),
    instruction='Does the sentence from a court opinion overrule an earlier '
    'decision? Answer "overruling" or "not overruling".',
    label_column='Label',
    label_values=(1, 2),
  ),
  DatasetSpec(
    name='sot',
    code='SOT',
    task_type='organizations',
    role='evaluation',
    hub=_raft('semiconductor_org_types'),
    tfds=None,
    local='semiconductor_org_types',
    template='Organization: {Organization name}\nPaper: {Paper title}',
    labels=('company', 'research institute', 'university'),
    instruction='The organization published the paper at a conference on '
    'semiconductors. Is it a company, a research institute or a university?',
    label_column='Label',
    label_values=(1, 2, 3),
  ),
  DatasetSpec(
    name='tos',
    code='TOS',
    task_type='law',
    role='evaluation',
    hub=_raft('terms_of_service'),
    tfds=None,
    local='terms_of_service',
    template='{Sentence}',
    labels=('not potentially unfair', 'potentially unfair'),
    instruction='Could this clause of a contract be unfair to the consumer? '
    'Answer "potentially unfair" or "not potentially unfair".',
    label_column='Label',
    label_values=(1, 2),
  ),
  DatasetSpec(
    name='tc',
    code='TC',
    task_type='complaints',
    role='evaluation',
    hub=_raft('twitter_complaints'),
    tfds=None,
    local='twitter_complaints',
    template='{Tweet text}',
    labels=('complaint', 'no complaint'),
    instruction='Does the writer of the tweet complain about something? '
    'Answer "complaint" or "no complaint".',
    label_column='Label',
    label_values=(1, 2),
  ),
)
