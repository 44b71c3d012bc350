"""Stands in for gcloud: records its calls, and its hosts are one folder.

In the folder $FAKE_GCLOUD, `calls` gets the arguments of each call as JSON. A
call that has the text of the file `fails` among its arguments fails, and the
states of the slice are read from `states`, one a call and the last one for
ever. What is run on a host is run here, with $FAKE_GCLOUD/host as its home,
unless it would install something.
"""

import json
import os
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(os.environ['FAKE_GCLOUD'])


def next_state():
  states = (FOLDER / 'states').read_text().split()
  (FOLDER / 'states').write_text('\n'.join(states[1:] or states))
  return states[0]


def main(arguments):
  with (FOLDER / 'calls').open('a') as calls:
    calls.write(json.dumps(arguments) + '\n')
  fails = FOLDER / 'fails'
  if fails.exists() and fails.read_text() in ' '.join(arguments):
    return 'ERROR: (gcloud) RESOURCE_EXHAUSTED: no quota left'
  if 'describe' in arguments:
    print(next_state())
  command = next((a for a in arguments if a.startswith('--command=')), '')
  if 'ssh' in arguments and 'pip' not in command:
    home = FOLDER / 'host'
    home.mkdir(exist_ok=True)
    return subprocess.run(
      ['bash', '-c', command.removeprefix('--command=')],
      env=os.environ | {'HOME': str(home)},
    ).returncode
  return 0


sys.exit(main(sys.argv[1:]))
