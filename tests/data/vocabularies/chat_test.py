"""The turns that chat templates write."""

import pytest

from symbol_tuning.data.vocabularies import chat

CHATML = """\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\n' }}
{%- endif %}
"""
# With another name for the assistant, and content without space around it.
GEMMA = (
  '{{ bos_token }}{%- for message in messages %}'
  "{% set role = 'model' if message.role == 'assistant' else message.role %}"
  '<start_of_turn>{{ role }}\n{{ message.content | trim }}<end_of_turn>\n'
  '{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}'
)
# Asks for the date where it is told, and marks what the assistant says.
DATED = (
  "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% endif %}"
  "{% for message in messages %}{% if message.role == 'user' %}"
  '[INST] {{ message.content }} [/INST]{% else %}{% generation %}'
  ' {{ message.content }}{{ eos_token }}{% endgeneration %}{% endif %}'
  '{% endfor %}'
)

# Thinks before it answers unless it is told not to.
THINKING = (
  "{% for message in messages %}{% if message.role == 'user' %}"
  '<user>{{ message.content }}</s>{% else %}'
  '<model><think></think>{{ message.content }}</s>{% endif %}{% endfor %}'
  '{% if add_generation_prompt %}<model>'
  '{% if enable_thinking is defined and not enable_thinking %}'
  '<think></think>{% endif %}{% endif %}'
)


@pytest.mark.parametrize(
  ('template', 'before', 'between', 'after'),
  [
    (
      CHATML, '<|im_start|>user\n', '<|im_end|>\n<|im_start|>assistant\n',
      '<|im_end|>\n',
    ),
    (
      GEMMA, '<bos><start_of_turn>user\n',
      '<end_of_turn>\n<start_of_turn>model\n', '<end_of_turn>\n',
    ),
    (DATED, '[INST] ', ' [/INST]', '</s>'),
    (THINKING, '<user>', '</s><model><think></think>', '</s>'),
  ],
)  # fmt: skip
def test_turns_are_found(template, before, between, after):
  special = {'bos_token': '<bos>', 'eos_token': '</s>'}
  assert chat.turns(template, special) == chat.Turns(before, between, after)


@pytest.mark.parametrize(
  ('template', 'why'),
  [
    ('nothing', 'writes a turn 0 times'),
    ('{{ messages[0].content * 2 }}', 'writes a turn 2 times'),
    ('{{ raise_exception("no system turn") }}', 'no system turn'),
    ('{% for', 'cannot be run'),
    ('{{ 1 // 0 }}', 'zero'),
    ('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'calls itself'),
    (
      '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}'
      '{% endfor %}',
      'does not end',
    ),
    ("{{ 'x' * 10 ** 10 }}", 'memory'),
    ("{{ ''.__class__.__mro__ }}", 'unsafe'),
    ("{% include '/etc/passwd' %}", 'no loader'),
    ('{{ messages.append(1) }}', 'not callable|unsafe|immutable'),
  ],
)
def test_templates_that_cannot_be_used_are_refused_in_one_line(template, why):
  with pytest.raises(ValueError, match=why) as error:
    chat.turns(template, {})
  assert '\n' not in str(error.value)
  assert 'choose a separator' in str(error.value)
