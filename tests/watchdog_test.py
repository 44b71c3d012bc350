"""Ends processes that hang."""

import threading

import processes
import pytest

from symbol_tuning import watchdog

HANGS = """
import threading
from symbol_tuning import watchdog

def wait_for_a_file_system():
  threading.Event().wait()

with watchdog.Watchdog(0.5):
  watchdog.finished('step 12')
  threading.Thread(target=wait_for_a_file_system, daemon=True).start()
  threading.Event().wait()
"""
GOES_ON = """
import time
from symbol_tuning import watchdog

with watchdog.Watchdog(2):
  for step in range(10):
    time.sleep(0.3)
    watchdog.finished(f'step {step}')
time.sleep(2.5)  # Nobody watches any more.
print('done')
"""


def test_a_process_that_hangs_says_where_and_asks_to_be_started_again():
  ended = processes.python('-c', HANGS, timeout=60)
  assert ended.returncode == watchdog.STATUS == 75
  assert 'nothing was finished for' in ended.stderr
  assert 'since step 12' in ended.stderr
  # The thread that waits, and the main one.
  assert 'wait_for_a_file_system' in ended.stderr
  assert '<module>' in ended.stderr


def test_what_goes_on_is_left_alone():
  ended = processes.python('-c', GOES_ON, timeout=60)
  assert (ended.returncode, ended.stdout) == (0, 'done\n'), ended.stderr
  assert 'hangs' not in ended.stderr


def test_no_limit_watches_nothing():
  before = threading.active_count()
  with watchdog.Watchdog(None):
    watchdog.finished('step 1')
    assert threading.active_count() == before


def test_a_limit_that_no_step_can_meet_is_refused():
  with pytest.raises(ValueError, match='waits 0 s'):
    watchdog.Watchdog(0)
