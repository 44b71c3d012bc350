"""The part of a report that tells why checkpoints answer as they do."""

import pathlib
from collections.abc import Sequence

from symbol_tuning.reporting import biases, breakdowns
from symbol_tuning.reporting.document import Part
from symbol_tuning.reporting.evidence import Evidence
from symbol_tuning.reporting.outcomes import Checkpoint


def part(checkpoints: Sequence[Checkpoint], folder: pathlib.Path) -> Part:
  """All sections for which there is evidence.

  Args:
    checkpoints: see `comparison`.
    folder: of the page that links to the predictions.
  """
  evidence = Evidence(checkpoints, folder)
  return Part(
    'Why', [*biases.sections(evidence), *breakdowns.sections(evidence)]
  )
