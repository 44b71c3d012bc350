import os

import processes
import pytest

from symbol_tuning.gin_utils import quiet

NOISE = """\
WARNING: All log messages before absl::InitializeLog() is called are written \
to STDERR
I0000 00:00:1795720110.207066    2712 port.cc:153] oneDNN custom operations \
are on.
E0000 00:00:1795720111.089751    2712 cuda_platform.cc:52] failed call to \
cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)
"""


def test_noise_is_held_back_and_the_rest_is_told(capfd):
  with quiet.without_noise():
    os.write(2, NOISE.encode())
    os.write(2, b'UserWarning: your data are odd\n')
  os.write(2, b'afterwards\n')
  told = capfd.readouterr().err.splitlines()
  assert told == ['UserWarning: your data are odd', 'afterwards']


def test_what_is_told_before_an_error_is_not_lost(capfd):
  try:
    with quiet.without_noise():
      os.write(2, b'why it fails\n')
      raise ImportError
  except ImportError:
    pass
  assert capfd.readouterr().err == 'why it fails\n'


_WITH_A_THREAD = """
import importlib, threading, time
from symbol_tuning import convert
from symbol_tuning.reporting import assembly

def fail(*arguments, **others):
  threading.Thread(target=time.sleep, args=[90]).start()
  raise OSError('the disk is full')

report = importlib.import_module('symbol_tuning.report')
convert.convert = assembly.write = fail
{call}
"""


@pytest.mark.parametrize(
  ('call', 'arguments', 'message'),
  [
    (
      'from absl import app; app.run(convert.main)',
      ['--source=a', '--target=b'],
      'convert: the disk is full',
    ),
    ('report.main()', ['a', '--output_dir=b'], 'error: the disk is full'),
  ],
)
def test_a_program_that_fails_does_not_wait_for_threads(
  call, arguments, message
):
  program = _WITH_A_THREAD.format(call=call)
  ended = processes.python('-c', program, *arguments, timeout=60)
  assert (ended.returncode, ended.stderr.strip()) == (1, message)
