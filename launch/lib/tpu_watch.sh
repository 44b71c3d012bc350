# shellcheck shell=bash
# A run that comes back: when its slice is taken, another one is asked for.
# shellcheck disable=SC2154 # options are set by tpu_vm.sh

created=0 starts=0 active_seconds=0 active_since='' allocated=''

# The statuses after which the same command goes on: the watchdog's (75) and
# those of signals, such as the SIGTERM of a preemption.
may_go_on() { # STATUS
  (($1 == 75 || $1 >= 128))
}

watch() {
  needs_command
  if [[ $dry_run ]]; then
    echo "# Repeated until the command ends well, at most $tries times:"
    create && wait_for_slice && install && run && delete
    return
  fi
  # shellcheck disable=SC2034 # read by queued_resources
  call_seconds=${TPU_CALL_SECONDS-1800}
  trap 'left_behind $?' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local outcome=lost
  while ((starts < tries)); do
    if [[ $outcome == lost ]]; then
      get_slice || continue
    fi
    ((starts += 1))
    say "start $starts of at most $tries"
    if (run); then outcome=$(attend); else outcome=lost; fi
    case $outcome in
      done)
        give_back
        say "the run is done; $(cost)"
        return
        ;;
      failed*) failed "${outcome#failed }" ;;
      lost)
        say 'the slice was taken, or a host of it is gone'
        give_back
        ;;
      again) say 'the run stopped, and goes on from its last checkpoint' ;;
    esac
  done
  give_back
  die "given up after $starts starts; $(cost). The same command goes on."
}

say() {
  printf '%s: %s\n' "$name" "$1"
}

# Asks for a slice and prepares it. A try is spent where that fails.
get_slice() {
  local status=0
  create || status=$?
  # One that was asked for and did not answer in time may have come all the same.
  if ((status == 0 || status == 124)); then
    allocated=true
    ((created += 1))
    say "slice $created asked for ($type)"
  elif ((created == 0)); then
    not_created
  fi
  if ((status == 0)) && (wait_for_slice); then
    active_since=$SECONDS
    (install) && return
  fi
  ((starts += 1))
  give_back
  sleep "$poll_seconds"
  return 1
}

# Prints done, again, lost or 'failed STATUS' when the run is over.
attend() {
  local answers misses=0 mixed=0 begin=$SECONDS
  while true; do
    sleep "$poll_seconds"
    [[ $(state_of state.state) =~ ^(ACTIVE)?$ ]] || { echo lost && return; }
    if answers=$(ssh_to "$(on_host state)" "${every_host[@]}" 2>/dev/null); then
      misses=0
      [[ $answers == *running* ]] || { verdict "$answers" && return; }
      # Those that are left end by themselves, if they can.
      [[ ! $answers =~ ended|gone ]] || ((mixed += 1))
      ((mixed < 20)) || { echo lost && return; }
      say "runs, for $(((SECONDS - begin) / 60)) min" >&2
    else
      ((misses += 1))
      say "a host does not answer ($misses)" >&2
      ((misses < 5)) || { echo lost && return; }
    fi
  done
}

verdict() { # the states of all hosts
  local words status outcome=
  while read -r -a words; do
    case ${words[0]-} in
      ended)
        status=${words[1]}
        if ((status == 0)); then
          outcome=${outcome:-done}
        elif may_go_on "$status"; then
          outcome=again
        else
          echo "failed $status"
          return
        fi
        ;;
      gone | none) outcome=again ;;
    esac
  done <<<"$1"
  echo "${outcome:-lost}" # Where no host has told its state.
}

failed() { # STATUS
  (logs) || true
  give_back
  die "the command failed with status $1, which another start would not mend; \
$(cost)" "$1"
}

give_back() {
  [[ $allocated ]] || return 0
  local try answer
  for try in 1 2 3; do
    answer=$(delete 2>&1) || [[ $answer == *NOT_FOUND* ]] || answer+=$'\nfailed'
    if [[ $answer != *$'\nfailed' ]]; then
      [[ ! $active_since ]] ||
        active_seconds=$((active_seconds + SECONDS - active_since))
      allocated='' active_since=''
      return
    fi
    say "deleting failed ($try of 3)" >&2
    sleep "$poll_seconds"
  done
  die "$name was NOT deleted, and costs; $(cost)"
}

cost() {
  local seconds=$active_seconds
  [[ ! $active_since ]] || seconds=$((seconds + SECONDS - active_since))
  printf '%d slices created (%d × %s), there for %d min in all' \
    "$created" "$node_count" "$type" $((seconds / 60))
}

left_behind() { # STATUS
  trap - EXIT INT TERM
  if [[ $allocated ]]; then
    printf '%s is still there, and costs; %s.\nTo delete it: %s\n' \
      "$name" "$(cost)" "$(how_to_delete)" >&2
  fi
  exit "$1"
}
