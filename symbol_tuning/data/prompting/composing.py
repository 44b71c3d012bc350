"""Composes in-context prompts from labelled examples.

A prompt is k exemplars per class in random order and a query, each with the
task's instruction in front or without (Wei et al., 2023, section 2). Natural
labels are kept, flipped, or replaced by arbitrary symbols.

    composer = Composer(pool, spec.labels, spec.instruction, recipe)
    composer.compose(query=17, seed='sst2 0 17').text
"""

import dataclasses
import random
from collections.abc import Collection, Sequence

from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting.formats import FORMATS, Format
from symbol_tuning.data.prompting.records import Exemplar, Prompt, WrittenLabel
from symbol_tuning.data.prompting.symbols import SymbolTable

# 'random' is 'symbol' with exemplars whose labels say nothing: a control.
LABELS = ('natural', 'flipped', 'symbol', 'random')
# Where the instruction stands: before every input, at the head, or nowhere.
INSTRUCTIONS = ('each', 'once', 'none')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How the prompts of one task are made.

  Attributes:
    labels: 'natural', 'flipped' (two classes, names swapped), 'symbol', or
      'random' (symbols that are given to exemplars whatever their class).
    exemplars: least and most exemplars per class; drawn once a prompt.
    instruction: 'each', 'once' or 'none', see `INSTRUCTIONS`.
    lists_options: whether the instruction names the labels to choose from.
    symbols: what symbols are drawn from.
    formats: input-label formats, one of which is drawn for each prompt.
  """

  labels: str
  exemplars: tuple[int, int]
  instruction: str = 'none'
  lists_options: bool = False
  symbols: SymbolTable | None = None
  formats: tuple[Format, ...] = FORMATS

  def __post_init__(self):
    if self.labels not in LABELS:
      raise ValueError(f'labels {self.labels!r} is none of {LABELS}.')
    if self.instruction not in INSTRUCTIONS:
      raise ValueError(
        f'instruction {self.instruction!r} is none of {INSTRUCTIONS}.'
      )
    if self.draws_symbols and self.symbols is None:
      raise ValueError(f'labels={self.labels!r} needs an inventory of symbols.')
    if self.labels != 'natural' and self.exemplars[0] < 1:
      raise ValueError(
        f'labels={self.labels!r} with {self.exemplars[0]} exemplars: nothing'
        ' would tell what a label stands for. Without exemplars only natural'
        ' labels can be asked for.'
      )

  @property
  def draws_symbols(self) -> bool:
    return self.labels in ('symbol', 'random')


class Composer:
  """Composes the prompts of one dataset, each from a query and a seed.

  The same (query, seed) draws the same format and exemplars in the same order
  whatever the labels and the instruction, so that settings are compared on
  equal prompts.
  """

  def __init__(
    self,
    pool: sources.Pool,
    label_names: Sequence[str],
    instruction: str,
    recipe: Recipe,
    excluded: Collection[str] = frozenset(),
    fewest_texts: int = 2,
  ):
    """Sorts the texts by class.

    Args:
      pool: the examples from which exemplars and queries are taken.
      label_names: the natural label of each class, in the order of class ids.
      instruction: the instruction of the task.
      recipe: how prompts are made.
      excluded: texts that are no exemplars, being too long for any prompt.
      fewest_texts: different texts that each class must have: two where queries
        are of the pool, for one of them is the query.

    Raises:
      ValueError: if a class has fewer texts, or labels cannot be flipped.
    """
    if recipe.labels == 'flipped' and len(label_names) != 2:
      raise ValueError(
        f'The labels of two classes can be flipped, not of {len(label_names)}:'
        f' {", ".join(label_names)}.'
      )
    self._pool = pool
    self._names = tuple(label_names)
    self._recipe = recipe
    self._instruction = '' if recipe.instruction == 'none' else instruction
    texts: list[dict[str, None]] = [{} for _ in label_names]
    for text, label in zip(pool.texts, pool.labels, strict=True):
      if text not in excluded:
        texts[label][text] = None
    self._texts_by_class = tuple(tuple(group) for group in texts)
    if recipe.exemplars[1]:
      self._check_classes(fewest_texts)

  def _check_classes(self, fewest_texts: int) -> None:
    for name, texts in zip(self._names, self._texts_by_class, strict=True):
      if len(texts) < fewest_texts:
        raise ValueError(
          f'Class {name!r} has {len(texts)} different texts that fit; prompts'
          f' need at least {fewest_texts}: an exemplar beside the query.'
        )

  def compose(self, query: int, seed: str) -> Prompt:
    """Returns the prompt around an example of the pool.

    Args:
      query: the number of the example.
      seed: names the draws; equal seeds give equal prompts.
    """
    text, label = self._pool.texts[query], self._pool.labels[query]
    return self.compose_around(text, label, seed)

  def compose_around(self, text: str, label: int, seed: str) -> Prompt:
    """Returns the prompt around a text that need not be of the pool.

    Args:
      text: the input whose label is asked for.
      label: the id of its class.
      seed: names the draws.
    """
    # The state of random.Random follows from the text of a seed alone, on
    # every platform and in every process.
    rng = random.Random(seed)
    layout = rng.choice(self._recipe.formats)
    exemplars = self._draw_exemplars(rng, text)
    # Labels last: what was drawn before is the same with all kinds of them.
    options = self._draw_labels(rng)
    if self._recipe.labels == 'random':
      exemplars = [
        Exemplar(one.text, rng.randrange(len(options))) for one in exemplars
      ]
    return Prompt(
      instruction=self._instruction,
      exemplars=tuple(exemplars),
      query=text,
      label=label,
      options=options,
      format=layout,
      num_drawn=len(exemplars),
      instruction_once=self._recipe.instruction == 'once',
      lists_options=self._recipe.lists_options,
    ).with_shown_options()

  def _draw_exemplars(self, rng: random.Random, query: str) -> list[Exemplar]:
    """Draws different texts of every class, none of them the query's."""
    k = rng.randint(*self._recipe.exemplars)
    used = {query}
    drawn = []
    for label, texts in enumerate(self._texts_by_class):
      # So many suffice: no more of them than are in `used` can be passed over.
      candidates = rng.sample(texts, min(len(texts), k + len(used)))
      chosen = [text for text in candidates if text not in used][:k]
      # Only a text of two classes can meet itself again.
      used.update(chosen)
      drawn += [Exemplar(text, label) for text in chosen]
    rng.shuffle(drawn)
    return drawn

  def _draw_labels(self, rng: random.Random) -> tuple[WrittenLabel, ...]:
    """Returns what is written for each class."""
    table = self._recipe.symbols
    if self._recipe.draws_symbols and table:
      symbols = table.draw(rng, len(self._names))
      return tuple(
        WrittenLabel(label, symbol.text, symbol.category)
        for label, symbol in enumerate(symbols)
      )
    names = self._names
    if self._recipe.labels == 'flipped':
      names = names[::-1]
    return tuple(WrittenLabel(label, name) for label, name in enumerate(names))
