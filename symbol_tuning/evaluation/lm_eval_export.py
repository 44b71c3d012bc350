"""Evaluation tasks as files for EleutherAI's lm-eval (Gao et al., 2021).

  <folder>/<task>.jsonl     one query a line: prompt, options, label
  <folder>/<task>.yaml      a task of `lm_eval --include_path=<folder>`
  <folder>/<mixture>.yaml   a group: the mean over a mixture's tasks

lm-eval then asks exactly what our own evaluation asks and finds the same
log-likelihoods. Its `acc` is our accuracy; its `acc_norm` is not our
length-normalized accuracy, for it divides by characters and we by tokens.

Where our prompts or options end with the end-of-sequence token, its text stands
in the files, and lm-eval's tokenizer makes the token of it again. Options do
end with it: what is scored is that a label is the whole answer. Without it, a
label that begins another (12 and 123) could never score less than that one.
"""

import json
from typing import Any

import numpy as np
import seqio
import yaml

from symbol_tuning import files
from symbol_tuning.data import settings as data_settings
from symbol_tuning.data.prompting.records import Option, Query
from symbol_tuning.data.vocabularies import huggingface
from symbol_tuning.evaluation.ranking.task import RankingTask
from symbol_tuning.evaluation.suite import Questions, Suite

SPLIT = 'validation'
_SEPARATORS = ('eos', 'none')
_METRICS = ('acc', 'acc_norm')


def export(
  questions: Questions, output_dir: str, separator: str | None = None
) -> int:
  """Writes evaluation tasks as files for lm-eval.

  The files name each other by absolute paths: write them again rather than move
  them.

  Args:
    questions: the mixtures or tasks, in which label options are ranked.
    output_dir: the folder to write to; files of the same names are replaced.
    separator: 'eos' or 'none', see `settings.DataSettings`; None: that of the
      settings.

  Returns:
    The number of tasks.

  Raises:
    ValueError: if the separator is another, answers are written in a task, a
      prompt or option is not what its text is tokenized to, or the vocabulary
      has no text for its end-of-sequence token.
  """
  separator = separator or data_settings.current().separator
  if separator not in _SEPARATORS:
    raise ValueError(
      f'The separator {separator!r} is not exported: lm-eval applies chat'
      " templates itself (--apply_chat_template). Export with 'none'."
    )
  writer = _Writer(data_settings.vocabulary())
  suite = questions.load(separator)
  ranking = _ranking_tasks(suite)
  folder = files.path(output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  for name, task in ranking:
    docs = map(writer.doc, task.queries)
    lines = [json.dumps(doc, ensure_ascii=False) for doc in docs]
    data = folder / f'{name}.jsonl'
    files.write_text(data, '\n'.join(lines) + '\n')
    _write_yaml(folder, name, _task_config(name, data, separator))
  for mixture, tasks in suite.mixtures.items():
    if list(tasks) != [mixture]:
      _write_yaml(folder, mixture, _group_config(mixture, list(tasks)))
  print(f'Exported {len(ranking)} tasks: lm_eval --include_path={folder} …')
  return len(ranking)


def _ranking_tasks(suite: Suite) -> list[tuple[str, RankingTask]]:
  found = []
  for mixture, name, task in suite:
    if not isinstance(task, RankingTask):
      raise ValueError(
        f'{name} of {mixture} asks for written answers, which are not exported:'
        ' name mixtures in which label options are ranked.'
      )
    found.append((name, task))
  return found


class _Writer:
  """Turns queries into what lm-eval reads, with one vocabulary."""

  def __init__(self, vocabulary: seqio.Vocabulary):
    self._vocabulary = vocabulary
    self._eos = _eos_text(vocabulary)

  def doc(self, query: Query) -> dict[str, Any]:
    """Returns the document of a query."""
    prompt = self._text(query)
    self._check(query, prompt, query.tokens)
    options = []
    for option in query.options:
      options.append(self._text(option))
      tokens = np.concatenate([query.tokens, option.tokens])
      self._check(query, prompt + options[-1], tokens)
    return {
      'query': query.index,
      'prompt': prompt,
      'options': options,
      'label': query.label,
    }

  def _text(self, record: Query | Option) -> str:
    """The text of a prompt or an option, and of the token that ends it."""
    ends = record.tokens[-1] == self._vocabulary.eos_id
    return record.text + self._eos if ends else record.text

  def _check(self, query: Query, text: str, tokens: np.ndarray) -> None:
    """Refuses a text of which lm-eval would make other tokens than ours."""
    if self._tokens(text) != tokens.tolist():
      raise ValueError(
        f'Query {query.index} is not what its text is tokenized to, so lm-eval'
        f' would ask another question: {text!r}.'
      )

  def _tokens(self, text: str) -> list[int]:
    """Tokenizes as lm-eval does, which sees special tokens in texts."""
    vocabulary = self._vocabulary
    if isinstance(vocabulary, huggingface.HuggingFaceVocabulary):
      return vocabulary.encode_markup(text)
    first, *others = map(vocabulary.encode, text.split(self._eos))
    return first + [t for part in others for t in (vocabulary.eos_id, *part)]


def _eos_text(vocabulary: seqio.Vocabulary) -> str:
  text = None
  if isinstance(vocabulary, huggingface.HuggingFaceVocabulary):
    text = vocabulary.tokenizer.id_to_token(vocabulary.eos_id)
  elif isinstance(vocabulary, seqio.SentencePieceVocabulary):
    text = vocabulary.tokenizer.IdToPiece(vocabulary.eos_id)
  if text is None:
    raise ValueError(
      f'{type(vocabulary).__name__} has no text for its end-of-sequence token:'
      ' export with the vocabulary of a Hugging Face or SentencePiece model.'
    )
  return text


def _task_config(name: str, data: files.Path, separator: str) -> dict[str, Any]:
  return {
    'task': name,
    'dataset_path': 'json',
    'dataset_kwargs': {'data_files': {SPLIT: str(data)}},
    'validation_split': SPLIT,
    'output_type': 'multiple_choice',
    'doc_to_text': 'prompt',
    'doc_to_choice': 'options',
    'doc_to_target': 'label',
    # Options begin with what stands between a prompt and its label.
    'target_delimiter': '',
    'num_fewshot': 0,
    'metric_list': [
      {'metric': m, 'aggregation': 'mean', 'higher_is_better': True}
      for m in _METRICS
    ],
    'metadata': {'version': 1.0, 'separator': separator},
  }


def _group_config(name: str, tasks: list[str]) -> dict[str, Any]:
  return {
    'group': name,
    'task': tasks,
    'aggregate_metric_list': [
      {'metric': m, 'aggregation': 'mean', 'weight_by_size': False}
      for m in _METRICS
    ],
    'metadata': {'version': 1.0},
  }


def _write_yaml(folder: files.Path, name: str, config: dict[str, Any]) -> None:
  text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
  files.write_text(folder / f'{name}.yaml', text)
