# shellcheck shell=bash
# Queued resources: asking for slices, waiting for them, giving them back.
# https://cloud.google.com/sdk/gcloud/reference/compute/tpus/queued-resources
# shellcheck disable=SC2154 # options are set by tpu_vm.sh

queued_resources() { # VERB ARGUMENT…
  local limit=()
  # What nobody watches must not wait for ever.
  [[ ! ${call_seconds-} ]] || limit=(timeout "$call_seconds")
  execute ${limit[@]+"${limit[@]}"} gcloud compute tpus queued-resources "$@" \
    "--project=$project" "--zone=$zone"
}

create() {
  [[ $type && $version ]] || usage "$subcommand needs --type and --version"
  local what=("--node-id=$name")
  ((node_count == 1)) ||
    what=("--node-count=$node_count" "--node-prefix=$name")
  queued_resources create "$name" "${what[@]}" \
    "--accelerator-type=$type" "--runtime-version=$version" \
    ${capacity:+"--$capacity"} ${create_flags[@]+"${create_flags[@]}"}
}

not_created() {
  die "$name was not created; gcloud says why above (quota, capacity, names)"
}

state_of() { # FIELD
  queued_resources describe "$name" "--format=value($1)"
}

wait_for_slice() {
  if [[ $dry_run ]]; then
    state_of state.state
    return
  fi
  local state failures=0 begin=$SECONDS
  while true; do
    state=$(state_of state.state) || state=unknown
    [[ $state == unknown ]] && ((failures += 1)) || failures=0
    ((failures < 3)) || die "cannot ask for the state of $name (see above)"
    printf '%s: %s after %d min\n' "$name" "$state" $(((SECONDS - begin) / 60))
    case $state in
      ACTIVE) return ;;
      FAILED | SUSPENDED | SUSPENDING | DELETING)
        state_of state >&2 || true
        die "$name is $state and will not come; delete it and create it anew"
        ;;
    esac
    ((SECONDS - begin < timeout_minutes * 60)) ||
      die "$name is $state after $timeout_minutes min; wait again or delete it"
    sleep "$poll_seconds"
  done
}

delete() {
  queued_resources delete "$name" --force --quiet
}

how_to_delete() {
  printf 'launch/tpu_vm.sh delete %s --project=%q --zone=%q' \
    "$name" "$project" "$zone"
}

offer_to_delete() { # STATUS
  trap - EXIT
  [[ $dry_run ]] && exit "$1"
  printf '%s is still there, and costs.\n' "$name"
  local answer=no
  [[ ! -t 0 ]] || read -r -p 'Delete it? [y/N] ' answer
  if [[ $answer == [yY]* ]]; then
    delete || die "$name was NOT deleted, and costs: $(how_to_delete)"
  else
    printf 'To delete it: %s\n' "$(how_to_delete)"
  fi
  exit "$1"
}
