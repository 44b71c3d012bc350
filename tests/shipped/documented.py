"""The commands that pages and headers of gin files tell people to type."""

import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).parents[2]
PAGES = (
  'README.md',
  'RESULTS.md',
  'tasks/README.md',
  'launch/README.md',
  'gin/README.md',
)

_BLOCK = re.compile(r'^( *)```(\w*)\n(.*?)^\1```', re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r'python -m (symbol_tuning\.\w+)((?:[^\n\\]|\\\n|\\.)*)')


def blocks(page: str, language: str | None = None) -> list[str]:
  """Returns a page's blocks of code, of any language or of one."""
  found = _BLOCK.findall((ROOT / page).read_text(encoding='utf-8'))
  return [text for _, written, text in found if language in (None, written)]


def commands(page: str) -> list[tuple[str, list[str]]]:
  """Returns module and arguments of each of our programs in a page's blocks."""
  found = []
  for block in blocks(page):
    for module, arguments in _COMMAND.findall(block):
      words = shlex.split(arguments.replace('\\\n', ' '))
      found.append((module, [word for word in words if word != '…']))
  return found


def flags_of_header(path: pathlib.Path) -> list[str]:
  """Returns the flags with which a gin file says that it is used."""
  header = re.match(r'(?:#.*\n|\n)*', path.read_text(encoding='utf-8'))[0]
  text = header.replace('\\\n#', ' ')
  lines = re.findall(r'--gin_file=ablations/.*', text)
  return shlex.split(lines[0])
