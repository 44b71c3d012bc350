"""Tests of the documentation: the notebook runs, and links lead somewhere."""

import json
import pathlib
import re

import pytest
import tiny_run

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*ROOT.glob('*.md'), *ROOT.glob('*/*.md')]


@pytest.fixture
def runs(tmp_path):
  """Runs of the tiny model as the quickstart leaves them, but untrained."""
  for seed, name in enumerate(('baseline', 'symbol_tuned')):
    tiny_run.save(tmp_path / 'runs' / 'quickstart' / name, seed=seed)
  return tmp_path


def test_the_notebook_runs_from_beginning_to_end(runs, monkeypatch):
  notebook = json.loads((ROOT / 'docs' / 'from_python.ipynb').read_text())
  monkeypatch.chdir(runs)
  variables = {}
  for cell in notebook['cells']:
    if cell['cell_type'] == 'code':
      source = ''.join(cell['source']).replace('n=20', 'n=2')
      exec(re.sub('^%.*', '', source, flags=re.MULTILINE), variables)
  assert str(variables['results'].table()).count('\n') == 6
  assert (runs / 'results' / 'baseline' / 'summary.json').exists()


@pytest.mark.parametrize(
  'page', PAGES, ids=lambda page: '/'.join(page.parts[-2:])
)
def test_links_lead_to_files(page):
  links = re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', page.read_text())
  missing = [
    link
    for link in links
    if '://' not in link and not (page.parent / link).exists()
  ]
  assert not missing
