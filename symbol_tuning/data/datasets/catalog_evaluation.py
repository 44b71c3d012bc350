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


def _stance(name: str, folder: str, target: str) -> DatasetSpec:
  return DatasetSpec(
    name=name,
    task_type='stance',
    hub=HubLocation('cardiffnlp/tweet_eval', f'stance_{folder}'),
    local=f'tweet_eval_stance_{folder}',
    template='{text}',
    labels=('none', 'against', 'favor'),
    instruction=f"What is the stance of the tweet's author on {target}?",
  )


EVALUATION_DATASETS = (
  DatasetSpec(
    name='subj',
    task_type='subjectivity',
    hub=HubLocation('SetFit/subj', splits=_TEST_AS_VALIDATION),
    template='{text}',
    labels=('objective', 'subjective'),
    instruction='Does the sentence state facts, or does it express an opinion?',
  ),
  DatasetSpec(
    name='teh',
    task_type='hate_speech',
    hub=HubLocation('cardiffnlp/tweet_eval', 'hate'),
    local='tweet_eval_hate',
    template='{text}',
    labels=('not hate', 'hate'),
    instruction='Does the tweet attack women or immigrants?',
    label_values=('non-hate', 'hate'),
  ),
  _stance('teab', 'abortion', 'the right to abortion'),
  _stance('teat', 'atheism', 'atheism'),
  _stance('tefe', 'feminist', 'the feminist movement'),
  _stance('tehi', 'hillary', 'Hillary Clinton'),
  DatasetSpec(
    name='adec',
    task_type='medicine',
    hub=_raft('ade_corpus_v2'),
    local='ade_corpus_v2',
    template='{Sentence}',
    labels=('ADE-related', 'not ADE-related'),
    instruction='Does the sentence from a medical report describe an adverse '
    'effect of a drug?',
    label_column='Label',
    label_values=(1, 2),
  ),
  DatasetSpec(
    name='or',
    task_type='law',
    hub=_raft('overruling'),
    local='overruling',
    template='{Sentence}',
    labels=('not overruling', 'overruling'),
    instruction='Does the sentence from a court opinion declare that an '
    'earlier decision is no longer good law?',
    label_column='Label',
    label_values=(1, 2),
  ),
  DatasetSpec(
    name='sot',
    task_type='organizations',
    hub=_raft('semiconductor_org_types'),
    local='semiconductor_org_types',
    template='Organization: {Organization name}\nPaper: {Paper title}',
    labels=('company', 'research institute', 'university'),
    instruction='The paper is from a conference on semiconductors. What '
    'kind of organization published it?',
    label_column='Label',
    label_values=(1, 2, 3),
  ),
  DatasetSpec(
    name='tos',
    task_type='law',
    hub=_raft('terms_of_service'),
    local='terms_of_service',
    template='{Sentence}',
    labels=('not potentially unfair', 'potentially unfair'),
    instruction='Could this clause from terms of service take away rights '
    'that a consumer should have?',
    label_column='Label',
    label_values=(1, 2),
  ),
  DatasetSpec(
    name='tc',
    task_type='complaints',
    hub=_raft('twitter_complaints'),
    local='twitter_complaints',
    template='{Tweet text}',
    labels=('complaint', 'no complaint'),
    instruction='Is the writer of the tweet unhappy with a product, a '
    'service or a business?',
    label_column='Label',
    label_values=(1, 2),
  ),
)
