#!/usr/bin/env bash
# A pod on one machine: N processes that train or evaluate together, each with M
# virtual CPU devices.
#
#   launch/local_pod.sh [--dry_run] N M -- COMMAND…
#   launch/local_pod.sh 2 2 -- python -m symbol_tuning.train --gin_file=…
#
# Each line of output begins with the number of its process. When a process
# fails, the others have some seconds to say what they know and are ended; the
# exit status is that of the process that failed. Ctrl-C and SIGTERM are
# passed on to all. --dry_run prints what each process would run, --help this.
set -uo pipefail
# shellcheck source=launch/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

help_if_asked "$@"
if [[ ${1-} == --dry_run ]]; then
  dry_run=true
  shift
fi
[[ ${1-} =~ ^[1-9][0-9]*$ ]] || usage "N, processes, is '${1-}'"
[[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage "M, devices of a process, is '${2-}'"
[[ ${3-} == -- && $# -gt 3 ]] || usage 'the command stands after --'
count=$1 devices=$2
shift 3

grace_seconds=${LOCAL_POD_GRACE_SECONDS:-10}
port=$(python3 -c 'import socket
with socket.socket() as s: s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export JAX_COORDINATOR_ADDRESS=127.0.0.1:$port JAX_NUM_PROCESSES=$count
export JAX_PLATFORMS=cpu PYTHONUNBUFFERED=1
XLA_FLAGS="${XLA_FLAGS-} --xla_force_host_platform_device_count=$devices"
export XLA_FLAGS
if [[ $dry_run ]]; then
  for ((index = 0; index < count; index++)); do
    execute env "JAX_COORDINATOR_ADDRESS=$JAX_COORDINATOR_ADDRESS" \
      "JAX_NUM_PROCESSES=$count" JAX_PLATFORMS=cpu "XLA_FLAGS=$XLA_FLAGS" \
      "JAX_PROCESS_ID=$index" "$@"
  done
  exit
fi

# How processes ended is read from here, as lines 'INDEX STATUS'.
folder=$(mktemp -d)
mkfifo "$folder/ended"
exec 3<>"$folder/ended"
rm -r "$folder"

run() {
  trap : INT TERM # the command gets them; this tells how it ended
  JAX_PROCESS_ID=$1 "${@:2}" 2>&1 3>&- |
    (trap '' INT TERM && exec sed -u "s/^/[$1] /")
  echo "$1 ${PIPESTATUS[0]}" >&3
}

signal_all() {
  for pid in "${pids[@]}"; do kill "-$1" -- "-$pid" 2>/dev/null; done
}

set -m # each process gets a process group, with all that it starts
pids=()
for ((index = 0; index < count; index++)); do
  run "$index" "$@" 2>/dev/null &
  pids+=($!)
done
trap 'signal_all INT' INT
trap 'signal_all TERM' TERM

status=0
running=$count
while ((running)); do
  if ((status && SECONDS >= deadline)); then
    echo 'local_pod.sh: ending the others' >&2
    signal_all KILL
    break
  fi
  read -r -t 1 index code <&3 || continue
  ((running -= 1))
  if ((code && !status)); then
    echo "local_pod.sh: process $index of $count failed, status $code" >&2
    status=$code deadline=$((SECONDS + grace_seconds))
  fi
done
wait 2>/dev/null
exit "$status"
