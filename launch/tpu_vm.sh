#!/usr/bin/env bash
# Takes a run to a Cloud TPU slice, or several, by queued resources.
#
#   launch/tpu_vm.sh SUBCOMMAND NAME [OPTION…] [-- COMMAND…]
#
#   create    asks for the slice
#   wait      returns when it is there
#   install   puts this commit and what it needs on every host
#   ssh       runs COMMAND on every host
#   run       starts COMMAND with --multiprocess on every host, detached
#   tail      follows the log of the first host, to the end of the run
#   stop      has the run save and stop
#   delete    gives the slice back
#   all       create, wait, install, run and tail
#
#   --project=P --zone=Z     default: $TPU_PROJECT, $TPU_ZONE
#   --type=v5litepod-16      of the slice (create)
#   --version=V              of the TPU software (create)
#   --spot, --reserved       how it is paid for (create)
#   --node_count=N           slices (all subcommands alike)
#   --timeout_minutes=720    of wait
#   --dry_run                prints the commands
#
# launch/README.md walks through a run.
set -euo pipefail

die() {
  printf 'tpu_vm.sh: %s\n' "$1" >&2
  exit "${2-1}"
}

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
  die "$1" 2
}

(($# >= 2)) || usage 'a subcommand and a NAME are needed'
subcommand=$1 name=$2
shift 2
[[ $name =~ ^[a-z][a-z0-9-]*$ ]] ||
  usage "NAME is '$name'; it is made of small letters, digits and -"

project=${TPU_PROJECT-} zone=${TPU_ZONE-} type='' version='' node_count=1
timeout_minutes=720 poll_seconds=${TPU_POLL_SECONDS-30} dry_run='' capacity=()
command=()
while (($#)); do
  case $1 in
    --project=* | --zone=* | --type=* | --version=* | --node_count=* | \
      --timeout_minutes=*)
      option=${1%%=*}
      printf -v "${option#--}" %s "${1#*=}"
      ;;
    --spot | --reserved) capacity+=("$1") ;;
    --dry_run) dry_run=true ;;
    --)
      command=("${@:2}")
      break
      ;;
    *) usage "there is no option $1" ;;
  esac
  shift
done
[[ $project ]] || die 'say which project: --project=P, or export TPU_PROJECT' 2
[[ $zone ]] || die 'say which zone: --zone=Z, or export TPU_ZONE' 2
for number in "$node_count" "$timeout_minutes"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || usage "'$number' is no number"
done
[[ $dry_run ]] || command -v gcloud >/dev/null ||
  die 'gcloud is not installed: https://cloud.google.com/sdk/docs/install'

nodes=("$name")
if ((node_count > 1)); then
  nodes=()
  for ((index = 0; index < node_count; index++)); do
    nodes+=("$name-$index")
  done
fi

quoted() {
  printf '%q ' "$@"
}

execute() {
  if [[ $dry_run ]]; then
    local line
    line=$(quoted "$@")
    echo "${line% }"
  else
    "$@"
  fi
}

tpus() {
  execute gcloud compute tpus "$@" "--project=$project" "--zone=$zone"
}

# ssh_to NODE WORKER SCRIPT
ssh_to() {
  tpus tpu-vm ssh "$1" "--worker=$2" "--command=$3"
}

on_every_host() {
  local node
  for node in "${nodes[@]}"; do
    ssh_to "$node" all "$1" || die "$2 failed on a host of $node (see above)"
  done
}

