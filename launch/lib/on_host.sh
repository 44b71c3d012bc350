#!/usr/bin/env bash
# One host's part of a run; tpu_vm.sh calls it by ssh.
#
#   on_host.sh start LOG_DIR COMMAND…   starts COMMAND, detached
#   on_host.sh state                    running, ended STATUS, gone, or none
#   on_host.sh follow                   shows the log to the end; its status
#   on_host.sh log                      the log so far
#   on_host.sh stop                     asks the run to save and stop
#
# ~/run holds the log, the process and, when it has ended, its status. LOG_DIR,
# a folder of a bucket or '', gets a copy of the log each minute and at the end.
set -uo pipefail
mkdir -p ~/run && cd ~/run || exit 1

runs() {
  [[ -e pid && ! -e status ]] && kill -0 "$(<pid)" 2>/dev/null
}

start() {
  if runs; then
    echo 'a run is going on here; stop it first' >&2
    exit 1
  fi
  rm -f status
  PATH=~/venv/bin:$PATH PYTHONUNBUFFERED=1 setsid nohup \
    bash "$0" supervise "$@" >log 2>&1 </dev/null &
  echo $! >pid
}

supervise() {
  log_dir=$1 copied=${1%/}/$(date -u +%Y%m%dT%H%M%S)-$(hostname).log
  if [[ $log_dir ]]; then
    while sleep "${LOG_PERIOD_SECONDS-60}"; do copy_log; done &
  fi
  "${@:2}"
  local status=$?
  if [[ $log_dir ]]; then
    kill %1
    copy_log || echo "on_host.sh: this log is not in $log_dir; gcloud says:" \
      "$(tail -n 1 copying)"
  fi
  # Only now, for the slice may be given back once there is a status.
  echo "$status" >status.new
  mv status.new status
}

copy_log() {
  timeout 120 gcloud storage cp log "$copied" >copying 2>&1
}

state() {
  if [[ -e status ]]; then
    echo "ended $(<status)"
  elif [[ ! -e pid ]]; then
    echo none
  elif runs; then
    echo running
  else
    echo gone
  fi
}

follow() {
  [[ -e pid ]] || { echo 'nothing was run here' >&2 && exit 1; }
  tail -n +1 -F --pid="$(<pid)" log 2>/dev/null
  exit "$(cat status 2>/dev/null || echo 1)"
}

stop() {
  [[ ! -e pid ]] || pkill -TERM -s "$(<pid)" python || true
}

log() {
  cat log
}

"$@"
