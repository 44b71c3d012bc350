"""The eleven held-out datasets, none of a tuning kind (Wei et al., 2023)."""

from symbol_tuning.data.datasets.benchmarks import (
  TEST_AS_VALIDATION,
  raft,
  tweet_eval,
)
from symbol_tuning.data.datasets.spec import DatasetSpec, HubLocation


def _stance(name: str, folder: str, target: str) -> DatasetSpec:
  return DatasetSpec(
    **tweet_eval(name, f'stance_{folder}'), task_type='stance',
    labels=('none', 'against', 'favor'),
    instruction=f"What is the stance of the tweet's author on {target}?",
  )  # fmt: skip


EVALUATION_DATASETS = (
  DatasetSpec(
    name='subj', task_type='subjectivity',
    hub=HubLocation('SetFit/subj', splits=TEST_AS_VALIDATION),
    template='{text}', labels=('objective', 'subjective'),
    instruction='Does the sentence state facts, or does it express an opinion?',
  ),
  DatasetSpec(
    **tweet_eval('teh', 'hate'), task_type='hate_speech',
    labels=('not hate', 'hate'), label_values=('non-hate', 'hate'),
    instruction='Does the tweet attack women or immigrants?',
  ),
  _stance('teab', 'abortion', 'the right to abortion'),
  _stance('teat', 'atheism', 'atheism'),
  _stance('tefe', 'feminist', 'the feminist movement'),
  _stance('tehi', 'hillary', 'Hillary Clinton'),
  DatasetSpec(
    **raft('adec', 'ade_corpus_v2', 'ADE-related', 'not ADE-related'),
    task_type='medicine', template='{Sentence}',
    instruction='Does the sentence from a medical report describe an adverse '
    'effect of a drug?',
  ),
  DatasetSpec(
    **raft('or', 'overruling', 'not overruling', 'overruling'),
    task_type='law', template='{Sentence}',
    instruction='Does the sentence from a court opinion declare that an '
    'earlier decision is no longer good law?',
  ),
  DatasetSpec(
    **raft('sot', 'semiconductor_org_types',
           'company', 'research institute', 'university'),
    task_type='organizations',
    template='Organization: {Organization name}\nPaper: {Paper title}',
    instruction='The paper is from a conference on semiconductors. What '
    'kind of organization published it?',
  ),
  DatasetSpec(
    **raft('tos', 'terms_of_service',
           'not potentially unfair', 'potentially unfair'),
    task_type='law', template='{Sentence}',
    instruction='Could this clause from terms of service take away rights '
    'that a consumer should have?',
  ),
  DatasetSpec(
    **raft('tc', 'twitter_complaints', 'complaint', 'no complaint'),
    task_type='complaints', template='{Tweet text}',
    instruction='Is the writer of the tweet unhappy with a product, a '
    'service or a business?',
  ),
)  # fmt: skip
