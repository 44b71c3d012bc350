"""Answers whether a step fits a topology, and how fast it can be."""

import pathlib

from symbol_tuning import files
from symbol_tuning.compilation import measuring, rendering, report
from symbol_tuning.compilation.programs import Program
from symbol_tuning.compilation.report import Report

DOES_NOT_FIT = 2  # the exit status of a program whose step is too large


def precompile(program: Program, output_dir: str) -> Report:
  """Compiles a step and writes what came of it.

  Args:
    program: from `programs`.
    output_dir: <step>-<topology>.md and .json go there.

  Raises:
    SystemExit: with status DOES_NOT_FIT, if it does not.
  """
  folder = pathlib.Path(output_dir).expanduser()
  folder.mkdir(parents=True, exist_ok=True)
  found = measuring.measure(program)
  text = rendering.markdown(found)
  name = f'{found.program}-{found.topology}'.replace(' ', '_').replace(':', '_')
  files.write_text(folder / f'{name}.md', text)
  files.write_text(folder / f'{name}.json', report.to_json(found))
  rendering.show(text)
  if not found.fits:
    raise SystemExit(DOES_NOT_FIT)
  return found
