"""Tests that mistakes in a declaration are found when it is made."""

import pytest

from symbol_tuning.data.datasets.spec import (
  DatasetSpec,
  HubLocation,
  TfdsLocation,
)

FIELDS = {
  'name': 'reviews',
  'template': '{title}: {body}',
  'labels': ('complaint', 'praise'),
  'instruction': 'Is the customer content?',
}


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'name': 'My reviews'}, "not 'My reviews'"),
    ({'labels': ('praise',)}, "two or more names, not .'praise',"),
    ({'labels': ()}, r'two or more names, not \(\)'),
    ({'labels': ('praise', 'praise')}, 'stands twice'),
    ({'labels': 'praise'}, "labels are a tuple of texts .* not 'praise'"),
    ({'labels': {'praise': 1, 'complaint': 0}}, 'labels are a tuple of texts'),
    ({'labels': {'praise', 'complaint'}}, 'labels are a tuple of texts'),
    ({'labels': iter(('praise', 'complaint'))}, 'labels are a tuple of texts'),
    ({'labels': (0, 1)}, r'labels are a tuple of texts .* not \(0, 1\)'),
    ({'labels': (False, True)}, 'labels are a tuple of texts'),
    ({'labels': None}, 'labels are a tuple of texts .* not None'),
    ({'label_values': {1: 'praise', 0: 'complaint'}}, 'label_values are a tu'),
    ({'label_values': {0, 1}}, r'label_values are a tuple .* not \{0, 1\}'),
    ({'label_values': '01'}, "label_values are a tuple .* not '01'"),
    ({'label_values': (None, 1)}, r'label_values are .* not \(None, 1\)'),
    ({'labels': ('a', 'b', 'a')}, 'stands twice'),
    ({'labels': ('Yes', 'yes')}, 'stands twice'),
    ({'labels': ('', 'praise')}, "single spaces, not ''"),
    ({'labels': ('no\n\npraise', 'praise')}, 'a label is a word'),
    ({'label_values': (0,)}, 'should be 2 different values'),
    ({'label_values': (1, 1)}, 'should be 2 different values'),
    ({'label_values': ('Praise', 'Complaint')}, 'in another order'),
    ({'labels': ('1', '0'), 'label_values': (0, 1)}, 'in another order'),
    ({'template': 'body'}, "'body' reads no column"),
    ({'template': '{body'}, "'{body' is no format string"),
    ({'template': '{}'}, 'not just the name of a column'),
    ({'template': '{0}'}, 'not just the name of a column'),
    ({'template': '{body.title}'}, 'not just the name of a column'),
    ({'template': '{body[0]}'}, 'not just the name of a column'),
    ({'template': '{body!r}'}, 'not just the name of a column'),
    ({'template': '{body:.3}'}, 'not just the name of a column'),
    ({'template': '{body} {label}'}, "shows the label, column 'label'"),
    ({'template': 'Review:\n\n{body}'}, 'the template .* has a blank line'),
    ({'template': '{title}\n \n{body}'}, 'the template .* has a blank line'),
    ({'instruction': ''}, "the instruction is ''; say what to do"),
    ({'instruction': ' \n'}, r"the instruction is ' \\n'; say what to do"),
    ({'instruction': None}, 'the instruction is None; say what to do'),
    ({'hub': 'me/reviews'}, r"hub is 'me/reviews'; write HubLocation\("),
    ({'tfds': 'reviews'}, r"tfds is 'reviews'; write TfdsLocation\("),
    ({'instruction': 'Read.\n\nJudge.'}, 'the instruction .* has a blank line'),
  ],
)
def test_mistakes_in_a_spec_are_named(change, message):
  with pytest.raises(ValueError, match=f'(?s)reviews: .*{message}|{message}'):
    DatasetSpec(**(FIELDS | change))


@pytest.mark.parametrize(
  ('columns', 'message'),
  [
    ((('Label', 'gold'),), 'renames Label, but .* are label, title, body'),
    ((('label', 'gold'), ('text', 'x'), ('a', 'y')), 'renames a, text, but'),
    ((('body', 'label'),), "'label' is both the label and a text"),
    ((('body', 'x'), ('label', 'x')), "'x' is both the label and a text"),
  ],
)
@pytest.mark.parametrize('place', ['hub', 'tfds'])
def test_a_slip_in_the_columns_of_a_place_is_named(place, columns, message):
  kind = {'hub': HubLocation, 'tfds': TfdsLocation}[place]
  with pytest.raises(ValueError, match=f'^reviews: .*{message}'):
    DatasetSpec(**FIELDS, **{place: kind('me/reviews', columns=columns)})


def test_the_label_may_have_the_name_that_a_text_has_in_the_spec():
  swapped = (('label', 'body'), ('body', 'label'))
  hub = HubLocation('me/reviews', columns=swapped)
  assert DatasetSpec(**FIELDS, hub=hub).hub.columns == swapped


def test_labels_and_their_values_may_be_lists():
  listed = DatasetSpec(
    **(FIELDS | {'labels': ['a', 'b', 'c'], 'label_values': [False, 1.5, 'x']})
  )
  assert listed.labels == ('a', 'b', 'c')
  assert listed.label_values == (False, 1.5, 'x')


def test_columns_may_be_called_anything_but_expressions():
  spec = DatasetSpec(**(FIELDS | {'template': '{Tweet text} {{x}}\n{größe_1}'}))
  assert spec.text_columns == ('Tweet text', 'größe_1')


def test_a_folder_is_called_after_the_dataset_unless_it_is_named():
  assert DatasetSpec(**FIELDS).local == 'reviews'
  assert DatasetSpec(**FIELDS, local='raw/reviews').local == 'raw/reviews'


@pytest.mark.parametrize(
  ('labels', 'instruction', 'named'),
  [
    (('complaint', 'praise'), 'Is it a Complaint?', ['complaint']),
    (('no hate', 'hate'), 'Is it HATE or no hate?', ['hate', 'no', 'no hate']),
    (('1', '0'), 'Write "1" or "0".', ['0', '1']),
    (('no hate', 'hate'), 'I know who hates.', []),
    (('choice 1', 'choice 2'), 'Which of the 2?', []),
  ],
)
def test_an_instruction_that_names_labels_is_told(
  caplog, labels, instruction, named
):
  change = {'labels': labels, 'instruction': instruction}
  with caplog.at_level('WARNING', logger='absl'):
    spec = DatasetSpec(**(FIELDS | change))
  assert spec.labels_in_instruction == named
  assert len(caplog.records) == bool(named)
  assert all(word in caplog.text for word in named)
