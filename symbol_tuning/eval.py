"""Evaluates checkpoints, as gin configures it.

  python -m symbol_tuning.eval \
    --gin_file=models/huggingface.gin --gin_file=runs/eval.gin \
    --gin.CHECKPOINT_PATH="'/path/of/a/run'" \
    --gin.MIXTURE_OR_TASK_NAME="'icl_symbol_uninstructed'" \
    --gin.EVAL_OUTPUT_DIR="'/path/of/results'"

With --gin_file=runs/eval_training.gin after it, every checkpoint that a
training writes is evaluated while it goes on. A job that was stopped goes on
where it was when it is started again. --dry_run loads everything, and compiles
and writes nothing.
"""

from symbol_tuning import distributed, gin_utils
from symbol_tuning.evaluation import jobs

if __name__ == '__main__':
  gin_utils.run(
    jobs.evaluate_checkpoints, dry_run=jobs.dry_run, within=distributed.joined
  )
