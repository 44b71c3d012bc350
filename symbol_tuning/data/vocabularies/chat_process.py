"""Runs a chat template, in a process of its own with little time and memory.

A template is a program of whoever made the model. Jinja's sandbox keeps it from
files and from Python, but not from running for ever, or from filling memory.
`chat` starts this file, without importing the package, and talks JSON with it.
"""

import json
import resource
import sys
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

CPU_SECONDS = 2
MEMORY = 2**30


class _Generation(jinja2.ext.Extension):
  """{% generation %}, which marks what an assistant says."""

  tags = frozenset(['generation'])  # type: ignore[assignment]  # only read

  def parse(self, parser: Any) -> Any:
    next(parser.stream)
    return parser.parse_statements(('name:endgeneration',), drop_needle=True)


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
  environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[jinja2.ext.loopcontrols, _Generation],
  )
  environment.filters['tojson'] = _to_json
  environment.globals['raise_exception'] = _refuse
  return environment


def _to_json(value: Any, indent: int | None = None) -> str:
  return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
  raise jinja2.TemplateError(message)


def _render(template: str, conversations: list[dict[str, Any]]) -> Any:
  """The texts of conversations, or why there are none."""
  try:
    program = _environment().from_string(template)
    return {'texts': [program.render(**values) for values in conversations]}
  except MemoryError:
    return {'error': 'it needs too much memory'}
  except RecursionError:
    return {'error': 'it calls itself without an end'}
  except Exception as error:
    return {'error': str(error) or type(error).__name__}


def main() -> None:
  resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
  resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
  print(json.dumps(_render(**json.load(sys.stdin))))


if __name__ == '__main__':
  main()
