"""Every experiment, ablation and documented command, to two finished steps.

They are run as they are, but for what makes the model small (widths, the
vocabulary, virtual devices in place of a slice) and the data synthetic.
"""

import csv
import json
import os
import pathlib
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_checkpoint
from shipped import documented

ASSETS = documented.ROOT / 'symbol_tuning/data/vocabularies/assets'
EXPERIMENTS = sorted((documented.ROOT / 'gin/experiments').glob('*.gin'))
ABLATIONS = sorted((documented.ROOT / 'gin/ablations').glob('*.gin'))
# What the quickstart's stages have in common; it is nothing by itself.
INCLUDED = ('quickstart_train',)
# Compiled for slices by precompile_test, where the TPU compiler is.
ELSEWHERE = ('symbol_tuning.precompile',)
SYNTHETIC = (
  '--gin.DATA_SOURCE=@sources.SyntheticSource()',
  '--gin.sources.SyntheticSource.num_train=60',
  '--gin.sources.SyntheticSource.num_validation=12',
)
TWO_STEPS = ('--gin.TRAIN_STEPS=2', '--gin.HANG_SECONDS=None')
EVALUATED = ('--gin.EVAL_PERIOD=2', '--gin.EVAL_QUERIES=1')
ONE_QUERY = '--gin.settings.DataSettings.evaluation_queries=1'
# What makes the commands of pages small.
SMALL = {
  'symbol_tuning.train': (*TWO_STEPS, *EVALUATED, '--gin.BATCH_SIZE=2'),
  'symbol_tuning.eval': (
    "--gin.MIXTURE_OR_TASK_NAME=['icl_flipped_subj', 'icl_flipped_adec']",
    "--gin.SEPARATOR='eos'",
    ONE_QUERY,
  ),
  'symbol_tuning.cache_tasks': ('--gin.NUM_ROWS=8', '--gin.NUM_SHARDS=1'),
  'symbol_tuning.export_mixture': ('--gin.NUM_EXAMPLES=5',),
  'symbol_tuning.export_lm_eval': (
    "--gin.MIXTURE_OR_TASK_NAME='icl_flipped_subj'",
    ONE_QUERY,
  ),
}
# What else some need, by what stands in the command.
SMALL_FOR = {
  'short_prompts': '--gin.WARMUP_STEPS=1',
  'runs/quickstart/baseline': '--gin.INITIAL_CHECKPOINT_PATH=None',
  'eval_training': '--gin.TRAIN_STEPS=2',
  'list_functions': "--gin.MIXTURE_OR_TASK_NAME='turing_concepts'",
}
PALM = (
  'config.DecoderConfig.num_layers=2',
  'config.DecoderConfig.embed_dim=32',
  'config.DecoderConfig.num_heads=4',
  'config.DecoderConfig.head_dim=8',
  'config.DecoderConfig.mlp_dim=64',
  'config.DecoderConfig.vocab_size=1792',
  f'SENTENCEPIECE_MODEL={str(ASSETS / "tiny.model")!r}',
)
SMOLLM2 = 'path/of/SmolLM2-135M-Instruct'
GEMMA = 'path/of/gemma-3-270m'
OPEN_MODEL = 'path/of/an_open_model'


def gin_flags(bindings):
  return [f'--gin.{binding}' for binding in bindings]


def train(name, *flags):
  return [name, 'symbol_tuning.train', [*flags, *TWO_STEPS]]


def write_reviews(folder):
  """What tasks/README.md and the page on `infer` speak of."""
  blocks = documented.blocks('tasks/README.md', 'python')
  (folder / 'my_datasets.py').write_text('\n'.join(blocks))
  rows = [
    {
      'title': f'Number {i}',
      'body': f'It is {i}.',
      'verdict': ('complaint', 'praise')[i % 2],
    }
    for i in range(24)
  ]
  (folder / 'data/reviews').mkdir(parents=True)
  for split in ('train', 'validation'):
    text = '\n'.join(map(json.dumps, rows))
    (folder / f'data/reviews/{split}.jsonl').write_text(text)
  with (folder / 'labelled.csv').open('w', newline='') as file:
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
  pq.write_table(pa.Table.from_pylist(rows[:3]), folder / 'rows.parquet')


