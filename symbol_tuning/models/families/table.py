"""The table of docs/families.md, made from the registry.

    python -m symbol_tuning.models.families.table

rewrites it in a checkout of the project.
"""

import json
import pathlib

from symbol_tuning.models import families
from symbol_tuning.models.families.family import Family

ROOT = pathlib.Path(__file__).parents[3]
PAGE = ROOT / 'docs' / 'families.md'
GOLDEN = ROOT / 'tests' / 'golden'
BEGIN, END = '<!-- table: begin -->\n', '<!-- table: end -->\n'


def markdown(golden: dict[str, list[str]]) -> str:
  """The table.

  Args:
    golden: names of the recorded models of each model_type.
  """
  rows = [
    '| family | models | model_type | GGUF | golden tests |',
    '| --- | --- | --- | --- | --- |',
    *(_row(family, golden) for family in families.FAMILIES),
  ]
  return '\n'.join(rows) + '\n'


def _row(family: Family, golden: dict[str, list[str]]) -> str:
  cells = (
    family.name,
    family.members,
    f'`{family.model_type}`',
    _gguf(family),
    ', '.join(golden.get(family.model_type, ())) or 'none',
  )
  return f'| {" | ".join(cells)} |'


def _gguf(family: Family) -> str:
  if family.gguf_architecture:
    return f'`{family.gguf_architecture}`'
  if family.gguf_reads_as:
    return f'`{family.gguf_reads_as}`, as such'
  return 'no'


def golden_models() -> dict[str, list[str]]:
  """Names of the recorded models in tests/golden, by model_type."""
  names: dict[str, list[str]] = {}
  for path in sorted(GOLDEN.glob('*/config.json')):
    model_type = json.loads(path.read_text(encoding='utf-8'))['model_type']
    names.setdefault(model_type, []).append(path.parent.name)
  return names


def updated(page: str) -> str:
  """The page with the table as it should be."""
  before, rest = page.split(BEGIN)
  _, after = rest.split(END)
  return f'{before}{BEGIN}{markdown(golden_models())}{END}{after}'


if __name__ == '__main__':
  text = updated(PAGE.read_text(encoding='utf-8'))
  PAGE.write_text(text, encoding='utf-8')
