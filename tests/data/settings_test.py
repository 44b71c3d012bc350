"""What a run cannot choose about its data."""

import gin
import pytest

from symbol_tuning.data import settings
from symbol_tuning.data.datasets import sources

_IMPORTS = """
from __gin__ import dynamic_registration
from symbol_tuning.data import settings
from symbol_tuning.data import vocabularies
from symbol_tuning.data.datasets import sources
"""
_BOTH = """
settings.DataSettings.vocabulary = @vocabularies.Bytes()
settings.DataSettings.source = @sources.from_environment()
"""


@pytest.fixture
def read_gin(monkeypatch):
  """A function that gives gin some bindings, and no root of local files."""
  monkeypatch.delenv(sources.DATA_ROOT_VARIABLE, raising=False)
  gin.clear_config()
  yield lambda bindings: gin.parse_config(f'{_IMPORTS}\n{bindings}')
  gin.clear_config()
  settings.use(None)


def test_settings_of_gin_are_used(read_gin):
  read_gin(_BOTH + 'settings.DataSettings.max_examples = 7')
  assert settings.current().max_examples == 7


@pytest.mark.parametrize(
  ('bindings', 'message'),
  [
    ('', 'No vocabulary and no source is set'),
    (_BOTH.splitlines()[1], 'No source is set'),
    (_BOTH.splitlines()[2], 'No vocabulary is set'),
    (_BOTH + 'settings.DataSettings.source = %DATA', 'No source is set'),
    (
      _BOTH + 'settings.DataSettings.source = %DATA\nDATA = %gin.REQUIRED',
      'No source is set',
    ),
  ],
)
def test_what_is_not_set_is_named(read_gin, bindings, message):
  read_gin(bindings)
  with pytest.raises(ValueError, match=f'^{message}.*VOCABULARY.*DATA_SOURCE'):
    settings.current()


@pytest.mark.parametrize(
  ('binding', 'message'),
  [
    ('settings.DataSettings.max_examples = 0', 'max_examples is 0; it must'),
    ("settings.DataSettings.loss_on = 'all'", "loss_on 'all' is none of query"),
    (
      "sources.from_environment.stand_ins = (('train', 'test'),)",
      'stand_ins = .* set SYMBOL_TUNING_DATA_ROOT',
    ),
    (
      'settings.DataSettings.source = @sources.LocalSource()',
      r"LocalSource.*argument: 'root'",
    ),
  ],
)
def test_a_bad_value_in_gin_is_told_by_its_own_message(
  read_gin, binding, message
):
  read_gin(_BOTH + binding)
  with pytest.raises((TypeError, ValueError), match=f'^{message}') as error:
    settings.current()
  assert 'is set for this task' not in str(error.value)


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('random_labels', 'False'),
    ('skip_missing', 1),
    ('max_examples', 0),
    ('symbols_per_category', 0),
    ('evaluation_exemplars', -1),
    ('evaluation_queries', -5),
    ('symbol_tuning_exemplars', (3, 2)),
    ('symbol_tuning_exemplars', (0, 2)),
    ('instruction_tuning_exemplars', (0, 0)),
    ('instruction_share', 1.5),
    ('symbol_tuning_exemplars', 4),
    ('instruction_tuning_exemplars', (0.0, 4.0)),
    ('max_examples', 1e3),
    ('symbol_categories', ('emoji',)),
    ('symbol_categories', 'words'),
    ('word_files', 'words.txt'),
    ('separator', 'tab'),
  ],
)
def test_a_choice_that_cannot_be_is_named(use_data, name, value):
  with pytest.raises(ValueError, match=f'^{name} '):
    use_data(**{name: value})
