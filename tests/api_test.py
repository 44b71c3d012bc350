"""Tests of the way from Python, on the tiny model."""

import re
import urllib.parse

import gin
import matplotlib.figure
import numpy as np
import processes
import pytest
import tiny_run

import symbol_tuning as st
from symbol_tuning import api, tasks


@pytest.fixture(scope='module')
def model_dir(tmp_path_factory):
  """A MODEL_DIR of the tiny model as it is before any training."""
  folder = tmp_path_factory.mktemp('runs') / 'run'
  tiny_run.save(folder)
  return folder


@pytest.fixture(scope='module')
def model(model_dir):
  return st.load(model_dir)


def test_a_run_is_loaded_with_its_model_and_vocabulary(model, model_dir):
  assert model.path == str(model_dir)
  assert model.decoder.config.num_layers == 2
  assert model.vocabulary.load().vocab_size == model.decoder.config.vocab_size
  assert not gin.config_str()


def test_prompts_are_records_that_a_model_scores(model):
  data = st.dataset('tefe', source=st.SyntheticSource())
  prompts = st.prompts(data, 'symbol_uninstructed', model.vocabulary, k=2, n=6)
  assert len(prompts) == 6
  scored = st.score(model, prompts)
  for prompt, one in zip(prompts, scored, strict=True):
    assert len(prompt.prompt.exemplars) == 6
    assert one.prompt == prompt.prompt and len(one.options) == 3
    assert all(np.isfinite(o.log_likelihood) for o in one.options)


def test_prompts_say_how_many_queries_do_not_fit(model, capfd):
  data = st.dataset('subj', source=st.SyntheticSource())

  def ask(length):
    lengths = {'inputs': length, 'targets': 24}
    return st.prompts(
      data,
      'symbol_uninstructed',
      model.vocabulary,
      n=20,
      task_feature_lengths=lengths,
    )

  assert len(ask(400)) == 20
  assert 'left out' not in capfd.readouterr().err
  some = next(n for n in range(120, 20, -2) if len(ask(n)) < 20)
  capfd.readouterr()
  num_dropped = 20 - len(ask(some))
  said = capfd.readouterr().err
  assert f'{num_dropped} of 20 queries do not fit' in said
  assert f"{{'inputs': {some}, 'targets': 24}} and are left out" in said
  with pytest.raises(ValueError, match='20 of 20 queries do not fit'):
    ask(16)


def test_a_dataset_of_ones_own_needs_a_spec_only(tmp_path, model):
  folder = tmp_path / 'own'
  folder.mkdir()
  rows = [f'{{"text": "row {i}", "label": {i % 2}}}\n' for i in range(12)]
  (folder / 'validation.jsonl').write_text(''.join(rows))
  spec = st.DatasetSpec('own', '{text}', ('no', 'yes'), 'Is it so?')
  data = st.dataset(spec, source=st.LocalSource(str(tmp_path)))
  assert len(data.examples()) == 12
  prompts = st.prompts(data, 'flipped', model.vocabulary, k=1, n=3)
  assert [one.text for one in prompts[0].prompt.options] == ['yes', 'no']


def test_models_are_evaluated_and_reported(model, tmp_path):
  results = st.evaluate(
    {'one': model, 'same': model},
    ['icl_symbol_uninstructed_subj', 'icl_flipped_subj'],
    tmp_path / 'results',
    source=st.SyntheticSource(),
    k=1,
    n=4,
  )
  table = str(results.table())
  assert 'one' in table and 'same' in table
  report = st.report(results)
  assert isinstance(report.figure('settings'), matplotlib.figure.Figure)
  with pytest.raises(ValueError, match="no figure 'wrong'; it has settings"):
    report.figure('wrong')
  page = report.write(tmp_path / 'report')
  assert page.read_text().startswith('<!')


def test_models_of_one_call_are_compared_and_links_lead_to_them(
  model, tmp_path
):
  def evaluate(*labels):
    return st.evaluate(
      dict.fromkeys(labels, model),
      ['icl_flipped_subj'],
      tmp_path / 'results',
      source=st.SyntheticSource(),
      k=1,
      n=3,
    )

  with pytest.raises(ValueError, match="'org/b' cannot be the name of a fold"):
    evaluate('a', 'org/b')
  evaluate('earlier')
  results = evaluate('zero', 'a')
  assert 'a − zero' in str(results.table())
  assert 'earlier' not in str(results.table())
  page = st.report(results).write(tmp_path / 'elsewhere' / 'report')
  links = set(re.findall('<a href="([^"#]+)"', page.read_text()))
  assert len(links) > 2
  for link in links:
    assert (page.parent / urllib.parse.unquote(link)).exists(), link


def test_ones_own_rows_become_a_plot(model, tmp_path):
  folder = tmp_path / 'tides'
  folder.mkdir()
  for split in ('train', 'validation'):
    rows = (f'{{"text": "{split} {i}", "label": {i % 2}}}' for i in range(8))
    (folder / f'{split}.jsonl').write_text('\n'.join(rows))
  spec = st.DatasetSpec('tides', '{text}', ('ebb', 'flood'), 'Which tide?')
  source = st.LocalSource(str(tmp_path))
  with pytest.raises(ValueError, match='icl_tides'):
    st.evaluate({'one': model}, ['icl_tides'], tmp_path / 'no', source=source)
  tasks.register(spec)
  results = st.evaluate(
    {'one': model}, ['icl_tides'], tmp_path / 'results', source=source, k=1, n=3
  )
  assert 'Flipped' in str(results.table())
  st.report(results).figure('settings').savefig(tmp_path / 'settings.png')
  assert (tmp_path / 'settings.png').read_bytes()[1:4] == b'PNG'


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: st.dataset('sst3'), 'Did you mean: sst2'),
    (
      lambda: st.prompts(st.dataset('subj', st.SyntheticSource()), 'odd', None),
      "no ICL setting 'odd'",
    ),
    (
      lambda: st.prompts(
        st.dataset('tefe', st.SyntheticSource()), 'flipped', None
      ),
      "'flipped' is for 2 classes; tefe has 3",
    ),
    (lambda: st.nonsense, "no 'nonsense'"),
  ],
)
def test_mistakes_are_named(call, message):
  with pytest.raises((ValueError, AttributeError), match=message):
    call()


def test_the_package_offers_what_the_module_does():
  assert api.__all__ == st._API
  assert set(st._API) <= set(dir(st))
  assert all(getattr(st, name) is getattr(api, name) for name in api.__all__)


def test_the_package_alone_imports_nothing_heavy():
  code = 'import symbol_tuning, sys; print("jax" in sys.modules)'
  done = processes.python('-c', code, check=True)
  assert done.stdout.strip() == 'False'
