"""Makes the tasks of a dataset from its declaration, ours and yours alike.

The datasets of the catalog are registered by importing this module; whoever
has another one registers it with the same call:

    from symbol_tuning import tasks
    tasks.register(DatasetSpec(name='reviews', …))
"""

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


def register(spec: catalog.DatasetSpec) -> None:
  """Registers every SeqIO task of a dataset.

  They are `symbol_tuning_<name>` and `instruction_tuning_<name>`, which read
  its training split, and `icl_<setting>_<name>` for each setting that fits its
  number of classes (see `icl_settings`), which read its validation split.

  Raises:
    ValueError: if a dataset of that name is registered already.
  """
  for stage, recipe in TUNING_STAGES.items():
    dataset_tasks.add_tuning_task(f'{stage}_{spec.name}', spec, recipe)
  for setting in icl_settings.registered():
    _add_evaluation_task(setting, spec)
  _registered.append(spec)


def register_setting(setting: IclSetting) -> None:
  """Adds an ICL setting: its task of every dataset, and its mixture.

  Raises:
    ValueError: if there is a setting of that name.
  """
  icl_settings.add(setting)
  for spec in _registered:
    _add_evaluation_task(setting, spec)
  add_icl_mixture(setting)


def add_icl_mixture(setting: IclSetting) -> None:
  """Registers the mixture of a setting over the evaluation datasets."""
  seqio.MixtureRegistry.add(
    setting.mixture,
    [
      setting.task_name(spec.name)
      for spec in catalog.EVALUATION_DATASETS
      if setting.suits(spec.num_classes)
    ],
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
  register(spec)
