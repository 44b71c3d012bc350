"""Runs the quickstart, with so few steps that nothing is learned."""

import json
import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[2] / 'launch' / 'quickstart.sh'
SETTINGS = {
  'icl_natural_instructed',
  'icl_natural_uninstructed',
  'icl_symbol_instructed',
  'icl_symbol_uninstructed',
  'icl_flipped',
}


def test_every_stage_hands_on_to_the_next(tmp_path):
  python = pathlib.Path(sys.executable).parent
  ended = subprocess.run(
    [
      'bash',
      SCRIPT,
      tmp_path / 'run',
      '--gin.TRAIN_STEPS=2',
      '--gin.settings.DataSettings.evaluation_queries=2',
    ],
    capture_output=True,
    text=True,
    env=os.environ | {'PATH': f'{python}:{os.environ["PATH"]}'},
    cwd=tmp_path,
  )
  assert ended.returncode == 0, ended.stderr
  assert 'no effect' not in ended.stderr
  for stage in ('pretrained', 'baseline', 'symbol_tuned'):
    assert (tmp_path / 'run' / stage / 'checkpoints' / '2').is_dir()
  for model in ('baseline', 'symbol_tuned'):
    folder = tmp_path / 'run' / 'eval' / model
    summary = json.loads((folder / 'summary.json').read_text())
    assert summary['mixtures'].keys() == SETTINGS
  report = tmp_path / 'run' / 'report'
  assert 'Symbols, uninstructed' in (report / 'report.md').read_text()
  for figure in ('settings.png', 'flipped.png'):
    assert (report / figure).read_bytes().startswith(b'\x89PNG')
    assert figure in ended.stdout
