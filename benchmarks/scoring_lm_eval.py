"""lm-eval's Hugging Face backend as a contender of scoring.py.

    python scoring_lm_eval.py FOLDER BATCH_SIZE

It runs under a Python of its own, which has lm-eval and not this package.
"""

import functools
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable

Scorer = Callable[[str], list[list[float]]]


def serve(make_scorer: Callable[[], Scorer]) -> None:
  """Answers every line of the standard input, a task, with a line of JSON.

  Whatever else is printed goes to the standard error.
  """
  replies = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  score = make_scorer()
  for line in sys.stdin:
    start = time.perf_counter()
    scores = score(line.strip())
    seconds = time.perf_counter() - start
    reply = {'seconds': seconds, 'scores': scores, 'peak_bytes': peak_bytes()}
    replies.write(json.dumps(reply) + '\n')
    replies.flush()


def peak_bytes() -> int:
  """The most memory that this process has had."""
  status = pathlib.Path('/proc/self/status').read_text(encoding='utf-8')
  (line,) = (x for x in status.splitlines() if x.startswith('VmHWM'))
  return 1024 * int(line.split()[1])


def lm_eval_scorer(folder: str, batch_size: str) -> Scorer:
  """Returns what scores a task in <folder>/tasks with <folder>/model."""
  os.environ |= {'HF_HUB_OFFLINE': '1', 'HF_DATASETS_OFFLINE': '1'}
  from lm_eval import tasks as lm_eval_tasks
  from lm_eval.models import huggingface

  model = huggingface.HFLM(
    pretrained=os.path.join(folder, 'model'),
    dtype='float32',
    device='cpu',
    batch_size=int(batch_size),
  )
  manager = lm_eval_tasks.TaskManager(
    include_path=os.path.join(folder, 'tasks'), include_defaults=False
  )

  @functools.cache
  def requests_of(name: str) -> list:
    """A request for each option of each query."""
    task = manager.load([name])['tasks'][name]
    task.build_all_requests(limit=None, rank=0, world_size=1)
    return task.instances

  def score(name: str) -> list[list[float]]:
    requests = requests_of(name)
    found = model.loglikelihood(requests, disable_tqdm=True)
    queries = {}
    for request, (log_likelihood, _) in zip(requests, found, strict=True):
      queries.setdefault(request.doc_id, []).append(log_likelihood)
    return list(queries.values())

  return score


if __name__ == '__main__':
  serve(lambda: lm_eval_scorer(*sys.argv[1:]))
