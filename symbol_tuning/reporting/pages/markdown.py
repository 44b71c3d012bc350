"""A report as Markdown, beside the files of its figures."""

from collections.abc import Iterator

from symbol_tuning.reporting.pages.document import Document, Section


def write(document: Document) -> str:
  """Returns the report; the tables of details are named, not shown."""
  blocks = [f'# {document.title}', document.note]
  blocks += [f'> **Note.** {one}' for one in document.caveats]
  for part in document.parts:
    blocks.append(f'## {part.title}')
    for section in part.sections:
      blocks += _section(section)
  blocks += ['## Method', *document.method]
  return '\n\n'.join(block for block in blocks if block) + '\n'


def _section(section: Section) -> Iterator[str]:
  yield f'### {section.title}'
  yield section.reading
  for table in section.tables:
    yield f'**{table.title}**'
    yield table.markdown()
  for chart in section.charts:
    yield f'![{chart.title}]({chart.name}.png)'
  for table in section.details:
    yield f'[{table.title}]({table.name}.csv)'
