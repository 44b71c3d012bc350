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

_BLOCK = re.compile(r'^( *)```\w*\n(.*?)^\1```', re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r'python -m (symbol_tuning\.\w+)((?:[^\n\\]|\\\n|\\.)*)')


def commands(page: str) -> list[tuple[str, list[str]]]:
  """Returns module and arguments of each of our programs in a page's blocks."""
  found = []
  for _, block in _BLOCK.findall((ROOT / page).read_text(encoding='utf-8')):
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
