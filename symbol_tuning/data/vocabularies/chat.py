"""The turns of a conversation, from the chat template that a model ships.

A template is a Jinja program that writes a conversation as text, in the form
that Hugging Face's libraries give to it. It is run in a sandbox, on a
conversation of placeholders, to find what it writes around them. Templates that
would ask for today's date are not told it, so that prompts do not change.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

_PROMPT, _ANSWER = 'PROMPT-9f1c', 'ANSWER-9f1c'


@dataclasses.dataclass(frozen=True)
class Turns:
  """What a template writes around a prompt and its answer.

  Attributes:
    before: the prompt.
    between: the prompt and the answer.
    after: the answer.
  """

  before: str
  between: str
  after: str


def turns(template: str, special_tokens: Mapping[str, str]) -> Turns:
  """Finds the turns of a template.

  Args:
    template: in Jinja.
    special_tokens: what it may write, such as {'bos_token': '<s>'}.

  Raises:
    ValueError: if it cannot be run, or does not write prompt and answer once
      and as they are.
  """
  prompt = {'role': 'user', 'content': _PROMPT}
  # What transformers gives to every template; a model that would think before
  # it answers is asked to answer at once.
  values = {
    **special_tokens,
    'tools': None,
    'documents': None,
    'enable_thinking': False,
  }
  answer = {'role': 'assistant', 'content': _ANSWER}
  try:
    program = _environment().from_string(template)
    opened = program.render(
      messages=[prompt], add_generation_prompt=True, **values
    )
    closed = program.render(
      messages=[prompt, answer], add_generation_prompt=False, **values
    )
  except (jinja2.TemplateError, TypeError) as error:
    raise ValueError(
      f'The chat template of the vocabulary cannot be run ({error}): choose a'
      " separator other than 'chat' and 'best'."
    ) from error
  before, between = _around(_PROMPT, opened)
  return Turns(before, between, after=_around(_ANSWER, closed)[1])


def _around(placeholder: str, text: str) -> tuple[str, str]:
  parts = text.split(placeholder)
  if len(parts) != 2:
    raise ValueError(
      'The chat template of the vocabulary writes a turn'
      f' {len(parts) - 1} times: choose a separator other than'
      " 'chat' and 'best'."
    )
  return parts[0], parts[1]


class _Generation(jinja2.ext.Extension):
  """{% generation %}, which marks what an assistant says."""

  tags = frozenset(['generation'])

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
