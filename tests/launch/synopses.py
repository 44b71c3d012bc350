"""What the real tools' documentation says that they take, for the fakes.

A call with an option that is not here is refused, as the real tool would.
"""

_GCLOUD_WIDE = 'project zone format quiet'
_HOSTS = """
  batch-size dry-run force-key-file-overwrite internal-ip node plain
  ssh-key-expiration ssh-key-expire-after ssh-key-file
  strict-host-key-checking tunnel-through-iap worker
"""

# https://cloud.google.com/sdk/gcloud/reference/compute/tpus/queued-resources/
QUEUED_RESOURCES = {
  'create': f"""{_GCLOUD_WIDE}
    accelerator-type async data-disk description guaranteed internal-ips labels
    metadata metadata-from-file network node-count node-id node-prefix range
    reservation-host-folder reservation-host-organization
    reservation-host-project reserved runtime-version scopes service-account
    shielded-secure-boot spot subnetwork tags topology type
    valid-after-duration valid-after-time valid-until-duration valid-until-time
  """,
  'delete': f'{_GCLOUD_WIDE} async force',
  'describe': _GCLOUD_WIDE,
  'scp': f'{_GCLOUD_WIDE} {_HOSTS} compress recurse scp-flag',
  'ssh': f'{_GCLOUD_WIDE} {_HOSTS} command output-directory ssh-flag',
}

# https://github.com/AI-Hypercomputer/xpk, src/xpk/parser/workload.py
_XPK = 'cluster dry-run project quiet skip-validation zone'
XPK_WORKLOAD = {
  'create': f"""{_XPK}
    base-docker-image command debug-dump-gcs device-type docker-image
    docker-image-pull-secret docker-name enable-debug-logs env env-file flex
    max-restarts num-nodes num-slices on-demand output-manifest-file priority
    reservation restart-on-exit-codes scheduler script-dir spot storage
    termination-grace-period-seconds tpu-type ttl-seconds-after-finished
    workload
  """,
  'delete': f'{_XPK} filter-by-job filter-by-status force workload',
  'list': f"""{_XPK}
    filter-by-job filter-by-status timeout wait-for-job-completion
  """,
}

# https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/
KUBECTL_LOGS = """
  all-containers all-pods container follow ignore-errors limit-bytes
  max-log-requests prefix previous selector since since-time tail timestamps
"""

# https://slurm.schedmd.com/sbatch.html, srun.html
SBATCH = """
  cpus-per-task gpus-per-node job-name nodes ntasks ntasks-per-node open-mode
  output partition requeue signal time
"""
SRUN = 'kill-on-bad-exit label nodes ntasks output'


def refusal(arguments: list[str], options: str) -> str | None:
  """What the tool says of the first option that it does not know."""
  known = [f'--{option}' for option in options.split()]
  for argument in arguments:
    if argument.startswith('-') and argument.split('=')[0] not in known:
      return f'unrecognized arguments: {argument}'
  return None
