"""What files of others may not do.

That templates run with limits is tested in data/vocabularies, that indices of
safetensors stay in their folder and pickles are refused in models/checkpoints,
that reports escape what they show in reporting.
"""

import ast
import json
import os
import pathlib
import stat
import sys

import pytest

from symbol_tuning import files, reading
from symbol_tuning.evaluation import results
from symbol_tuning.models import parameters

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted((ROOT / 'symbol_tuning').rglob('*.py')) + sorted(
  (ROOT / 'launch').rglob('*.py')
)
# Calls that run what a file or a text holds.
_MODULES = {'pickle', 'cloudpickle', 'dill', 'shelve', 'marshal', 'joblib'}
_CALLS = {'eval', 'exec', 'os.system', 'os.popen', 'torch.load', 'yaml.load'}
_ARGUMENTS = {'allow_pickle', 'trust_remote_code', 'shell'}


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: path.name)
def test_no_pickle_no_remote_code_and_no_shell(path):
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      assert not _MODULES & {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.module not in _MODULES
    elif isinstance(node, ast.Call):
      assert ast.unparse(node.func) not in _CALLS
      for keyword in node.keywords:
        if keyword.arg in _ARGUMENTS:
          assert ast.unparse(keyword.value) == 'False'


def test_code_in_a_model_folder_is_not_run(tmp_path, monkeypatch):
  ran = tmp_path / 'ran'
  for name in ('modeling_evil.py', 'configuration_evil.py'):
    (tmp_path / name).write_text(f'open({str(ran)!r}, "w")\nclass C: pass\n')
  config = {
    'model_type': 'evil',
    'architectures': ['C'],
    'auto_map': {
      'AutoConfig': 'configuration_evil.C',
      'AutoModelForCausalLM': 'modeling_evil.C',
    },
  }
  (tmp_path / 'config.json').write_text(json.dumps(config))
  monkeypatch.chdir(tmp_path)
  with pytest.raises(ValueError, match='evil'):
    parameters.read_config(tmp_path)
  assert not ran.exists()
  assert not {'modeling_evil', 'configuration_evil'} & sys.modules.keys()


@pytest.mark.parametrize(
  'name', ['../x', '/etc/passwd', 'a/../../x', '', 'gs://bucket/x']
)
def test_names_that_lead_out_of_a_folder_are_refused(name):
  with pytest.raises(reading.UnreadableError, match='is not in its folder'):
    reading.check_within(name, 'manifest.json')
  assert reading.check_within('a/b.jsonl', 'summary.json') == 'a/b.jsonl'


def test_results_cannot_name_files_elsewhere(tmp_path):
  task = dict.fromkeys(results.TaskResult.__dataclass_fields__) | {
    'predictions': '../../secret.jsonl'
  }
  mixture = dict.fromkeys(results.MixtureResult.__dataclass_fields__) | {
    'tasks': {'t': task},
    'setting': None,
  }
  summary = dict.fromkeys(results.Summary.__dataclass_fields__) | {
    'mixtures': {'m': mixture},
    'unfinished': [],
  }
  (tmp_path / results.SUMMARY).write_text(json.dumps(summary))
  with pytest.raises(ValueError, match=r'names .*secret.* not in its folder'):
    results.read_summary(tmp_path)


def test_folders_that_are_being_written_are_private(tmp_path):
  before = os.umask(0)
  try:
    with files.new_folder(tmp_path / 'target') as partial:
      seen = stat.S_IMODE(partial.stat().st_mode)
  finally:
    os.umask(before)
  assert seen & 0o022 == 0
