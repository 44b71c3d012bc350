"""Stands in for gcloud, xpk, kubectl, docker, sbatch, srun and scontrol.

The first argument is the tool's name. In the folder $FAKES, `calls` gets each
call as JSON, and a call that has the text of `fails` in it fails. A workload
and a job run at once, here, and again when their engines would start them
again: xpk after the statuses that it is told of, SLURM after `scontrol
requeue`.
"""

import json
import os
import pathlib
import subprocess
import sys

import fake_gcloud
import synopses

FOLDER = pathlib.Path(os.environ['FAKES'])


def gcloud(arguments):
  return fake_gcloud.call(arguments)


def xpk(arguments):
  assert arguments[0] == 'workload', arguments
  verb, *options = arguments[1:]
  refused = synopses.refusal(options, synopses.XPK_WORKLOAD[verb])
  if refused or verb != 'create':
    return refused or 0
  said = dict(option.lstrip('-').partition('=')[::2] for option in options)
  restarting = {42, *range(127, 256)}
  restarting |= {int(s) for s in said['restart-on-exit-codes'].split(',')}
  for _ in range(int(said['max-restarts']) + 1):
    # As in the container that xpk describes.
    shell = f'({said["command"]}) & PID=$!; wait $PID; exit $?'
    status = subprocess.run(['bash', '-c', shell], check=False).returncode
    if status not in restarting:
      break
  (FOLDER / 'workload').write_text(str(status))
  return 0


def kubectl(arguments):
  return synopses.refusal(arguments[1:], synopses.KUBECTL_LOGS) or 0


def docker(arguments):
  if arguments[0] == 'build':
    (FOLDER / 'context').write_bytes(sys.stdin.buffer.read())
  return 0


def sbatch(arguments):
  script = next(i for i, a in enumerate(arguments) if not a.startswith('-'))
  said = [
    line.split()[1]
    for line in pathlib.Path(arguments[script]).read_text().splitlines()
    if line.startswith('#SBATCH')
  ]
  refused = synopses.refusal(said + arguments[:script], synopses.SBATCH)
  if refused:
    return refused
  requeued = FOLDER / 'requeued'
  for count in range(200):
    job = {'SLURM_JOB_ID': '7', 'SLURM_RESTART_COUNT': str(count)}
    status = subprocess.run(
      ['bash', *arguments[script:]], env=os.environ | job, check=False
    ).returncode
    if not requeued.exists():
      break
    requeued.unlink()
  return status


def srun(arguments):
  command = next(i for i, a in enumerate(arguments) if not a.startswith('-'))
  refused = synopses.refusal(arguments[:command], synopses.SRUN)
  if refused:
    return refused
  return subprocess.run(arguments[command:], check=False).returncode


def scontrol(arguments):
  assert arguments == ['requeue', '7']
  (FOLDER / 'requeued').touch()
  return 0


def main(name, *arguments):
  with (FOLDER / 'calls').open('a') as calls:
    calls.write(json.dumps([name, *arguments]) + '\n')
  fails = FOLDER / 'fails'
  if fails.exists() and fails.read_text() in ' '.join([name, *arguments]):
    return f'{name}: permission denied'
  return globals()[name](list(arguments))


sys.exit(main(*sys.argv[1:]))
