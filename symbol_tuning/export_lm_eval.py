r"""Writes evaluation tasks as files for lm-eval, to be asked there too.

    python -m symbol_tuning.export_lm_eval \
      --gin_file=models/huggingface.gin --gin_file=runs/export_lm_eval.gin \
      --gin.CHECKPOINT="'path/of/SmolLM2-135M-Instruct'" \
      --gin.MIXTURE_OR_TASK_NAME="'icl_symbol_uninstructed'" \
      --gin.OUTPUT_DIR="'lm_eval_tasks'"

    lm_eval --model=hf --include_path=lm_eval_tasks \
      --model_args=pretrained=path/of/SmolLM2-135M-Instruct,dtype=float32 \
      --tasks=icl_symbol_uninstructed
"""

from symbol_tuning import gin_utils
from symbol_tuning.evaluation import lm_eval_export

if __name__ == '__main__':
  gin_utils.run(lm_eval_export.export)
