"""Tests of the record of a prompt."""

import collections
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbol_tuning.data.prompting import formats, records
from symbol_tuning.data.prompting.records import Exemplar, Prompt, WrittenLabel


def make_prompt(labels, label=0, **changes):
  """Returns a prompt with an exemplar of each of these classes."""
  classes = sorted({*labels, label})
  return Prompt(
    **{
      'instruction': '',
      'exemplars': tuple(Exemplar(f't{i}', c) for i, c in enumerate(labels)),
      'query': 'asked',
      'label': label,
      'options': tuple(WrittenLabel(c, f'L{c}', 'letters') for c in classes),
      'format': formats.FORMATS[0],
      'num_drawn': len(labels),
      **changes,
    }
  )


prompts = st.builds(
  make_prompt,
  st.lists(st.integers(0, 4), min_size=1, max_size=12).map(
    lambda x: [1, *x, 0]
  ),
  instruction=st.sampled_from(['', 'Do it.']),
  instruction_once=st.booleans(),
  lists_options=st.booleans(),
  format=st.sampled_from(formats.FORMATS),
)


@given(prompts, st.integers(2, 12))
def test_exemplars_are_dropped_class_by_class_and_never_the_querys_last(
  prompt, most
):
  kept = prompt.kept(most)
  assert len(kept.exemplars) == min(most, len(prompt.exemplars))
  # The order is the same.
  remaining = iter(prompt.exemplars)
  assert all(exemplar in remaining for exemplar in kept.exemplars)
  counts = collections.Counter(one.label for one in kept.exemplars)
  before = collections.Counter(one.label for one in prompt.exemplars)
  assert counts[prompt.label] >= 1 and kept.is_answerable
  fullest = max(counts.values())
  for label, number in before.items():
    assert counts[label] >= min(number, fullest - 1)
  assert kept.num_drawn == prompt.num_drawn


@given(prompts, st.integers(1, 12))
def test_options_are_the_classes_that_are_shown(prompt, most):
  kept = prompt.kept(most)
  shown = {exemplar.label for exemplar in kept.exemplars}
  if most < len(prompt.exemplars):
    assert {option.label for option in kept.options} == shown
  assert kept.answer.label == prompt.label
  assert kept.options[kept.answer_index] == kept.answer


@given(prompts)
def test_pieces_join_to_the_text_and_records_to_json(prompt):
  pieces = list(prompt.pieces())
  assert ''.join(piece.text for piece in pieces) == prompt.text
  labels = [p.text.strip() for p in pieces if p.kind == records.LABEL]
  assert labels == [f'L{exemplar.label}' for exemplar in prompt.exemplars]
  values = json.loads(json.dumps(prompt.to_json()))
  assert Prompt.from_json(values) == prompt


@given(prompts, st.integers(2, 12))
def test_an_instruction_lists_the_options_that_there_are(prompt, most):
  kept = dataclasses.replace(
    prompt, instruction='Do it.', lists_options=True
  ).kept(most)
  listed = ', '.join(option.text for option in kept.options)
  assert f'Do it.\nOptions: {listed}\n' in kept.text


@pytest.mark.parametrize(
  ('labels', 'answerable'),
  [([1, 1], False), ([0, 1], True), ([0, 0], False), ([], True)],
)
def test_a_prompt_can_be_answered_if_it_shows_the_class_and_another_or_none(
  labels, answerable
):
  assert make_prompt(labels).is_answerable == answerable
