r"""Labels rows that have no label, by labelled exemplars in the prompt.

  python -m symbol_tuning.infer \
    --gin_file=models/huggingface.gin --gin_file=runs/infer.gin \
    --gin.CHECKPOINT="'path/of/SmolLM2-135M-Instruct'" \
    --gin.CHECKPOINT_PATH="'runs/smollm2'" --gin.DATASET="'sst2'" \
    --gin.EXEMPLARS_PATH="'reviews_labelled.csv'" \
    --gin.INPUT_PATH="'reviews.parquet'" --gin.OUTPUT_PATH="'labelled.jsonl'"

One JSON line for each row: its label and the probability of every label. A job
that was stopped goes on where it was when it is started again. --dry_run reads
everything and shows the first prompt. A dataset of your own is declared in a
module, see tasks/README.md, and named by --module_import.
"""

from symbol_tuning import distributed, gin_utils
from symbol_tuning.evaluation import labelling

if __name__ == '__main__':
  gin_utils.run(
    labelling.label_rows, dry_run=labelling.dry_run, within=distributed.joined
  )
