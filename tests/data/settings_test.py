"""What a run cannot choose about its data."""

import pytest


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('max_examples', 0),
    ('symbols_per_category', 0),
    ('evaluation_exemplars', -1),
    ('evaluation_queries', -5),
    ('symbol_tuning_exemplars', (3, 2)),
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
