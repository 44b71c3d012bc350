"""Holds the table of costs in launch/README.md against the experiments."""

import math
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 4000


def costs(path):
  """A row of the table, from the header of an experiment."""
  lines = [line for line in path.read_text().splitlines() if line[:1] == '#']
  header = ' '.join(line.lstrip('# ') for line in lines)
  shape = re.search(r'\b\d+(?:x\d+)+\b', header)
  chips = math.prod(map(int, shape[0].split('x'))) if shape else 1
  seconds = float(re.search(r'roofline ([\d.]+) s a step', header)[1])
  best = int(re.search(r'MFU (\d+)%', header)[1])
  worst = re.search(r'\((\d+)% if communication never hides', header)
  slowest = seconds * best / int(worst[1]) if worst else seconds
  hours = [chips * s * STEPS / 3600 for s in (seconds, slowest)]
  return (
    f'| [{path.stem}](../gin/experiments/{path.name}) | {chips} |'
    f' {_range(seconds, slowest, ".2f")} | {_range(*hours, ".1f")} |'
  )


def _range(low, high, form):
  low, high = format(low, form), format(high, form)
  return low if low == high else f'{low}–{high}'


def test_the_chip_hours_follow_from_the_experiments():
  paths = sorted((ROOT / 'gin' / 'experiments').glob('*.gin'))
  of_open_models = [
    path
    for path in paths
    if "include 'models/huggingface.gin'" in path.read_text()
    and 'roofline' in path.read_text()
  ]
  assert len(of_open_models) > 4
  told = (ROOT / 'launch' / 'README.md').read_text().splitlines()
  table = [
    line for line in told if line.startswith('| [') and '/experiments/' in line
  ]
  assert table == [costs(path) for path in of_open_models]
