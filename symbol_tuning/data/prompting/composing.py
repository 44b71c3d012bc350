"""Composes in-context prompts from labelled examples.

A prompt is an optional instruction, k exemplars per class in random order
and a query (Wei et al., 2023, section 2). Natural labels are kept, flipped,
or replaced by arbitrary symbols. A query and a seed determine the prompt.

Prompts are composed in batches, of numbers: each stands for a fragment of
text that many prompts share, so that a fragment is tokenized once (see
`token_tables`). Prompts are cut into fragments where white space begins; why
there, `fragments` explains. Shape suffixes: B prompts, N slots for exemplars
(as many as a prompt can have: classes times the most of a class), C classes,
W ways in which a block of text may stand: after another one or first in the
prompt, S fragments of a block, P fragments of a prompt, R some rows.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from symbol_tuning.data import draws
from symbol_tuning.data.datasets import sources
from symbol_tuning.data.prompting.formats import BLANK_LINE, FORMATS, Format

LABELS = ('natural', 'flipped', 'symbol')
EMPTY = 0  # The number of the fragment ''.
_WAYS = (BLANK_LINE, '')  # What stands before a block: after another, or first.


class SymbolTable:
  """Inventories of symbols in one list; large, so one serves many tasks.

  Attributes:
    written: every symbol with a leading space, str [n].
  """

  def __init__(self, inventory: Mapping[str, Sequence[str]]):
    """Takes the symbols of each category."""
    sizes = [len(group) for group in inventory.values()]
    self.written = np.array(
      [f' {s}' for group in inventory.values() for s in group], object
    )
    self._sizes = np.array(sizes)
    self._starts = np.cumsum([0, *sizes[:-1]])

  def draw(self, category_B1: np.ndarray, numbers_BC: np.ndarray) -> np.ndarray:
    """Draws distinct symbols of one category for each prompt, int [B, C].

    Args:
      category_B1: random int, of which the remainder is the category.
      numbers_BC: random int.
    """
    category_B1 = category_B1 % len(self._sizes)
    place_BC = draws.distinct(numbers_BC, self._sizes[category_B1])
    return self._starts[category_B1] + place_BC


@dataclasses.dataclass(frozen=True)
class PromptRecipe:
  """How the prompts of one task are made.

  Attributes:
    labels: 'natural', 'flipped' (two classes, names swapped) or 'symbol'.
    exemplars: least and most exemplars per class; drawn once a prompt.
    instructed: whether the prompt begins with the task's instruction.
    symbols: what symbols are drawn from.
    formats: input-label formats, one of which is drawn for each prompt.
  """

  labels: str
  exemplars: tuple[int, int]
  instructed: bool
  symbols: SymbolTable | None = None
  formats: tuple[Format, ...] = FORMATS

  def __post_init__(self):
    if self.labels not in LABELS:
      raise ValueError(f'labels {self.labels!r} is none of {LABELS}.')
    if self.labels == 'symbol' and self.symbols is None:
      raise ValueError("labels='symbol' needs an inventory of symbols.")


@dataclasses.dataclass(frozen=True)
class Prompts:
  """A batch of prompts, in numbers of fragments.

  Attributes:
    texts: the fragments, str [n].
    head: the instruction, or EMPTY.
    exemplars_BNWS: in the order in which they are shown; slots that are not
      used stand among them.
    drop_rank_BN: the exemplar of the highest rank is dropped first, and the
      slots that are not used rank above all exemplars.
    num_exemplars_B: the slots that are used.
    query_BWS: ends where the label begins.
    options_BC: the label of each class, with a leading space.
    label_B: the class of the query.
  """

  texts: np.ndarray
  head: int
  exemplars_BNWS: np.ndarray
  drop_rank_BN: np.ndarray
  num_exemplars_B: np.ndarray
  query_BWS: np.ndarray
  options_BC: np.ndarray
  label_B: np.ndarray

  def numbers(self, num_kept_B: np.ndarray) -> np.ndarray:
    """Returns the fragments of prompts with `num_kept_B` exemplars, [B, P].

    EMPTY stands where an exemplar is left out.
    """
    is_kept_BN = self.drop_rank_BN < num_kept_B[:, np.newaxis]
    is_first_BN = is_kept_BN & (np.cumsum(is_kept_BN, axis=1) == 1)
    row_B = np.arange(len(num_kept_B))
    slot_N = np.arange(is_kept_BN.shape[1])
    exemplars_BNS = self.exemplars_BNWS[
      row_B[:, np.newaxis], slot_N, is_first_BN.astype(int)
    ]
    exemplars_BNS = exemplars_BNS * is_kept_BN[:, :, np.newaxis]
    query_BS = self.query_BWS[row_B, (num_kept_B == 0).astype(int)]
    head_B1 = np.full([len(row_B), 1], self.head)
    by_exemplar = np.moveaxis(exemplars_BNS, 1, 0)
    return np.concatenate([head_B1, *by_exemplar, query_BS], axis=1)

  def written(self, num_kept_B: np.ndarray | None = None) -> list[str]:
    """Returns the prompts as text, with `num_kept_B` exemplars or all."""
    if num_kept_B is None:
      num_kept_B = self.num_exemplars_B
    return join(self.texts, self.numbers(num_kept_B))

  def rows(self, row_R: np.ndarray) -> 'Prompts':
    """Returns some prompts of the batch."""
    batched = {
      field.name: getattr(self, field.name)[row_R]
      for field in dataclasses.fields(self)
      if field.name not in ('texts', 'head')
    }
    return dataclasses.replace(self, **batched)


def join(texts: np.ndarray, numbers_BP: np.ndarray) -> list[str]:
  """Joins the fragments of each row."""
  return [''.join(row) for row in texts[numbers_BP].tolist()]


class PromptComposer:
  """Composes the prompts of one dataset.

  The same (query, seed) draws the same exemplars in the same order whatever
  the labels and the instruction, so that settings are compared on equal
  prompts.

  Attributes:
    texts: the fragments of all prompts, str [n].
  """

  def __init__(
    self,
    pool: sources.Pool,
    label_names: Sequence[str],
    instruction: str,
    recipe: PromptRecipe,
  ):
    """Writes the fragments of the pool, the labels and the formats.

    Args:
      pool: the examples from which exemplars and queries are taken.
      label_names: natural label of each class, in the order of class ids.
      instruction: the instruction of the task.
      recipe: how prompts are made.

    Raises:
      ValueError: if a class has fewer than two examples (a query of that
        class would have no exemplar), or labels cannot be flipped.
    """
    if recipe.labels == 'flipped' and len(label_names) != 2:
      raise ValueError(
        f'Only two classes can be flipped, not {len(label_names)}:'
        f' {", ".join(label_names)}.'
      )
    labels = np.array(pool.labels, np.int64)
    sizes = np.bincount(labels, minlength=len(label_names))
    if recipe.exemplars[1] and sizes.min() < 2:
      name = label_names[int(sizes.argmin())]
      raise ValueError(
        f'Class {name!r} has {sizes.min()} examples; prompts need at least 2:'
        ' an exemplar beside the query.'
      )
    self._recipe = recipe
    self._labels = labels
    self._sizes = sizes
    self._index_classes(labels, sizes)
    self._write_fragments(pool.texts, label_names, instruction)

  def _index_classes(self, labels: np.ndarray, sizes: np.ndarray) -> None:
    """Lays the examples out class by class, for drawing within a class."""
    self._members = np.argsort(labels, kind='stable')
    self._starts = np.cumsum(sizes) - sizes
    self._place_in_class = np.empty_like(labels)
    self._place_in_class[self._members] = np.arange(len(labels)) - np.repeat(
      self._starts, sizes
    )

  def _write_fragments(
    self,
    pool_texts: Sequence[str],
    label_names: Sequence[str],
    instruction: str,
  ) -> None:
    """Lists all fragments; keeps the numbers of those of each kind."""
    recipe = self._recipe
    # With an instruction, no block is the first.
    ways = (BLANK_LINE, BLANK_LINE) if recipe.instructed else _WAYS
    cuts = [[_cut(way + f.prefix) for way in ways] for f in recipe.formats]
    leads = list(dict.fromkeys(lead for form in cuts for _, lead in form))
    groups = {
      'empty': [''],
      'head': [instruction if recipe.instructed else ''],
      'openings': [opening for form in cuts for opening, _ in form],
      'infixes': [form.infix for form in recipe.formats],
      'texts': [lead + text for lead in leads for text in pool_texts],
      'labels': [f' {name}' for name in label_names],
      'symbols': [] if recipe.symbols is None else recipe.symbols.written,
    }
    self.texts = np.concatenate([np.array(g, object) for g in groups.values()])
    sizes = np.array([len(group) for group in groups.values()])
    self._first = dict(zip(groups, np.cumsum(sizes) - sizes, strict=True))
    self._lead_FW = np.array(
      [[leads.index(lead) for _, lead in form] for form in cuts]
    )

  def compose(self, query_B: np.ndarray, seed_B2: np.ndarray) -> Prompts:
    """Returns the prompts of a batch of queries.

    Args:
      query_B: int, indices of examples of the pool.
      seed_B2: int, of which the lowest 32 bits count.
    """
    drawn = self._draw(seed_B2)
    label_B = self._labels[query_B]
    example_BN, class_BN, drop_rank_BN, num_exemplars_B = self._draw_exemplars(
      query_B, label_B, drawn
    )
    options_BC = self._draw_options(drawn)
    form_B = drawn['format'][:, 0] % len(self._recipe.formats)
    label_BN1 = np.take_along_axis(options_BC, class_BN, axis=1)[
      ..., np.newaxis
    ]
    inputs_BNWS = self._inputs(example_BN, form_B)
    label_BNW1 = np.broadcast_to(
      label_BN1[..., np.newaxis], (*inputs_BNWS.shape[:3], 1)
    )
    is_used_BN = drop_rank_BN < num_exemplars_B[:, np.newaxis]
    exemplars_BNWS = np.concatenate([inputs_BNWS, label_BNW1], axis=-1)
    return Prompts(
      texts=self.texts,
      head=self._first['head'],
      exemplars_BNWS=exemplars_BNWS * is_used_BN[..., np.newaxis, np.newaxis],
      drop_rank_BN=drop_rank_BN,
      num_exemplars_B=num_exemplars_B,
      query_BWS=self._inputs(query_B[:, np.newaxis], form_B)[:, 0],
      options_BC=options_BC,
      label_B=label_B,
    )

  def _inputs(self, example_BN: np.ndarray, form_B: np.ndarray) -> np.ndarray:
    """Returns the fragments of inputs: opening, text, infix; [B, N, W, 3]."""
    num_ways = len(_WAYS)
    opening_BW = form_B[:, np.newaxis] * num_ways + np.arange(num_ways)
    lead_B1W = self._lead_FW[form_B][:, np.newaxis]
    text_BNW = lead_B1W * len(self._labels) + example_BN[:, :, np.newaxis]
    parts = (
      self._first['openings'] + opening_BW[:, np.newaxis],
      self._first['texts'] + text_BNW,
      self._first['infixes'] + form_B[:, np.newaxis, np.newaxis],
    )
    return np.stack([np.broadcast_to(p, text_BNW.shape) for p in parts], -1)

  def _draw(self, seed_B2: np.ndarray) -> dict[str, np.ndarray]:
    """Draws the random numbers of every choice, each int [B, n]."""
    num_classes = len(self._sizes)
    num_slots = num_classes * self._recipe.exemplars[1]
    counts = {
      'k': 1, 'format': 1, 'exemplars': num_slots, 'order': num_slots,
      'drop': num_classes, 'category': 1, 'symbol': num_classes,
    }  # fmt: skip
    numbers = draws.numbers(seed_B2, sum(counts.values()))
    split = np.split(numbers, np.cumsum([*counts.values()])[:-1], axis=1)
    return dict(zip(counts, split, strict=True))

  def _draw_exemplars(
    self,
    query_B: np.ndarray,
    label_B: np.ndarray,
    drawn: Mapping[str, np.ndarray],
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draws exemplars of every class without replacement, never the query.

    Returns:
      For N slots, in the order shown: index in the pool, class and drop rank,
      each int [B, N]; and the number of slots that are used, int [B].
    """
    least, most = self._recipe.exemplars
    num_classes = len(self._sizes)
    k_B1 = least + drawn['k'] % (most + 1 - least)
    turn_N = np.tile(np.arange(most), num_classes)
    class_N = np.repeat(np.arange(num_classes), most)
    is_own_BN = class_N == label_B[:, np.newaxis]
    available_BN = self._sizes[class_N] - is_own_BN
    is_used_BN = turn_N < np.minimum(k_B1, available_BN)

    by_class = (len(query_B), num_classes, most)
    place_BN = draws.distinct(
      drawn['exemplars'].reshape(by_class), available_BN.reshape(by_class)
    ).reshape(available_BN.shape)
    query_place_B1 = self._place_in_class[query_B][:, np.newaxis]
    place_BN += is_own_BN & (place_BN >= query_place_B1)
    example_BN = self._members[self._starts[class_N] + place_BN]

    class_turn_BN = np.argsort(drawn['drop'], axis=1)[:, class_N]
    drop_rank_BN = draws.ranks(
      (~is_used_BN * most + turn_N) * num_classes + class_turn_BN
    )
    order_BN = np.argsort(drawn['order'], axis=1, kind='stable')
    return (
      np.take_along_axis(example_BN, order_BN, axis=1),
      class_N[order_BN],
      np.take_along_axis(drop_rank_BN, order_BN, axis=1),
      is_used_BN.sum(axis=1),
    )

  def _draw_options(self, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the label written for each class, int [B, C]."""
    if self._recipe.labels == 'symbol':
      drawn_BC = self._recipe.symbols.draw(drawn['category'], drawn['symbol'])
      return self._first['symbols'] + drawn_BC
    class_C = np.arange(len(self._sizes))
    if self._recipe.labels == 'flipped':
      class_C = class_C[::-1]
    return np.tile(self._first['labels'] + class_C, [len(drawn['k']), 1])


def _cut(before: str) -> tuple[str, str]:
  """Cuts what stands before a text where its last white space begins."""
  opening = before.rstrip()
  return opening, before[len(opening) :]
