"""The settings in which a dataset is evaluated in context.

Each is one declaration: the SeqIO tasks and mixtures `icl_<name>…`, the
evaluation and the report follow from it. The first four are those of Wei et al.
(2023), section 4; flipped labels are their section 6.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class IclSetting:
  """One way of asking the model.

  Attributes:
    name: tasks are called icl_<name>_<dataset>.
    title: what the report calls it.
    labels: 'natural', 'flipped' or 'symbol', see `composing.Recipe`.
    instructed: whether inputs stand after the task's instruction.
    num_classes: the datasets that can be asked so; None for any.
  """

  name: str
  title: str
  labels: str
  instructed: bool
  num_classes: int | None = None

  @property
  def mixture(self) -> str:
    return f'icl_{self.name}'

  def task_name(self, dataset: str) -> str:
    return f'icl_{self.name}_{dataset}'

  def suits(self, num_classes: int) -> bool:
    """Whether a dataset of so many classes can be asked so."""
    return self.num_classes in (None, num_classes)


ICL_SETTINGS = (
  IclSetting('natural_instructed', 'Natural, instructed', 'natural', True),
  IclSetting('natural_uninstructed', 'Natural, uninstructed', 'natural', False),
  IclSetting('symbol_instructed', 'Symbols, instructed', 'symbol', True),
  IclSetting('symbol_uninstructed', 'Symbols, uninstructed', 'symbol', False),
  IclSetting('flipped', 'Flipped', 'flipped', False, num_classes=2),
)
