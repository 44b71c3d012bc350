"""The turns of a conversation, from the chat template that a model ships.

A template is a Jinja program that writes a conversation as text, in the form
that Hugging Face's libraries give to it. It is run in a sandbox, within limits
(see `chat_process`), on a conversation of placeholders, to find what it writes
around them. Templates that
would ask for today's date are not told it, so that prompts do not change.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from symbol_tuning.data.vocabularies import chat_process

# Of the clock; the process itself is limited in the time that it computes.
_SECONDS = 60
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
  opened, closed = _render(
    template,
    [
      {'messages': [prompt], 'add_generation_prompt': True, **values},
      {'messages': [prompt, answer], 'add_generation_prompt': False, **values},
    ],
  )
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


def _render(
  template: str, conversations: list[dict[str, Any]]
) -> tuple[str, ...]:
  """The texts of conversations, from a process with limits."""
  try:
    ended = subprocess.run(
      [sys.executable, '-I', chat_process.__file__],
      input=json.dumps({'template': template, 'conversations': conversations}),
      capture_output=True,
      text=True,
      encoding='utf-8',
      timeout=_SECONDS,
      check=False,
    )
    answer = json.loads(ended.stdout)
  except (subprocess.TimeoutExpired, ValueError):
    answer = {'error': 'it does not end, or needs too much memory'}
  if 'error' in answer:
    raise ValueError(
      'The chat template of the vocabulary cannot be run'
      f' ({" ".join(answer["error"].split())}): choose a separator other than'
      " 'chat' and 'best'."
    )
  return tuple(answer['texts'])
