r"""Trains a decoder on a SeqIO mixture, as the gin files say.

    python -m symbol_tuning.train \
      --gin_file=models/huggingface.gin --gin_file=runs/train.gin \
      --gin.MIXTURE_OR_TASK_NAME="'symbol_tuning'" --gin.TRAIN_STEPS=1000 …

The same command goes on where an earlier one was stopped. With --dry_run,
everything is built and checked, and nothing compiled or written.
"""

from symbol_tuning import distributed, gin_utils
from symbol_tuning.training import loop

if __name__ == '__main__':
  gin_utils.run(loop.train, dry_run=loop.dry_run, within=distributed.joined)
