"""Stands in for gcloud, whose hosts are folders here; see fake_tools.

In the folder $FAKES, `slices` holds what is allocated. The file `plan` is a
JSON list that says what becomes of the slices that are asked for, one after the
other (the last for ever):

  create: 'refused', or 'slow' (it comes, but no answer does)
  states: what `describe` says, one a call and the last one for ever
  hosts: how many there are
  lost: the number of the host that does not answer

What is run on a host is run here, with $FAKES/host-N as its home, unless
it would install something. When a slice is not ACTIVE, its hosts are gone.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import synopses

FOLDER = pathlib.Path(os.environ['FAKES'])
LAUNCH = pathlib.Path(__file__).parents[2] / 'launch'


def option(arguments, name, default=''):
  found = [a for a in arguments if a.startswith(f'--{name}=')]
  return found[0].split('=', 1)[1] if found else default


class Cloud:
  """What is allocated; kept in a file from one call to the next."""

  def __init__(self):
    path = FOLDER / 'slices'
    self.slices = json.loads(path.read_text()) if path.exists() else {}

  def save(self):
    (FOLDER / 'slices').write_text(json.dumps(self.slices))

  def create(self, name, arguments):
    wish, *later = json.loads((FOLDER / 'plan').read_text())
    (FOLDER / 'plan').write_text(json.dumps(later or [wish]))
    if wish.get('create') == 'refused':
      return 'ERROR: (gcloud) RESOURCE_EXHAUSTED: no quota left'
    self.slices[name] = {'states': ['ACTIVE']} | wish
    self.save()
    if wish.get('create') == 'slow':
      time.sleep(60)
    return 0

  def describe(self, name, arguments):
    state, *later = self.slices[name]['states']
    print(state)
    if state != 'ACTIVE':
      remove_hosts()
    self.slices[name]['states'] = later or [state]
    self.save()
    return 0

  def delete(self, name, arguments):
    del self.slices[name]
    self.save()
    remove_hosts()
    return 0

  def scp(self, name, arguments):
    for home in self.homes(name, arguments):
      (home / 'symbol_tuning').mkdir(parents=True, exist_ok=True)
      with contextlib.suppress(FileExistsError):
        (home / 'symbol_tuning' / 'launch').symlink_to(LAUNCH)
    return 0

  def ssh(self, name, arguments):
    command = option(arguments, 'command')
    if 'pip' in command:
      return 0
    folder = option(arguments, 'output-directory')
    status = 0
    for index, home in enumerate(self.homes(name, arguments)):
      if index == self.slices[name].get('lost') or not home.exists():
        print('ssh: connect to host port 22: No route', file=sys.stderr)
        status = 255
        continue
      ended = subprocess.run(
        ['bash', '-c', command],
        env=os.environ | {'HOME': str(home)},
        stdout=subprocess.PIPE,
        check=False,
      )
      if folder:
        (pathlib.Path(folder) / f'{index}.log').write_bytes(ended.stdout)
      else:
        sys.stdout.buffer.write(ended.stdout)
      status = status or ended.returncode
    return status

  def homes(self, name, arguments):
    every = option(arguments, 'worker') == 'all'
    count = self.slices[name].get('hosts', 1) if every else 1
    return [FOLDER / f'host-{index}' for index in range(count)]


def remove_hosts():
  for home in FOLDER.glob('host-*'):
    with contextlib.suppress(OSError, ValueError):
      os.killpg(int((home / 'run' / 'pid').read_text()), signal.SIGKILL)
    shutil.rmtree(home, ignore_errors=True)


def call(arguments):
  """Does what gcloud is told; what it returns is for sys.exit."""
  if arguments[:2] == ['storage', 'cp']:
    target = FOLDER / arguments[3].removeprefix('gs://')
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments[2], target)
    return 0
  assert arguments[:3] == ['compute', 'tpus', 'queued-resources'], arguments
  verb, name = arguments[3], arguments[5 if arguments[3] == 'scp' else 4]
  refused = synopses.refusal(arguments[4:], synopses.QUEUED_RESOURCES[verb])
  if refused:
    return f'ERROR: (gcloud) {refused}'
  cloud, name = Cloud(), name.split(':')[0]
  if verb == 'create' and name in cloud.slices:
    return f'ERROR: (gcloud) ALREADY_EXISTS: {name}'
  if verb != 'create' and name not in cloud.slices:
    return f'ERROR: (gcloud) NOT_FOUND: {name}'
  return getattr(cloud, verb)(name, arguments)
