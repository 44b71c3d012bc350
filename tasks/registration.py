"""Makes the tasks of a dataset from its declaration, ours and yours alike.

The datasets of the catalog are registered by importing this module; whoever
has another one registers it with the same call:

    from symbol_tuning import tasks
    tasks.register(DatasetSpec(name='reviews', …))
"""

from symbol_tuning.data.datasets import catalog
from symbol_tuning.data.seqio_tasks import dataset_tasks
from symbol_tuning.evaluation import metrics

TUNING_STAGES = {
  'symbol_tuning': dataset_tasks.recipe_symbol_tuning,
  'instruction_tuning': dataset_tasks.recipe_instruction_tuning,
}


def register(spec: catalog.DatasetSpec) -> None:
  """Registers every SeqIO task of a dataset.

  They are `symbol_tuning_<name>` and `instruction_tuning_<name>`, which read
  its training split, `icl_<setting>_<name>` for four settings, which read its
  validation split, and `icl_flipped_<name>` where there are two classes.

  Raises:
    ValueError: if a dataset of that name is registered already.
  """
  for stage, recipe in TUNING_STAGES.items():
    dataset_tasks.add_tuning_task(f'{stage}_{spec.name}', spec, recipe)
  for setting in settings_of(spec):
    dataset_tasks.add_evaluation_task(
      f'icl_{setting.name}_{spec.name}',
      spec,
      setting,
      metric_fns=(metrics.rank_classification,),
      postprocess_fn=metrics.rank_classification_target,
    )


def settings_of(
  spec: catalog.DatasetSpec,
) -> tuple[dataset_tasks.Setting, ...]:
  """Returns the settings in which a dataset is evaluated."""
  if spec.num_classes == 2:
    return (*dataset_tasks.ICL_SETTINGS, dataset_tasks.FLIPPED)
  return dataset_tasks.ICL_SETTINGS


for spec in catalog.CATALOG.values():
  register(spec)
