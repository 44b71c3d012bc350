r"""The command line of every program: gin files and gin bindings, as in T5X.

A program is one configured function and nothing else:

    if __name__ == '__main__':
      gin_utils.run(loop.train)

    python -m symbol_tuning.train \
      --gin_file=experiments/quickstart_symbol_tune.gin \
      --gin.MODEL_DIR="'/tmp/model'" --gin.TRAIN_STEPS=100

Configuration files use gin's dynamic registration: they import the modules
whose functions they bind. So a gin file can run any code; use none that you
would not run.

    program   flags, one message for bad input, what is run
    parsing   files and bindings; where a statement cannot be read, which one
    usage     what of a configuration the program reads, and what it lacks
    values    whether values are what their parameters take
    quiet     keeps the start-up messages of libraries off the terminal
"""

from symbol_tuning.gin_utils import quiet

quiet.hush_tensorflow()

from symbol_tuning.gin_utils.parsing import configs_dir, macro, parse  # noqa: E402
from symbol_tuning.gin_utils.program import run  # noqa: E402

__all__ = ['configs_dir', 'macro', 'parse', 'run']
