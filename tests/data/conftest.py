"""A tokenizer in a Hugging Face folder, with and without a chat template."""

import json
import shutil

import byte_level
import pytest
import tokenizers
from tokenizers import normalizers, processors

import symbol_tuning.tasks  # noqa: F401  # Registers the tasks.

EOS = '<|end|>'
CHAT = (
  '{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>'
  '{{ message.content }}<|turn|>\n{% endfor %}'
  '{% if add_generation_prompt %}<|assistant|>{% endif %}'
)
SPECIAL = ('<|user|>', '<|assistant|>', '<|turn|>')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A byte-level tokenizer without merges, as a Hugging Face folder has it."""
  path = tmp_path_factory.mktemp('checkpoint')
  byte_level.tokenizer(EOS).save(str(path / 'tokenizer.json'))
  (path / 'config.json').write_text(json.dumps({'eos_token_id': 256}))
  return path


@pytest.fixture(params=['tokenizer_config.json', 'chat_template.jinja'])
def chat_folder(folder, tmp_path, request):
  """The tokenizer with the tokens of turns, and a template in either file."""
  tokenizer = tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))
  tokenizer.add_special_tokens([*SPECIAL, '<s>'])
  tokenizer.save(str(tmp_path / 'tokenizer.json'))
  shutil.copy(folder / 'config.json', tmp_path)
  config = {'bos_token': {'content': '<s>'}}
  if request.param == 'chat_template.jinja':
    (tmp_path / request.param).write_text(CHAT)
  else:
    config['chat_template'] = [{'name': 'default', 'template': CHAT}]
  (tmp_path / 'tokenizer_config.json').write_text(json.dumps(config))
  return tmp_path


@pytest.fixture
def llama_folder(folder, tmp_path):
  """A tokenizer that begins texts with BOS and a space, as Llama 2's does."""
  tokenizer = tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))
  tokenizer.normalizer = normalizers.Prepend(' ')
  tokenizer.add_special_tokens(['<s>'])
  tokenizer.post_processor = processors.TemplateProcessing(
    single='<s> $A', special_tokens=[('<s>', tokenizer.token_to_id('<s>'))]
  )
  tokenizer.save(str(tmp_path / 'tokenizer.json'))
  shutil.copy(folder / 'config.json', tmp_path)
  return tmp_path
