"""The table of docs/families.md is that of the registry."""

from symbol_tuning.models import families
from symbol_tuning.models.families import table


def test_the_page_has_the_table_of_the_registry():
  page = table.PAGE.read_text(encoding='utf-8')
  assert page == table.updated(page), (
    'run python -m symbol_tuning.models.families.table'
  )
  for family in families.FAMILIES:
    assert f'| {family.name} |' in page


def test_every_family_has_a_recorded_model():
  recorded = table.golden_models()
  assert {family.model_type for family in families.FAMILIES} <= set(recorded)
