"""Makes the tasks of a dataset from its declaration, ours and yours alike.

The datasets of the catalog are registered by importing this module; whoever
has another one registers it with the same call:

    from symbol_tuning import tasks
    tasks.register(DatasetSpec(name='reviews', …))
"""

from collections.abc import Iterable

import seqio

from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.prompting import icl_settings
from symbol_tuning.data.prompting.icl_settings import IclSetting
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.evaluation import metrics

TUNING_STAGES = {
  'symbol_tuning': dataset_tasks.symbol_tuning_recipe,
  'instruction_tuning': dataset_tasks.instruction_tuning_recipe,
}


_registered: list[catalog.DatasetSpec] = []
# Those among them that are not of the catalog, and so have mixtures.
_own: list[catalog.DatasetSpec] = []


def number_of_examples(task: seqio.Task) -> float:
  """The mixing rate of a task: its capped number of examples."""
  return float(task.source.num_input_examples('train'))


def register(spec: catalog.DatasetSpec) -> None:
  """Registers every SeqIO task and mixture of a dataset of your own.

  Tasks are `symbol_tuning_<name>` and `instruction_tuning_<name>`, which read
  its training split, and `icl_<setting>_<name>` for each setting that suits its
  number of classes (see `icl_settings`), which read its validation split.
  Mixtures are `icl_<name>`, the dataset in all these settings;
  `symbol_tuning_with_<name>` and `instruction_tuning_with_<name>`, the paper's
  datasets and it; and `icl_<setting>_with_<name>`, the same for evaluation.
  A setting that is registered later (`register_setting`) joins them.

  Raises:
    ValueError: if a task or mixture of one of these names is registered
      already: SeqIO would take a mixture for a task of its name.
  """
  _check_free(f'The dataset {spec.name!r}', _names(spec))
  register_tasks(spec)
  add_tuning_mixtures(f'_with_{spec.name}', (*catalog.TUNING_DATASETS, spec))
  for setting in _suited(spec):
    add_icl_mixture(setting, spec)
  _add_mixture_of_settings(spec)
  _own.append(spec)


def register_tasks(spec: catalog.DatasetSpec) -> None:
  """Registers the tasks of a dataset and none of its mixtures.

  Raises:
    ValueError: if a dataset of that name is registered already.
  """
  for stage, recipe in TUNING_STAGES.items():
    dataset_tasks.add_tuning_task(f'{stage}_{spec.name}', spec, recipe)
  for setting in icl_settings.registered():
    _add_evaluation_task(setting, spec)
  _registered.append(spec)


def register_setting(setting: IclSetting) -> None:
  """Adds an ICL setting: its task of every dataset, and its mixtures.

  Datasets of your own get it whether they are registered before or after:
  `icl_<name>` holds it, and there is `icl_<setting>_with_<name>`.

  Raises:
    ValueError: if there is a setting of that name, or a task or mixture of one
      of these names.
  """
  suited = [spec for spec in _registered if setting.suits(spec.num_classes)]
  own = [spec for spec in suited if spec in _own]
  if setting not in icl_settings.registered():
    _check_free(
      f'The ICL setting {setting.name!r}',
      [
        setting.mixture,
        *(setting.task_name(spec.name) for spec in suited),
        *(f'{setting.mixture}_with_{spec.name}' for spec in own),
      ],
    )
  icl_settings.add(setting)
  for spec in suited:
    _add_evaluation_task(setting, spec)
  add_icl_mixture(setting)
  for spec in own:
    add_icl_mixture(setting, spec)
    _add_mixture_of_settings(spec)


def _names(spec: catalog.DatasetSpec) -> list[str]:
  """What the tasks and mixtures of a dataset of one's own are called."""
  return [
    f'icl_{spec.name}',
    *(f'{stage}_{spec.name}' for stage in TUNING_STAGES),
    *(f'{stage}_with_{spec.name}' for stage in TUNING_STAGES),
    *(setting.task_name(spec.name) for setting in _suited(spec)),
    *(f'{setting.mixture}_with_{spec.name}' for setting in _suited(spec)),
  ]


def _check_free(what: str, names: Iterable[str]) -> None:
  known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
  if taken := [name for name in names if name in known]:
    raise ValueError(
      f'{what} would get tasks and mixtures of names that are taken, such as'
      f' {", ".join(taken[:3])}: choose another name.'
    )


def add_tuning_mixtures(
  name: str, specs: Iterable[catalog.DatasetSpec]
) -> None:
  """Registers `symbol_tuning<name>` and `instruction_tuning<name>`."""
  names = [spec.name for spec in specs]
  for stage in TUNING_STAGES:
    seqio.MixtureRegistry.add(
      f'{stage}{name}',
      [f'{stage}_{dataset}' for dataset in names],
      default_rate=number_of_examples,
    )


def add_icl_mixture(setting: IclSetting, *own: catalog.DatasetSpec) -> None:
  """Registers the mixture of a setting over the evaluation datasets.

  With a dataset of one's own, it is `icl_<setting>_with_<name>`.
  """
  seqio.MixtureRegistry.add(
    '_with_'.join([setting.mixture, *(spec.name for spec in own)]),
    [
      setting.task_name(spec.name)
      for spec in (*catalog.EVALUATION_DATASETS, *own)
      if setting.suits(spec.num_classes)
    ],
    default_rate=1.0,
  )


def _suited(spec: catalog.DatasetSpec) -> list[IclSetting]:
  """The settings in which a dataset of so many classes can be asked."""
  return [s for s in icl_settings.registered() if s.suits(spec.num_classes)]


def _add_mixture_of_settings(spec: catalog.DatasetSpec) -> None:
  """Registers `icl_<name>`, anew where a setting has come since."""
  name = f'icl_{spec.name}'
  seqio.MixtureRegistry.remove(name)
  seqio.MixtureRegistry.add(
    name,
    [setting.task_name(spec.name) for setting in _suited(spec)],
    default_rate=1.0,
  )


def _add_evaluation_task(
  setting: IclSetting, spec: catalog.DatasetSpec
) -> None:
  if setting.suits(spec.num_classes):
    dataset_tasks.add_evaluation_task(
      setting.task_name(spec.name),
      spec,
      setting,
      metric_fns=(metrics.rank_classification,),
      postprocess_fn=metrics.rank_classification_target,
    )


for spec in catalog.CATALOG.values():
  register_tasks(spec)
