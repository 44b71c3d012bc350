"""Tests of the catalog: that every declaration is whole and consistent."""

import itertools
import re

import pytest
import tensorflow_datasets as tfds

from symbol_tuning.data.datasets import catalog, labels
from symbol_tuning.data.datasets.spec import HubLocation
from symbol_tuning.data.prompting import symbols

SPECS = tuple(catalog.CATALOG.values())
EACH = pytest.mark.parametrize('spec', SPECS, ids=lambda spec: spec.name)


def test_the_datasets_are_those_of_the_paper():
  assert ' '.join(spec.name.upper() for spec in catalog.TUNING_DATASETS) == (
    'RTE WNLI QNLI MNLI SNLI CB SST2 RT TES QQP MRPC PAWS COPA PIQA AGN TREC '
    'WSC WINO TEO TEI WIC COLA'
  )
  names = [spec.name.upper() for spec in catalog.EVALUATION_DATASETS]
  assert ' '.join(names) == 'SUBJ TEH TEAB TEAT TEFE TEHI ADEC OR SOT TOS TC'


def test_random_guessing_has_the_accuracy_of_the_paper():
  chances = [1 / spec.num_classes for spec in catalog.EVALUATION_DATASETS]
  assert round(100 * sum(chances) / 11, 1) == 42.4


def test_six_evaluation_datasets_have_two_classes_which_can_be_flipped():
  two = [s.name for s in catalog.EVALUATION_DATASETS if s.num_classes == 2]
  assert two == ['subj', 'teh', 'adec', 'or', 'tos', 'tc']


def class_ids(spec, stored):
  """The classes of stored labels."""
  places = {labels.StoredLabel.of(one): 'here' for one in stored}
  ids = labels.LabelReader(spec).class_ids(places, 'label')
  return [ids[labels.StoredLabel.of(one)] for one in stored]


@EACH
def test_the_instruction_names_no_label_and_no_word_of_one(spec):
  assert spec.labels_in_instruction == []
  words = set(re.findall('[a-z]+', spec.instruction.lower()))
  for label in spec.labels:
    assert not words.intersection(re.findall('[a-z]+', label.lower()))
    assert label.lower() not in spec.instruction.lower()


@EACH
def test_the_instruction_is_a_sentence_of_its_own(spec):
  assert re.fullmatch(r'[A-Z][^\n"]{20,130}[.?]', spec.instruction)


@EACH
def test_every_location_says_where_both_splits_are(spec):
  for location in filter(None, (spec.hub, spec.tfds)):
    assert dict(location.splits).keys() == {'train', 'validation'}
  assert spec.hub.repository.count('/') == 1


def test_local_folders_are_distinct():
  assert len({spec.local for spec in SPECS}) == len(SPECS)


@pytest.mark.parametrize(
  'spec', [spec for spec in SPECS if spec.tfds], ids=lambda spec: spec.name
)
def test_tfds_has_the_columns_and_class_names_that_are_declared(spec, tmp_path):
  builder = tfds.builder(spec.tfds.name, data_dir=tmp_path, try_gcs=False)
  features, columns = builder.info.features, dict(spec.tfds.columns)
  for name in spec.text_columns:
    assert columns.get(name, name) in features
  names = features[columns.get(spec.label_column, spec.label_column)].names
  ids = class_ids(spec, names)
  if spec.name == 'trec':
    assert names == ['DESC', 'ENTY', 'ABBR', 'HUM', 'NUM', 'LOC']
    assert ids == [2, 1, 0, 3, 5, 4]
  else:
    assert ids == list(range(spec.num_classes))


@pytest.mark.parametrize(
  'name, names',
  [
    ('rt', ['neg', 'pos']),
    ('tes', ['negative', 'neutral', 'positive']),
    ('teh', ['non-hate', 'hate']),
    ('teo', ['non-offensive', 'offensive']),
    ('tei', ['non_irony', 'irony']),
    ('teab', ['none', 'against', 'favor']),
    ('wic', ['False', 'True']),
    ('wsc', ['False', 'True']),
    ('paws', ['0', '1']),
    ('trec', ['ABBR', 'ENTY', 'DESC', 'HUM', 'LOC', 'NUM']),
    ('adec', ['ADE-related', 'not ADE-related']),
    ('or', ['not overruling', 'overruling']),
    ('sot', ['company', 'research institute', 'university']),
    ('tos', ['not potentially unfair', 'potentially unfair']),
    ('tc', ['complaint', 'no complaint']),
  ],
)
def test_the_class_names_of_the_hub_are_understood(name, names):
  spec = catalog.get(name)
  assert class_ids(spec, names) == list(range(spec.num_classes))
  assert class_ids(spec, names[::-1]) == list(range(spec.num_classes))[::-1]


def test_adec_is_that_of_raft():
  adec = catalog.get('adec')
  assert adec.hub == HubLocation(
    'ought/raft',
    'ade_corpus_v2',
    splits=(('train', 'train'), ('validation', 'train')),
    revision='refs/convert/parquet',
  )
  assert adec.text_columns == ('Sentence',)
  assert class_ids(adec, [1, 2]) == [0, 1]


def test_no_symbol_is_a_natural_label_or_a_word_of_one():
  reserved = catalog.natural_label_words()
  assert {'entailment', 'not entailment', 'sci/tech', 'hate'} <= reserved
  for split in ('tuning', 'evaluation'):
    inventory = symbols.inventory(split, reserved=reserved)
    assert not reserved & set(itertools.chain(*inventory.values()))


def test_numbers_of_options_stay_symbols():
  assert not {'1', '2'} & catalog.natural_label_words()


def test_get_gives_the_near_names_of_an_unknown_one():
  assert catalog.get('sst2').labels == ('negative', 'positive')
  with pytest.raises(ValueError, match=r"'SST-2'.*sst2"):
    catalog.get('SST-2')
  with pytest.raises(ValueError, match=r"'imagenet'.*adec.*wsc"):
    catalog.get('imagenet')
