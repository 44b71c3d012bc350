"""Prints the declaration of a dataset on the Hugging Face hub, to be pasted.

    python -m symbol_tuning.describe_dataset OWNER/NAME [CONFIGURATION]

Its splits, columns and label names are read; the instruction is yours to write.
Comments say which columns are left out, as they give the label away or are ids,
and whether evaluation is on rows of training, where there are no others.
Save what is printed as a module and name it with --module_import.
"""

import argparse
import sys

from symbol_tuning.data.datasets import hub_repositories


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('repository', help='owner/name')
  parser.add_argument('configuration', nargs='?', help='where it has several')
  arguments = parser.parse_args()
  try:
    description = hub_repositories.describe(
      arguments.repository, arguments.configuration
    )
  except (ConnectionError, ValueError) as error:
    print(f'error: {error}', file=sys.stderr)
    sys.exit(1)
  print(hub_repositories.source_code(description), end='')


if __name__ == '__main__':
  main()
