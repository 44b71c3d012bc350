"""Registers every SeqIO task and mixture of symbol tuning by being imported.

Gin files import it (`import symbol_tuning.tasks`); so does a program that
wants the names in seqio.TaskRegistry. README.md in this folder lists them and
shows how a dataset of one's own is registered.
"""

from symbol_tuning.tasks import algorithmic, mixtures, pretraining, registration
from symbol_tuning.tasks.registration import register, register_setting

__all__ = [
  'algorithmic',
  'mixtures',
  'pretraining',
  'register',
  'register_setting',
  'registration',
]
