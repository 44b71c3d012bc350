"""Runs Python in a process of its own."""

import subprocess
import sys


def python(*arguments, **options) -> subprocess.CompletedProcess[str]:
  """Runs `python ARGUMENT…` to its end; what it writes is kept as text."""
  return subprocess.run(
    [sys.executable, *map(str, arguments)],
    capture_output=True,
    text=True,
    **options,
  )
