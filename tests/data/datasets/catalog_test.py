"""Tests of the catalog: that every declaration is whole and consistent."""

import itertools

import pytest
import tensorflow_datasets as tfds

from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.prompting import symbols

SPECS = tuple(catalog.CATALOG.values())
EACH = pytest.mark.parametrize('spec', SPECS, ids=lambda spec: spec.name)


def test_the_datasets_are_those_of_the_paper():
  assert ' '.join(spec.code for spec in catalog.tuning_datasets()) == (
    'RTE WNLI QNLI MNLI SNLI CB SST2 RT TES QQP MRPC PAWS COPA PIQA AGN TREC '
    'WSC WINO TEO TEI WIC COLA'
  )
  assert ' '.join(spec.code for spec in catalog.evaluation_datasets()) == (
    'SUBJ TEH TEAB TEAT TEFE TEHI ADEC OR SOT TOS TC'
  )


def test_random_guessing_has_the_accuracy_of_the_paper():
  floor = catalog.random_guess_accuracy(catalog.evaluation_datasets())
  assert round(100 * floor, 1) == 42.4


def test_flipped_datasets_are_the_six_of_two_classes():
  names = [spec.name for spec in catalog.flipped_datasets()]
  assert names == ['subj', 'teh', 'adec', 'or', 'tos', 'tc']


@EACH
def test_names_and_roles_agree(spec):
  assert spec.name == spec.code.lower()
  tuned_on = spec in catalog.tuning_datasets()
  assert spec.role == ('tuning' if tuned_on else 'evaluation')


@EACH
def test_labels_are_distinct_and_match_the_raw_values(spec):
  assert spec.num_classes >= 2
  assert len(set(spec.labels)) == spec.num_classes
  if spec.label_values is not None:
    assert len(set(spec.label_values)) == spec.num_classes


@EACH
def test_the_instruction_names_every_label(spec):
  for label in spec.labels:
    assert label in spec.instruction


@EACH
def test_the_template_reads_columns_but_not_the_label(spec):
  assert spec.text_columns
  assert spec.label_column not in spec.text_columns


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
def test_tfds_has_the_declared_columns_and_classes(spec, tmp_path):
  builder = tfds.builder(spec.tfds.name, data_dir=tmp_path, try_gcs=False)
  columns = dict(spec.tfds.columns)
  for name in (*spec.text_columns, spec.label_column):
    assert columns.get(name, name) in builder.info.features
  label = columns.get(spec.label_column, spec.label_column)
  assert builder.info.features[label].num_classes == spec.num_classes


@pytest.mark.parametrize(
  'name',
  (
    'rte',
    'wnli',
    'qnli',
    'mnli',
    'snli',
    'cb',
    'sst2',
    'qqp',
    'mrpc',
    'agn',
    'cola',
  ),
)
def test_labels_have_the_order_of_tfds(name, tmp_path):
  spec = catalog.get(name)
  builder = tfds.builder(spec.tfds.name, data_dir=tmp_path, try_gcs=False)
  theirs = builder.info.features[spec.label_column].names
  assert [label.replace('_', ' ') for label in theirs] == list(spec.labels)


def test_trec_labels_are_renumbered_from_tfds(tmp_path):
  spec = catalog.get('trec')
  builder = tfds.builder(spec.tfds.name, data_dir=tmp_path, try_gcs=False)
  theirs = builder.info.features['label-coarse'].names
  ours = [theirs[value] for value in spec.tfds.label_values]
  assert ours == ['ABBR', 'ENTY', 'DESC', 'HUM', 'LOC', 'NUM']


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
