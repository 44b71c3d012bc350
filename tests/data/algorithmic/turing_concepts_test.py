"""Tests of the P3 interpreter, its concepts and their witness sets."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbol_tuning.data.algorithmic import turing_concepts

bit_strings = st.text('01', max_size=8)


@pytest.mark.parametrize(
  ('program', 'bits', 'output'),
  [
    ('', '01', ''),
    ('o', '10', '1'),
    ('o', '', ''),
    ('ooo', '0', '000'),
    ('>o', '01', '1'),
    ('>o', '0', ''),
    ('+o', '0', '1'),
    ('+o', '1', ''),
    ('++o', '1', '0'),
    ('-o', '1', '0'),
    ('-o', '0', ''),
    # Left of the input is a blank: the next symbol is 0, the previous one 1.
    ('<+o', '1', '0'),
    ('<-o', '0', '1'),
    # A blank ends the program, although more could be output.
    ('>o<o', '1', ''),
    ('o>o<o', '10', '101'),
    ('[o>]', '0110', '0110'),
    ('[o>]', '', ''),
    ('[>]<[o<]', '001', '100'),
    # The left shift: from the second bit on, then the first.
    ('>[o>]<[<]>o', '1000', '0001'),
    ('>[o>]<[<]>o', '1', '1'),
    # Makes each 0 a 1; the first 1 becomes a blank, which ends it.
    ('[+o>]', '0010', '11'),
    ('[-o>]', '110', '00'),
    # A loop in a loop: the inner one blanks the second bit, 1 by way of 0.
    ('[>[o-]<-]>o', '01', '10'),
  ],
)
def test_programs_worked_by_hand(program, bits, output):
  assert turing_concepts.run(program, bits) == output


def test_a_program_that_does_not_end_is_given_up():
  assert turing_concepts.run('[]', '1') is None
  assert turing_concepts.run('[]', '') == ''
  assert turing_concepts.run('[o]', '0') is None


def test_the_last_step_may_end_the_program():
  assert turing_concepts.run('oo', '1', max_steps=2) == '11'
  assert turing_concepts.run('oo', '1', max_steps=1) is None


@pytest.mark.parametrize(
  ('program', 'message'),
  [
    ('[o', 'leaves a bracket open'),
    ('o]', 'closes a bracket'),
    ('][', 'closes a bracket'),
    ('o.', 'none of'),
  ],
)
def test_malformed_programs_are_refused(program, message):
  with pytest.raises(ValueError, match=message):
    turing_concepts.run(program, '0')


@settings(max_examples=100, deadline=None)
@given(st.text(turing_concepts.INSTRUCTIONS, max_size=12), bit_strings)
def test_outputs_are_bits_and_always_the_same(program, bits):
  try:
    output = turing_concepts.run(program, bits, max_steps=200)
  except ValueError:
    return
  assert output is None or set(output) <= {'0', '1'}
  assert output == turing_concepts.run(program, bits, max_steps=200)


@settings(max_examples=50, deadline=None)
@given(bit_strings)
def test_opposite_instructions_cancel(bits):
  first = turing_concepts.run('o', bits)
  for program in ('<>o', '><o', '+-o', '-+o', '+++o'):
    assert turing_concepts.run(program, bits) == first


def test_programs_are_balanced_and_counted():
  # 5 instructions beside brackets; pairs of brackets from length 2 on.
  programs = list(turing_concepts.programs(4))
  by_length = [sum(len(p) == n for p in programs) for n in range(5)]
  nested_pairs = 2  # [][] and [[]]
  assert by_length == [
    1, 5, 5**2 + 1, 5**3 + 3 * 5, 5**4 + 6 * 5**2 + nested_pairs
  ]  # fmt: skip
  assert len(set(programs)) == len(programs)
  assert programs[:4] == ['', '<', '>', '+']


def test_there_are_17_concepts_of_at_most_3_instructions():
  concepts = turing_concepts.concepts(3)
  programs = [concept.program for concept in concepts]
  assert programs == [
    'o', '>o', '+o', '-o', 'oo', '<+o', '<-o', '>>o', '>+o', '>-o', '>oo',
    '+oo', '-oo', 'o>o', 'o+o', 'o-o', 'ooo',
  ]  # fmt: skip
  assert len({concept.outputs for concept in concepts}) == 17


def test_equivalent_programs_are_one_concept():
  longer = {concept.program for concept in turing_concepts.concepts(4)}
  assert '+o' in longer
  assert not {'><o', '+++o', '--o', 'o<', 'o>'} & longer


@pytest.mark.parametrize('concept', turing_concepts.concepts(3))
def test_witnesses_single_the_concept_out_of_all_earlier_programs(concept):
  assert turing_concepts.learn(concept.witnesses) == concept
  for program in turing_concepts.programs(3):
    if program == concept.program:
      break
    assert any(
      turing_concepts.run(program, bits) != output
      for bits, output in concept.witnesses
    )


@pytest.mark.parametrize('program', ['<+o', '>>o', '>+o'])
def test_no_smaller_set_of_examples_would_do(program):
  concepts = {c.program: c for c in turing_concepts.concepts(3)}
  concept = concepts[program]
  pairs = list(zip(turing_concepts.INPUTS, concept.outputs, strict=True))
  size = teaching_size(concept.witnesses)
  assert len(concept.witnesses) == 2
  for count in (1, 2):
    for examples in itertools.combinations(pairs, count):
      if teaching_size(examples) < size:
        earlier = itertools.takewhile(
          lambda other: other != program, turing_concepts.programs(3)
        )
        assert any(
          all(turing_concepts.run(p, bits) == out for bits, out in examples)
          for p in earlier
        )


def teaching_size(examples):
  return sum(len(bits) + len(output) + 2 for bits, output in examples)


def test_the_learner_finds_nothing_for_a_longer_concept():
  assert turing_concepts.learn([('0110', '0110'), ('10', '10')]) is None


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 8), st.integers(1, 8))
def test_questions_hold_out_their_queries(seed, num_additional, num_queries):
  asked = turing_concepts.questions(num_additional, num_queries, seed)
  again = turing_concepts.questions(num_additional, num_queries, seed)
  assert asked == again
  assert len(asked) == 17 * num_queries
  concepts = {c.program: c for c in turing_concepts.concepts(3)}
  for question in asked:
    witnesses = concepts[question.origin].witnesses
    shown = [parse(shot) for shot in question.shots]
    assert shown[: len(witnesses)] == list(witnesses)
    assert len(set(shown)) == len(witnesses) + num_additional
    query, _ = parse(question.query)
    assert query not in [bits for bits, _ in shown]
    answer = turing_concepts.run(question.origin, query)
    assert question.answers == (f"'{answer}'",)
    assert re.findall(question.output_regex, f" '{answer}'") == [f"'{answer}'"]
  assert len({q.query + q.origin for q in asked}) == len(asked)


def parse(shot):
  return re.fullmatch(r"Input: '(\d+)'\nOutput:(?: '(\d*)')?", shot).groups()
