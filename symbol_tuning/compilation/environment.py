"""What the TPU compiler must be told where there is no TPU.

Otherwise it asks a server that only Google's machines have which TPU this is,
and refuses to work for two processes at once.
"""

import os

import jax


def prepare() -> None:
  """Sets up this process; to be called before JAX looks for devices."""
  jax.config.update('jax_platforms', 'cpu')
  # How long it takes to compile is told; what is kept would take no time.
  jax.config.update('jax_enable_compilation_cache', False)
  os.environ['ALLOW_MULTIPLE_LIBTPU_LOAD'] = '1'
  os.environ['TPU_SKIP_MDS_QUERY'] = '1'
  # Any will do: topologies are described in full.
  os.environ.setdefault('TPU_ACCELERATOR_TYPE', 'v5litepod-4')
  os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
  os.environ.setdefault('TPU_WORKER_ID', '0')
