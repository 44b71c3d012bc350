"""Writes the report of evaluated checkpoints: a page, tables and figures.

  python -m symbol_tuning.report RUN_DIR [RUN_DIR …] --output_dir=DIR

A RUN_DIR is a folder that symbol_tuning.eval has written to. Differences are
to the first checkpoint.
"""

import argparse
import sys

from symbol_tuning.gin_utils import quiet
from symbol_tuning.reporting import assembly


def main() -> None:
  parser = argparse.ArgumentParser(
    prog='python -m symbol_tuning.report',
    description='Writes tables and figures of evaluated checkpoints.',
  )
  parser.add_argument(
    'run_dirs',
    nargs='+',
    metavar='RUN_DIR',
    help='a folder that symbol_tuning.eval has written to',
  )
  parser.add_argument(
    '--output_dir',
    required=True,
    help='where report.html goes, and its tables and figures',
  )
  parser.add_argument(
    '--note', default='', help='what readers should know first'
  )
  arguments = parser.parse_args()
  with quiet.nothing_after_failure():
    try:
      assembly.write(arguments.run_dirs, arguments.output_dir, arguments.note)
    except (OSError, ValueError) as error:
      sys.exit(f'error: {error}')


if __name__ == '__main__':
  main()
