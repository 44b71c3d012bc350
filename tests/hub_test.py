"""Names on the Hugging Face hub, and paths that look like them."""

import huggingface_hub
import pytest

from symbol_tuning import hub


def test_what_is_there_is_never_looked_for_elsewhere(tmp_path, monkeypatch):
  def fetch(*args, **kwargs):
    raise AssertionError('asked the hub')

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', fetch)
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'owner' / 'model').mkdir(parents=True)
  assert hub.resolve('owner/model') == tmp_path / 'owner' / 'model'
  # A folder that is there says that a path was meant.
  assert hub.resolve('owner/other') == tmp_path / 'owner' / 'other'
  assert hub.resolve(tmp_path / 'nowhere' / 'at' / 'all').name == 'all'


def test_a_name_is_fetched_without_pickles_and_code(tmp_path, monkeypatch):
  asked = {}

  def fetch(name, allow_patterns):
    asked[name] = allow_patterns
    return str(tmp_path)

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', fetch)
  assert hub.resolve('Qwen/Qwen3-0.6B') == tmp_path
  [patterns] = asked.values()
  assert '*.safetensors' in patterns
  assert not any(p.endswith(('.bin', '.py', '.pt', '*')) for p in patterns)


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(monkeypatch):
  def fetch(name, allow_patterns):
    raise ConnectionError('no network\nand more')

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', fetch)
  with pytest.raises(FileNotFoundError, match='No checkpoint at') as error:
    hub.resolve('owner/model')
  assert 'owner/model (no network)' in str(error.value)
  assert '\n' not in str(error.value)
