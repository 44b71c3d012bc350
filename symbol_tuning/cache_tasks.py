r"""Writes a mixture as packed, tokenized rows, for training to read.

    python -m symbol_tuning.cache_tasks \
      --gin_file=models/huggingface.gin --gin_file=runs/cache.gin \
      --gin.MIXTURE_OR_TASK_NAME="'symbol_tuning'" \
      --gin.NUM_ROWS=32_000 --gin.CACHE_DIR="'/data/cache'" …

The same command goes on where an earlier one was stopped. Train from it with
runs/train_cached.gin.
"""

from symbol_tuning import gin_utils
from symbol_tuning.data.cache import writer

if __name__ == '__main__':
  gin_utils.run(writer.write_cache)
