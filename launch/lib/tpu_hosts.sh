# shellcheck shell=bash
# The hosts of slices: installing, running, following, stopping.
# https://cloud.google.com/sdk/gcloud/reference/compute/tpus/queued-resources/ssh
# shellcheck disable=SC2154 # options are set by tpu_vm.sh

ssh_to() { # SCRIPT [WHICH…]
  queued_resources ssh "$name" "--command=$1" "${@:2}" \
    ${ssh_flags[@]+"${ssh_flags[@]}"}
}

every_host=(--node=all --worker=all)

on_every_host() { # SCRIPT WHAT-IT-IS
  ssh_to "$1" "${every_host[@]}" || die "$2 failed on a host of $name (see above)"
}

on_host() { # VERB ARGUMENT…: of on_host.sh, as one string
  printf 'bash ~/symbol_tuning/launch/lib/on_host.sh %s' "$(quoted "$@")"
}

needs_command() {
  ((${#command[@]})) || usage "$subcommand needs a command after --"
}

# TPU images have a Python that is too old; uv brings one.
# shellcheck disable=SC2016 # expanded on the host
INSTALL='set -e
rm -rf ~/symbol_tuning && mkdir ~/symbol_tuning
tar -xzf ~/symbol_tuning.tar.gz -C ~/symbol_tuning
python3 -m pip install --quiet --user uv
~/.local/bin/uv venv --quiet --clear --python 3.12 ~/venv
~/.local/bin/uv pip install --quiet --python ~/venv "$HOME/symbol_tuning[tpu,gcs]"'

install() {
  local archive
  warn_of_changes installed
  archive=${TMPDIR:-/tmp}/symbol_tuning-$name.tar.gz
  execute git -C "$(checkout)" archive --output="$archive" HEAD ||
    die 'cannot pack the commit; is this a clone of the repository?'
  queued_resources scp "$archive" "$name:symbol_tuning.tar.gz" \
    "${every_host[@]}" ${ssh_flags[@]+"${ssh_flags[@]}"} ||
    die "cannot copy the code to $name (see above)"
  execute rm "$archive"
  on_every_host "$INSTALL" 'installing'
}

# The folder for logs: what was said, else logs/ of a MODEL_DIR in a bucket.
log_folder() {
  local argument
  if [[ $log_dir ]]; then
    printf %s "$log_dir"
    return
  fi
  for argument in "${command[@]}"; do
    case $argument in
      --gin.MODEL_DIR=*gs://*)
        argument=${argument#--gin.MODEL_DIR=}
        argument=${argument//[\'\"]/}
        printf %s "${argument%/}/logs"
        ;;
    esac
  done
}

run() {
  needs_command
  on_every_host \
    "$(on_host start "$(log_folder)" "${command[@]}" --multiprocess)" \
    'starting the command'
  [[ $dry_run ]] || echo "$name runs: follow it with tail, end it with stop"
}

follow() {
  ssh_to "$(on_host follow)" ||
    die "the run on $name failed, or the connection did; see the logs of all \
hosts: launch/tpu_vm.sh logs $name"
}

# Files DIR/<worker>.log, as gcloud writes them.
logs() {
  local folder=${log_dir:-$name-logs}
  [[ $folder != *://* ]] || usage 'logs writes to a local folder (--log_dir)'
  execute mkdir -p "$folder"
  ssh_to "$(on_host log)" "${every_host[@]}" "--output-directory=$folder" ||
    die "the logs of $name could not all be read (see above)"
  [[ $dry_run ]] || echo "the logs of all hosts are in $folder"
}

stop() {
  on_every_host "$(on_host stop)" 'stopping'
}

all() {
  needs_command
  create || not_created
  trap 'offer_to_delete $?' EXIT
  wait_for_slice
  install
  run
  follow
}