needs_command() {
  ((${#command[@]})) || usage "$subcommand needs a command after --"
}

create() {
  [[ $type && $version ]] || usage 'create needs --type and --version'
  local what=("--node-id=$name")
  ((node_count == 1)) ||
    what=("--node-count=$node_count" "--node-prefix=$name")
  tpus queued-resources create "$name" "${what[@]}" \
    "--accelerator-type=$type" "--runtime-version=$version" \
    ${capacity[@]+"${capacity[@]}"} ||
    die "$name was not created; gcloud says why above (quota, capacity, names)"
}

state_of() {
  tpus queued-resources describe "$name" "--format=value($1)"
}

wait_for_slice() {
  if [[ $dry_run ]]; then
    state_of state.state
    return
  fi
  local state failures=0
  while true; do
    state=$(state_of state.state) || state=unknown
    [[ $state == unknown ]] && ((failures += 1)) || failures=0
    ((failures < 3)) || die "cannot ask for the state of $name (see above)"
    printf '%s: %s after %d min\n' "$name" "$state" $((SECONDS / 60))
    case $state in
      ACTIVE) return ;;
      FAILED | SUSPENDED | SUSPENDING | DELETING)
        state_of state >&2 || true
        die "$name is $state and will not come; delete it and create it anew"
        ;;
    esac
    ((SECONDS < timeout_minutes * 60)) ||
      die "$name is $state after $timeout_minutes min; wait again or delete it"
    sleep "$poll_seconds"
  done
}

# TPU images have a Python that is too old; uv brings one.
# shellcheck disable=SC2016 # expanded on the host
INSTALL='set -e
rm -rf ~/symbol_tuning && mkdir ~/symbol_tuning
tar -xzf ~/symbol_tuning.tar.gz -C ~/symbol_tuning
python3 -m pip install --quiet --user uv
~/.local/bin/uv venv --quiet --clear --python 3.12 ~/venv
~/.local/bin/uv pip install --quiet --python ~/venv "$HOME/symbol_tuning[tpu]"'

install() {
  local checkout archive node
  checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  [[ ! $(git -C "$checkout" status --porcelain --untracked-files=no) ]] ||
    echo 'tpu_vm.sh: what is not committed is not installed' >&2
  archive=${TMPDIR:-/tmp}/symbol_tuning-$name.tar.gz
  execute git -C "$checkout" archive --output="$archive" HEAD
  for node in "${nodes[@]}"; do
    tpus tpu-vm scp "$archive" "$node:symbol_tuning.tar.gz" --worker=all ||
      die "cannot copy the code to $node (see above)"
  done
  execute rm "$archive"
  on_every_host "$INSTALL" 'installing'
}

# The log, the process and its exit status are in ~/run of each host.
run() {
  needs_command
  local line
  line=$(quoted "${command[@]}" --multiprocess)
  on_every_host "set -e
mkdir -p ~/run && cd ~/run
if kill -0 \$(cat pid 2>/dev/null) 2>/dev/null; then
  echo 'a run is going on here; stop it first' >&2
  exit 1
fi
rm -f status
PATH=~/venv/bin:\$PATH setsid nohup bash -c $(quoted "$line
echo \$? >status") >log 2>&1 </dev/null &
echo \$! >pid" 'starting the command'
  [[ $dry_run ]] || echo "$name runs: follow it with tail, end it with stop"
}

follow() {
  # shellcheck disable=SC2016 # expanded on the host
  ssh_to "${nodes[0]}" 0 'cd ~/run && tail -n +1 -F --pid=$(cat pid) log
exit $(cat status 2>/dev/null || echo 1)' ||
    die "the run on $name failed, or the connection did: the log is ~/run/log"
}

stop() {
  # shellcheck disable=SC2016 # expanded on the host
  on_every_host 'pkill -TERM -s $(cat ~/run/pid) python || true' 'stopping'
}

delete() {
  tpus queued-resources delete "$name" --force --quiet
}

all() {
  needs_command
  create
  trap 'offer_to_delete $?' EXIT
  wait_for_slice
  install
  run
  follow
}

offer_to_delete() {
  trap - EXIT
  [[ $dry_run ]] && exit "$1"
  printf '%s is still there, and costs.\n' "$name"
  local answer=no
  [[ ! -t 0 ]] || read -r -p 'Delete it? [y/N] ' answer
  if [[ $answer == [yY]* ]]; then
    delete
  else
    printf 'To delete it: launch/tpu_vm.sh delete %s --project=%q --zone=%q\n' \
      "$name" "$project" "$zone"
  fi
  exit "$1"
}

case $subcommand in
  create | install | run | stop | delete | all) "$subcommand" ;;
  wait) wait_for_slice ;;
  tail) follow ;;
  ssh)
    needs_command
    on_every_host "${command[*]}" 'the command'
    ;;
  *) usage "there is no subcommand $subcommand" ;;
esac
