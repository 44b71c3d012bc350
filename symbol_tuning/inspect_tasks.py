r"""Shows what a task or mixture gives a model, in the model's own tokens.

    python -m symbol_tuning.inspect_tasks symbol_tuning_sst2 \
      --gin_file=models/huggingface.gin --gin.CHECKPOINT="'path/of/it'"

With the gin files of an experiment it shows the data of that experiment:

    python -m symbol_tuning.inspect_tasks \
      --gin_file=experiments/quickstart_symbol_tune.gin \
      --gin_file=ablations/symbols.gin --gin.SYMBOLS_PER_CATEGORY=100
"""

from symbol_tuning import gin_utils
from symbol_tuning.inspection import inspecting

if __name__ == '__main__':
  gin_utils.run(
    inspecting.inspect,
    gin_files=['runs/inspect.gin'],
    positional_macros=['MIXTURE_OR_TASK_NAME'],
  )
