"""The settings in which a dataset is evaluated in context.

Each is one declaration: the SeqIO tasks and mixtures `icl_<name>…`, the
evaluation and the report follow from it. The first four are those of Wei et al.
(2023), section 4; flipped labels are their section 6.
"""

import dataclasses

from symbol_tuning.data.prompting.composing import LABELS


@dataclasses.dataclass(frozen=True)
class IclSetting:
  """One way of asking the model.

  Attributes:
    name: tasks are called icl_<name>_<dataset>.
    title: what the report calls it.
    labels: one of `composing.LABELS`.
    instructed: whether inputs stand after the task's instruction.
    num_classes: the datasets that can be asked so; None for any.
    exemplars: of each class; None for DataSettings.evaluation_exemplars.

  Raises:
    ValueError: if there are no such labels.
  """

  name: str
  title: str
  labels: str
  instructed: bool
  num_classes: int | None = None
  exemplars: int | None = None

  def __post_init__(self):
    if self.labels not in LABELS:
      raise ValueError(
        f'The ICL setting {self.name} has the labels {self.labels!r}: choose'
        f' one of {", ".join(LABELS)}.'
      )

  @property
  def mixture(self) -> str:
    return f'icl_{self.name}'

  def task_name(self, dataset: str) -> str:
    return f'icl_{self.name}_{dataset}'

  def suits(self, num_classes: int) -> bool:
    """Whether a dataset of so many classes can be asked so."""
    return self.num_classes in (None, num_classes)

  def has(self, mixture_or_task: str) -> bool:
    """Whether a mixture or task of this name belongs to the setting."""
    return f'{mixture_or_task}_'.startswith(f'{self.mixture}_')


ICL_SETTINGS = (
  IclSetting('natural_instructed', 'Natural, instructed', 'natural', True),
  IclSetting('natural_uninstructed', 'Natural, uninstructed', 'natural', False),
  IclSetting('symbol_instructed', 'Symbols, instructed', 'symbol', True),
  IclSetting('symbol_uninstructed', 'Symbols, uninstructed', 'symbol', False),
  IclSetting('flipped', 'Flipped', 'flipped', False, num_classes=2),
)
_added: list[IclSetting] = []


def registered() -> tuple[IclSetting, ...]:
  """Returns the settings above and those that were added."""
  return (*ICL_SETTINGS, *_added)


def add(setting: IclSetting) -> None:
  """Adds a setting of one's own; `tasks.register_setting` makes its tasks.

  Raises:
    ValueError: if there is one of this name.
  """
  if setting.name in [one.name for one in registered()]:
    raise ValueError(f'There is an ICL setting {setting.name!r} already.')
  _added.append(setting)


def of(mixture_or_task: str) -> IclSetting | None:
  """Returns the setting that a mixture or task belongs to, None for none."""
  found = [one for one in registered() if one.has(mixture_or_task)]
  return max(found, key=lambda one: len(one.name), default=None)


def get(name: str) -> IclSetting:
  """Returns the setting of that name.

  Raises:
    ValueError: if there is none.
  """
  by_name = {setting.name: setting for setting in registered()}
  if name not in by_name:
    raise ValueError(
      f'There is no ICL setting {name!r}; there are {", ".join(by_name)}.'
    )
  return by_name[name]


def mixture_names() -> list[str]:
  """Returns the mixtures of ICL_SETTINGS, for gin."""
  return [setting.mixture for setting in ICL_SETTINGS]
