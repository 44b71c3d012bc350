"""Prompts and labels behind each separator."""

import types

import pytest
import tokenizers

from symbol_tuning.data import settings, vocabularies
from symbol_tuning.data.prompting import frames
from symbol_tuning.data.seqio_tasks import mixing

TASKS = (
  'icl_natural_instructed_subj',
  'icl_symbol_uninstructed_subj',
  'turing_concepts_at_most_3',
)


@pytest.fixture
def use_tokenizer(use_data):
  """A function: sets the vocabulary of a folder, and few short queries."""

  def use(folder, separator, **overrides):
    choices = {'evaluation_queries': 2, 'evaluation_exemplars': 1}
    vocabulary = vocabularies.HuggingFace(str(folder))
    chosen = choices | overrides
    use_data(vocabulary=vocabulary, separator=separator, **chosen)

  return use


@pytest.mark.parametrize('name', TASKS)
@pytest.mark.parametrize('separator', frames.SEPARATORS)
def test_tokens_are_those_of_the_texts_within_the_frame(
  use_tokenizer, chat_folder, separator, name
):
  use_tokenizer(chat_folder, separator)
  vocabulary, frame = settings.vocabulary(), settings.frame()
  for example in mixing.evaluation_examples(name, {})[:4]:
    prompt = example['inputs_pretokenized'].decode()
    label = example['targets_pretokenized'].decode()
    inputs = [*frame.before, *vocabulary.encode(prompt), *frame.between]
    assert example['inputs'].tolist() == inputs
    targets = [*vocabulary.encode(label), frame.end]
    assert example['targets'].tolist() == targets
    assert label.startswith(' ') == (separator != 'chat')
    assert label.strip()


@pytest.mark.parametrize('separator', frames.SEPARATORS)
def test_prompts_are_fitted_with_their_frame(
  use_tokenizer, chat_folder, separator
):
  use_tokenizer(chat_folder, separator, evaluation_exemplars=4)
  (whole, *_) = mixing.evaluation_examples(TASKS[0], {})
  room = len(whole['inputs'])
  (fitted, *_) = mixing.evaluation_examples(TASKS[0], {'inputs': room})
  assert fitted['inputs'].tolist() == whole['inputs'].tolist()
  lengths = {'inputs': room - 1}
  (shorter, *_) = mixing.evaluation_examples(TASKS[0], lengths)
  text, less = (e['inputs_pretokenized'] for e in (whole, shorter))
  assert less.count(b'\n\n') == text.count(b'\n\n') - 1


@pytest.mark.parametrize('name', TASKS)
@pytest.mark.parametrize('separator', ['eos', 'none'])
def test_prompt_and_label_are_what_transformers_makes_of_the_text(
  use_tokenizer, llama_folder, separator, name
):
  use_tokenizer(llama_folder, separator)
  file = str(llama_folder / 'tokenizer.json')
  tokenizer = tokenizers.Tokenizer.from_file(file)
  example = mixing.evaluation_examples(name, {})[0]
  label = example['targets_pretokenized'].decode()
  whole = example['inputs_pretokenized'].decode() + label
  end = [settings.vocabulary().eos_id]
  inputs, targets = example['inputs'].tolist(), example['targets'].tolist()
  if separator == 'eos':
    assert inputs[-1:] == end
    inputs.pop()
  assert inputs + targets == tokenizer.encode(whole).ids + end
  assert inputs[0] == tokenizer.token_to_id('<s>')


@pytest.mark.parametrize('eos_id', [None, -1])
def test_a_vocabulary_without_an_end_is_refused(eos_id):
  with pytest.raises(ValueError, match='no token that ends a sequence'):
    frames.of('eos', types.SimpleNamespace(eos_id=eos_id))


def test_a_vocabulary_without_turns_cannot_chat(use_data):
  use_data(separator='chat')
  with pytest.raises(ValueError, match='no chat template'):
    mixing.evaluation_examples(TASKS[0], {})
