"""Tests of what `symbol_tuning.inspect_tasks` prints and draws."""

import io
import os

import numpy as np
import processes
import pytest
import rich.console
import seqio

from symbol_tuning.data.prompting.formats import FORMATS
from symbol_tuning.data.prompting.records import (
  Exemplar,
  Option,
  Prompt,
  Query,
  WrittenLabel,
)
from symbol_tuning.inspection import inspecting, printing, samples
from symbol_tuning.tasks import mixtures

LENGTHS = {'inputs': 1000, 'targets': 30}
VOCABULARY = seqio.ByteVocabulary()
seqio.MixtureRegistry.add(
  'test_both_stages',
  [
    ('symbol_tuning_sst2', mixtures.symbol_rate),
    ('instruction_tuning_sst2', mixtures.instruction_rate),
  ],
)


@pytest.fixture
def show(tmp_path, monkeypatch, capsys):
  """A function that returns what is printed without a terminal."""
  monkeypatch.setenv('COLUMNS', '120')

  def run(name, **options):
    inspecting.inspect(name, LENGTHS, output_dir=str(tmp_path), **options)
    return capsys.readouterr().out

  return run


def tokens(text):
  return np.array([*VOCABULARY.encode(text), VOCABULARY.eos_id])


def an_option_prompt():
  prompt = Prompt(
    instruction='Say a or b.',
    exemplars=(Exemplar('u', 0), Exemplar('v', 1)),
    query='w',
    label=1,
    options=(WrittenLabel(0, 'a'), WrittenLabel(1, 'b')),
    format=FORMATS[0],
    num_drawn=4,
    instruction_once=True,
  )
  options = tuple(Option(text, tokens(text)) for text in (' a', ' b'))
  query = Query(0, prompt.text, tokens(prompt.text), options, 1, prompt)
  return samples.ShownPrompt.of(query)


def test_a_prompt_is_shown_to_the_end_of_its_tokens():
  prompt = an_option_prompt()
  shown = printing.prompt_text(prompt, VOCABULARY).plain
  assert shown == f'{prompt.query.text}⟨EOS⟩\n a⟨EOS⟩\n b⟨EOS⟩'


def test_labels_have_colours_and_the_right_target_stands_out():
  text = printing.prompt_text(an_option_prompt(), VOCABULARY)
  styles = [(text.plain[s.start : s.end], str(s.style)) for s in text.spans]
  seen = dict(styles)
  assert styles.count((' a', 'cyan')) == styles.count((' b', 'yellow')) == 1
  assert (' a', 'dim cyan') in styles
  assert (' b', 'reverse yellow') in styles
  assert seen['Say a or b.\n\n'] == 'italic magenta'
  assert seen['Input: w\nOutput:'] == 'bold'
  assert seen['⟨EOS⟩'] == 'dim'


def test_a_heading_tells_of_dropped_exemplars():
  heading = printing.heading(an_option_prompt(), 'some_task')
  assert str(heading.title) == 'some_task · 2 of 4 exemplars · 70 + 3 tokens'


def test_only_a_terminal_gets_colours(monkeypatch):
  monkeypatch.delenv('FORCE_COLOR', raising=False)
  text = printing.prompt_text(an_option_prompt(), VOCABULARY)
  plain, coloured = io.StringIO(), io.StringIO()
  rich.console.Console(file=plain).print(text)
  terminal = rich.console.Console(
    file=coloured, force_terminal=True, color_system='standard'
  )
  terminal.print(text)
  assert '\x1b[36m a' in coloured.getvalue()
  assert plain.getvalue() == f'{text.plain}\n'


def test_a_mixture_is_shown_task_by_task(use_data, show):
  use_data(evaluation_queries=8)
  printed = show('icl_flipped', num_shown=2)
  headings = [line for line in printed.splitlines() if '────' in line]
  assert 'icl_flipped_adec · 8 exemplars' in headings[0]
  assert 'icl_flipped_or · 8 exemplars' in headings[1]
  assert printed.count('⟨EOS⟩') == 2 * (1 + 2)
  rows = [line.split() for line in printed.splitlines()]
  counted = [row for row in rows if row[:1] == ['icl_flipped_subj']]
  assert counted[0][1:] == ['16.7%', '8', '0', '0%', '8.0', '2']
  assert ' '.join(counted[2][1:]).startswith('objective')
  limit = next(row for row in rows if row[:1] == ['limit'])
  assert limit == ['limit', '1,000', '30']


def test_shares_are_the_rates_of_the_mixture(use_data, show):
  use_data(instruction_share=0.25)
  printed = show('test_both_stages', num_examples=2, num_shown=0)
  rows = [line.split() for line in printed.splitlines()]
  shares = {row[0]: row[1] for row in rows if len(row) == 7}
  del shares['task']
  assert shares == {
    'symbol_tuning_sst2': '75.0%', 'instruction_tuning_sst2': '25.0%'
  }  # fmt: skip
  assert 'mixed by share' in printed


def test_the_histogram_is_a_picture(use_data, tmp_path, show):
  use_data()
  printed = show('symbol_tuning_sst2')
  path = tmp_path / 'symbol_tuning_sst2_lengths.png'
  assert str(path) in printed
  assert path.read_bytes().startswith(b'\x89PNG')


def test_lengths_that_fit_nothing_are_an_error(use_data, tmp_path):
  use_data()
  with pytest.raises(ValueError, match='No prompt of symbol_tuning_sst2 fits'):
    inspecting.inspect(
      'symbol_tuning_sst2',
      {'inputs': 4, 'targets': 4},
      output_dir=str(tmp_path),
    )


def test_the_command_inspects_an_experiment_and_a_module(tmp_path):
  (tmp_path / 'own.py').write_text(
    'from symbol_tuning.data.datasets.spec import DatasetSpec\n'
    'from symbol_tuning import tasks\n'
    "tasks.register(DatasetSpec('own', '{text}', ('no', 'yes'), 'Yes?'))\n"
  )
  (tmp_path / 'own').mkdir()
  row = '{{"text": "row {}", "label": {}}}\n'
  (tmp_path / 'own' / 'train.jsonl').write_text(
    ''.join(row.format(i, i % 2) for i in range(20))
  )
  own = {'SYMBOL_TUNING_DATA_ROOT': str(tmp_path), 'PYTHONPATH': ''}
  done = processes.python(
    *('-m', 'symbol_tuning.inspect_tasks', 'symbol_tuning_own'),
    '--module_import=own',
    '--gin_file=experiments/quickstart_symbol_tune.gin',
    '--gin.DATA_SOURCE=@sources.from_environment()',
    cwd=tmp_path,
    env=os.environ | own,
  )
  assert not done.returncode, done.stderr
  assert 'symbol_tuning_own · ' in done.stdout
  assert 'no 50%, yes 50%' in done.stdout
  assert '\x1b[' not in done.stdout
  assert (tmp_path / 'symbol_tuning_own_lengths.png').is_file()