def quickstart_jobs():
  """The quickstart's stages, and each ablation of its last one."""
  small = [*SYNTHETIC, *EVALUATED]
  start = 'INITIAL_CHECKPOINT_PATH'
  for stage, initial in (
    ('pretrain', None),
    ('instruction_tune', "'quickstart_pretrain'"),
    ('symbol_tune', "'quickstart_instruction_tune'"),
  ):
    name = f'quickstart_{stage}'
    flags = [f'--gin_file=experiments/{name}.gin', f"--gin.MODEL_DIR='{name}'"]
    if initial:
      flags.append(f'--gin.{start}={initial}')
    yield train(name, *flags, *small)
  asked = [
    '--gin_file=experiments/quickstart_eval.gin',
    "--gin.CHECKPOINT_PATH={'tuned': 'quickstart_symbol_tune'}",
    ONE_QUERY,
    *SYNTHETIC[1:],
  ]
  yield ['quickstart_eval', 'symbol_tuning.eval',
         [*asked, "--gin.EVAL_OUTPUT_DIR='eval'"]]  # fmt: skip
  for path in ABLATIONS:
    ablation = documented.flags_of_header(path)
    if path.stem.startswith('evaluation'):
      output = f"--gin.EVAL_OUTPUT_DIR='{path.stem}'"
      yield [path.stem, 'symbol_tuning.eval', [*asked, *ablation, output]]
      continue
    yield train(
      path.stem,
      '--gin_file=experiments/quickstart_symbol_tune.gin',
      *ablation,
      f"--gin.MODEL_DIR='{path.stem}'",
      f'--gin.{start}=None',
      *small,
    )


def page_jobs():
  """The commands of the pages, in order, each in what the last ones left."""
  for page in documented.PAGES:
    if not (documented.ROOT / page).exists():
      continue
    for number, (module, words) in enumerate(documented.commands(page)):
      # launch/README.md is walked through by `walk_jobs`.
      if page.startswith('launch') or module in ELSEWHERE or not words:
        continue
      arguments = [*words, *completion(module, ' '.join(words))]
      yield [f'{page} {number} {module}', module, arguments]


def completion(module, words):
  """What a documented command leaves to the reader, and what makes it small."""
  if module in ('symbol_tuning.convert', 'symbol_tuning.report'):
    return []
  if 'reviews' in words:
    is_asked = module == 'symbol_tuning.infer'
    return ['--gin.settings.DataSettings.evaluation_exemplars=1'] * is_asked
  if 'train_cached' in words:
    return [
      *TWO_STEPS,
      "--gin.MIXTURE_OR_TASK_NAME='symbol_tuning'",
      "--gin.MODEL_DIR='cached'",
      '--gin.INITIAL_CHECKPOINT_PATH=None',
      '--gin.BATCH_SIZE=2',
    ]
  return [
    *SYNTHETIC,
    *SMALL.get(module, ()),
    *(flag for name, flag in SMALL_FOR.items() if name in words),
  ]


def walk_jobs():
  """What launch/README.md walks through, with a tiny model for its own."""
  page = 'launch/README.md'
  for number, (module, words) in enumerate(documented.commands(page)):
    if not any('$BUCKET' in w for w in words) or 'report' in module:
      continue
    names = {'$BUCKET/models/Qwen3-8B': SMOLLM2, '$BUCKET': 'share'}
    arguments = list(words)
    for name, ours in names.items():
      arguments = [word.replace(name, ours) for word in arguments]
    if module == 'symbol_tuning.train':
      arguments += [*TWO_STEPS, *on_virtual_devices(words)]
      arguments += ['--gin.ARCHITECTURE=%CHECKPOINT']
    else:
      arguments += [*SYNTHETIC, *SMALL[module]]
    if module == 'symbol_tuning.eval':
      arguments += ['--gin.partitioning.Partitioner.fsdp=4']
    yield [f'{page} {number} {module}', module, arguments]


def pod_jobs():
  """PaLM's experiments on virtual devices, from one cache."""
  small = gin_flags(PALM)
  yield [
    'cache of PaLM',
    'symbol_tuning.cache_tasks',
    [
      '--gin_file=models/palm_8b.gin',
      '--gin_file=runs/cache.gin',
      "--gin.MIXTURE_OR_TASK_NAME='symbol_tuning'",
      "--gin.CACHE_DIR='share/cache'",
      *('--gin.NUM_ROWS=16', '--gin.NUM_SHARDS=1'),
      f'--gin.SENTENCEPIECE_MODEL={str(ASSETS / "tiny.model")!r}',
      *SYNTHETIC,
    ],
  ]
  for path in EXPERIMENTS:
    experiment = f'--gin_file=experiments/{path.name}'
    if path.stem.startswith('palm'):
      yield train(
        path.stem,
        experiment,
        '--gin_file=runs/train_eval.gin',
        *small,
        *SYNTHETIC,
        *EVALUATED,
        "--gin.EVAL_MIXTURE='icl_flipped_subj'",
        "--gin.CACHE_DIR='share/cache'",
        f"--gin.MODEL_DIR='{path.stem}'",
        '--gin.INITIAL_CHECKPOINT_PATH=None',
        *on_virtual_devices([experiment]),
      )


