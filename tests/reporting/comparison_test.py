"""Checkpoints are compared on what they share, and readers are warned."""

import dataclasses
import re

import pytest

from symbol_tuning.reporting import comparison, outcomes, runs, steps
from symbol_tuning.reporting.caveats import caveats

SYMBOLS = 'icl_symbol_uninstructed'


def test_an_average_gives_every_task_the_same_weight(fake):
  one = fake.collect(
    'one',
    {
      (SYMBOLS, 'subj'): fake.predictions(90, 100),
      (SYMBOLS, 'teab'): fake.predictions(5, 10, ('a', 'b', 'c')),
    },
  )
  [row] = comparison.settings([one]).values()
  assert row.name == 'Symbols, uninstructed'
  assert row.accuracies[0].value == pytest.approx(0.7)
  assert row.chance == pytest.approx((1 / 2 + 1 / 3) / 2)
  assert (row.num_tasks, row.num_queries) == (2, 110)


def test_averages_are_over_the_tasks_that_checkpoints_share(fake):
  both = {
    (SYMBOLS, 'subj'): fake.predictions(50),
    (SYMBOLS, 'teab'): fake.predictions(10),
  }
  first = fake.collect('first', both)
  second = fake.collect('second', {(SYMBOLS, 'subj'): fake.predictions(80)})
  third = fake.collect('third', {('icl_flipped', 'subj'): fake.predictions(8)})
  [symbols, flipped] = comparison.settings([first, second, third]).values()
  assert [e and e.value for e in symbols.accuracies] == [0.5, 0.8, None]
  assert symbols.differences[0].value == pytest.approx(0.3)
  assert symbols.differences[1] is None
  assert [e and e.value for e in flipped.accuracies] == [None, None, 0.08]
  [warning] = caveats([first, second, third])
  assert warning.startswith('The average of Symbols, uninstructed leaves out')
  assert 'icl_symbol_uninstructed_teab' in warning


def in_a_chat(one):
  options = tuple(
    dataclasses.replace(option, text=option.text.strip())
    for option in one.options
  )
  return dataclasses.replace(
    one, text=f'You are asked:\n\n{one.text}', options=options
  )


def test_the_same_queries_are_paired_whatever_the_prompt(fake):
  """Both wrong on the same half of the queries: the difference is certain."""
  made = fake.predictions(50)
  others = [in_a_chat(one) for one in made]
  tasks = [{('icl_flipped', 'subj'): p} for p in (made, others)]
  first = fake.collect('first', tasks[0])
  second = fake.collect('second', tasks[1], settings={'separator': 'none'})
  [row] = comparison.settings([first, second]).values()
  assert row.differences[0].half_width == 0
  separators, prompts = caveats([first, second])
  assert 'first eos; second none' in separators
  assert 'read other prompts to the same queries in Flipped' in prompts


def test_other_queries_are_not_paired_and_said_to_be_others(fake):
  first = fake.collect('first', {('icl_flipped', 'subj'): fake.predictions(50)})
  moved = [
    dataclasses.replace(p, query=p.query + 1000) for p in fake.predictions(50)
  ]
  second = fake.collect('second', {('icl_flipped', 'subj'): moved})
  [row] = comparison.settings([first, second]).values()
  assert row.differences[0].half_width > 0.1
  [warning] = caveats([first, second])
  assert warning.startswith('first and second had other queries in Flipped')


def test_the_order_of_predictions_is_no_matter(fake):
  made = fake.predictions(50)
  first = fake.collect('first', {('icl_flipped', 'subj'): made})
  second = fake.collect('second', {('icl_flipped', 'subj'): made[::-1]})
  assert not caveats([first, second])


def test_a_setting_that_is_not_recorded_is_one_that_is_not_set(fake):
  tasks = {('icl_flipped', 'subj'): fake.predictions(50)}
  first = fake.collect('first', tasks)
  second = fake.collect('second', tasks, settings={'word_files': None})
  assert not caveats([first, second])


def test_settings_that_differ_are_named(fake):
  tasks = {('icl_flipped', 'subj'): fake.predictions(50)}
  first = fake.collect('first', tasks, settings={'evaluation_exemplars': 4})
  second = fake.collect('second', tasks, settings={'evaluation_exemplars': 8})
  [warning] = caveats([first, second])
  assert 'different evaluation_exemplars: first 4; second 8' in warning


@pytest.mark.parametrize('has_digests', [True, False])
def test_predictions_that_do_not_give_the_summary_are_refused(
  fake, has_digests
):
  folder = fake.write('one', {('icl_flipped', 'subj'): fake.predictions(50)})
  path = folder / 'icl_flipped' / 'icl_flipped_subj.jsonl'
  lines = path.read_text().splitlines()
  path.write_text('\n'.join(lines[:40]))
  expected = r'subj\.jsonl is not what was written'
  if not has_digests:  # as in results of earlier versions
    expected = r'gives 100\.00 % accuracy.*50\.00 %'
    summary = folder / 'summary.json'
    text = re.sub(
      '"(digest|sha256)": "[^"]*"', r'"\1": null', summary.read_text()
    )
    summary.write_text(text.replace('"sha256": null', '"sha256": ""'))
  [run] = runs.load_runs([folder])
  with pytest.raises(ValueError, match=expected):
    outcomes.collect(run)


def training(fake, name, num_correct_by_step):
  return [
    fake.collect(
      f'{name}/step_{step}',
      {('icl_flipped', 'subj'): fake.predictions(num_correct)},
      path=f'/trained/{name}/checkpoints/{step}',
      step=step,
    )
    for step, num_correct in num_correct_by_step.items()
  ]


def test_the_last_step_stands_for_a_training(fake):
  tuned = training(fake, 'tuned', {400: 60, 100: 40, 200: 50})
  other = fake.collect('other', {('icl_flipped', 'subj'): fake.predictions(9)})
  [series] = steps.find_series([other, *tuned])
  assert series.name == 'tuned'
  found = [one.summary.step for one in series.checkpoints]
  assert found == [100, 200, 400]
  compared = steps.to_compare([other, *tuned], [series])
  assert compared == [other, tuned[0]]
  alone = steps.to_compare(tuned, [series])
  assert [one.summary.step for one in alone] == [100, 400]


def test_two_steps_are_no_series(fake):
  assert not steps.find_series(training(fake, 'tuned', {100: 40, 200: 50}))


def test_partly_shown_classes_and_dropped_queries_are_told(fake):
  made = [
    dataclasses.replace(
      one,
      prompt=dataclasses.replace(
        one.prompt,
        label=7 * one.label,
        options=tuple(
          dataclasses.replace(option, label=7 * option.label)
          for option in one.prompt.options
        ),
        exemplars=(),
      ),
    )
    for one in fake.predictions(50)
  ]
  one = fake.collect('one', {('icl_flipped', 'banking'): made}, num_dropped=3)
  few, dropped = caveats([one])
  assert few.startswith('Prompts of banking show 2 of 8 classes')
  assert 'banking 3' in dropped
  [row] = comparison.settings([one]).values()
  assert row.chance == 0.5


def test_a_setting_of_ones_own_has_its_own_name(fake):
  """Though the report does not know where it was declared."""
  made = {('my_icl', 'reviews'): fake.predictions(50)}
  one = fake.collect('one', made)
  assert outcomes.titles([one]) == {'my_icl': 'My icl'}
