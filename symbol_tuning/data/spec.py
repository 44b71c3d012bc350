"""Where modules that declare their own datasets import `DatasetSpec` from.

The short path stays, wherever the declaration itself is kept.
"""

from symbol_tuning.data.datasets.spec import (
  CONVERTED,
  DatasetSpec,
  HubLocation,
  TfdsLocation,
)

__all__ = ['CONVERTED', 'DatasetSpec', 'HubLocation', 'TfdsLocation']
