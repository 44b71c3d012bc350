"""Runs programs of symbol_tuning one after the other in one process.

Reads a JSON list of jobs, [name, module, arguments], from standard input and
writes a JSON line for each: its name, exit status and what it wrote. Importing
TensorFlow once, and compiling a step of one shape once, is what makes it
affordable to run everything that is shipped.
"""

import contextlib
import io
import json
import runpy
import sys
import traceback

import gin
from absl import flags

from symbol_tuning import run_config
from symbol_tuning.data import settings


def forget() -> None:
  """Makes this process as good as new."""
  gin.clear_config()
  settings.use(None)
  run_config.use(None)
  flags.FLAGS.unparse_flags()
  for name in list(flags.FLAGS):
    flags.FLAGS[name].unparse()


def run(module: str, arguments: list[str]) -> tuple[int, str]:
  written = io.StringIO()
  sys.argv = [module, *arguments]
  forget()
  try:
    with (
      contextlib.redirect_stdout(written),
      contextlib.redirect_stderr(written),
    ):
      runpy.run_module(module, run_name='__main__', alter_sys=True)
    status = 0
  except SystemExit as end:
    status = end.code or 0
  except BaseException:
    status = 1
    written.write(traceback.format_exc())
  return status, written.getvalue()


def main() -> None:
  results = sys.stdout
  for name, module, arguments in json.load(sys.stdin):
    status, output = run(module, arguments)
    line = {'name': name, 'status': status, 'output': output[-4000:]}
    print(json.dumps(line), file=results, flush=True)


if __name__ == '__main__':
  main()