def open_model_jobs():
  """The experiments of open models, with the sizes of one that is tiny."""
  # PaLM's cache is of the tiny vocabulary.
  open_model = gin_flags(
    [
      f'CHECKPOINT={OPEN_MODEL!r}',
      'ARCHITECTURE=%CHECKPOINT',
      'VOCABULARY=@vocabularies.tiny()',
    ]
  )
  for path in EXPERIMENTS:
    experiment = f'--gin_file=experiments/{path.name}'
    if 'families.published' in path.read_text():
      yield train(
        path.stem,
        experiment,
        *open_model,
        "--gin.MIXTURE_OR_TASK_NAME='symbol_tuning'",
        "--gin.CACHE_DIR='share/cache'",
        f"--gin.MODEL_DIR='{path.stem}'",
        *on_virtual_devices([experiment]),
        *(
          ['--gin.BATCH_SIZE=32'] if 'MICROBATCHES' in path.read_text() else []
        ),
      )


def on_virtual_devices(words):
  """A mesh of four devices whose axes are long where the experiment's are."""
  [experiment] = [w for w in words if w.startswith('--gin_file=experiments')]
  text = (documented.ROOT / 'gin' / experiment.partition('=')[2]).read_text()
  sizes = dict(re.findall(r'^  (data|fsdp|tensor) = (\d+)', text, re.MULTILINE))
  data, tensor = (min(int(sizes[axis]), 2) for axis in ('data', 'tensor'))
  return gin_flags(
    [
      f'partitioning.Partitioner.data={data}',
      f'partitioning.Partitioner.fsdp={4 // data // tensor}',
      f'partitioning.Partitioner.tensor={tensor}',
      'BATCH_SIZE=4',
    ]
  )


JOBS = {
  'quickstart': (list(quickstart_jobs()), 1),
  'pages': (list(page_jobs()), 1),
  'pod': ([*walk_jobs(), *pod_jobs(), *open_model_jobs()], 4),
}


@pytest.fixture(scope='module')
def results(tmp_path_factory):
  """What became of each group of jobs; they are run side by side.

  By name: its folder, what each job printed by the job's name, and errors.
  """
  root = tmp_path_factory.mktemp('shipped')
  compiled = tmp_path_factory.mktemp('compiled')
  started = {}
  for group, (jobs, num_devices) in JOBS.items():
    folder = root / group
    folder.mkdir()
    tiny_checkpoint.write(folder / SMOLLM2)
    tiny_checkpoint.write(folder / GEMMA)
    tiny_checkpoint.write(folder / OPEN_MODEL, vocab_size=1792)
    write_reviews(folder)
    started[group] = subprocess.Popen(
      [sys.executable, str(pathlib.Path(__file__).parent / 'run_in_turn.py')],
      cwd=folder,
      env=os.environ
      | {
        'JAX_PLATFORMS': 'cpu',
        'JAX_NUM_CPU_DEVICES': str(num_devices),
        'JAX_COMPILATION_CACHE_DIR': str(compiled),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.1',
        'PYTHONPATH': str(folder),
        'SYMBOL_TUNING_DATA_ROOT': str(folder / 'data'),
      },
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    started[group].stdin.write(json.dumps(jobs))
    started[group].stdin.close()
    started[group].stdin = None
  found = {}
  for group, process in started.items():
    output, errors = process.communicate()
    ended = {
      line['name']: line for line in map(json.loads, output.splitlines())
    }
    found[group] = (root / group, ended, errors[-3000:])
  return found


@pytest.mark.parametrize(
  ('group', 'job'),
  [
    pytest.param(group, job, id=job[0])
    for group, (jobs, _) in JOBS.items()
    for job in jobs
  ],
)
def test_what_is_shipped_runs(results, group, job):
  root, ended, errors = results[group]
  name, module, arguments = job
  assert name in ended, errors
  assert ended[name]['status'] == 0, ended[name]['output']
  if module == 'symbol_tuning.train' and '--dry_run' not in arguments:
    folder = root / model_dir(arguments)
    lines = (folder / 'metrics.jsonl').read_text().splitlines()
    kinds = {line['kind']: line for line in map(json.loads, lines)}
    assert kinds['train']['step'] == 2
    assert (folder / 'checkpoints/2').is_dir()
    if EVALUATED[0] in arguments:
      assert kinds['eval']['step'] == 2


def model_dir(arguments):
  [*_, last] = [a for a in arguments if a.startswith('--gin.MODEL_DIR=')]
  return last.partition('=')[2].strip("'")


def test_every_file_and_command_is_run():
  names = {job[0] for jobs, _ in JOBS.values() for job in jobs}
  shipped = {path.stem for path in (*EXPERIMENTS, *ABLATIONS)}
  on_pages = {'symbol_tune', 'short_prompts'}
  assert shipped - names == set(INCLUDED) | on_pages
  modules = {job[1] for jobs, _ in JOBS.values() for job in jobs}
  readme = dict(documented.commands('README.md'))
  assert set(readme) - modules == set(ELSEWHERE)
  for name in on_pages:
    flag = f'--gin_file=experiments/{name}.gin'
    assert any(flag in job[2] for job in JOBS['pages'][0])
