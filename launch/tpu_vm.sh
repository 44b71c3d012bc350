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
#   logs      copies the logs of all hosts to here
#   stop      has the run save and stop
#   delete    gives the slice back
#   all       create, wait, install, run and tail
#   watch     all of it, again whenever the slice is taken, until COMMAND ends
#             well; then gives the slice back. It says what it has created.
#
#   --project=P --zone=Z     default: $TPU_PROJECT, $TPU_ZONE
#   --type=v5litepod-16      of the slice (create, all, watch)
#   --version=V              of the TPU software (create, all, watch)
#   --spot | --reserved      how it is paid for (create, all, watch)
#   --node_count=N           slices (create, all, watch)
#   --timeout_minutes=720    of waiting for the slice
#   --tries=20               starts of the command (watch)
#   --log_dir=gs://B/logs    gets the logs of all hosts while they are written
#                            (run, all, watch); default: logs/ in the MODEL_DIR
#                            of COMMAND, where that is in a bucket.
#                            Of logs: a local folder, default NAME-logs
#   --create_flags FLAG…     what follows, to --ssh_flags or --, is gcloud's, for
#                            `queued-resources create`: --network=N
#                            --service-account=S --labels=K=V …
#   --ssh_flags FLAG…        the same for its `ssh` and `scp`: --internal-ip
#                            --tunnel-through-iap …
#   --dry_run                prints the commands
#   --help                   prints this
#
# launch/README.md walks through a run.
set -euo pipefail
lib=$(dirname "${BASH_SOURCE[0]}")/lib
# shellcheck source=launch/lib/common.sh
source "$lib/common.sh"
# shellcheck source=launch/lib/tpu_slice.sh
source "$lib/tpu_slice.sh"
# shellcheck source=launch/lib/tpu_hosts.sh
source "$lib/tpu_hosts.sh"
# shellcheck source=launch/lib/tpu_watch.sh
source "$lib/tpu_watch.sh"

help_if_asked "$@"
(($# >= 2)) || usage 'a subcommand and a NAME are needed'
subcommand=$1 name=$2
shift 2
is_name "$name"

# shellcheck disable=SC2034 # read by the files of lib/
{
  project=${TPU_PROJECT-} zone=${TPU_ZONE-} type='' version='' node_count=1
  timeout_minutes=720 tries=20 poll_seconds=${TPU_POLL_SECONDS-30}
  capacity='' log_dir='' command=() create_flags=() ssh_flags=()
}
flags_of=''
while (($#)); do
  case $1 in
    --create_flags | --ssh_flags) flags_of=${1#--} ;;
    --)
      command=("${@:2}")
      break
      ;;
    *)
      if [[ $flags_of == create_flags ]]; then
        create_flags+=("$1")
      elif [[ $flags_of == ssh_flags ]]; then
        ssh_flags+=("$1")
      else
        case $1 in
          --project=* | --zone=* | --type=* | --version=* | --node_count=* | \
            --timeout_minutes=* | --tries=* | --log_dir=*)
            option=${1%%=*}
            printf -v "${option#--}" %s "${1#*=}"
            ;;
          --spot | --reserved)
            [[ ! $capacity || --$capacity == "$1" ]] ||
              usage 'a slice is --spot or --reserved, not both'
            capacity=${1#--}
            ;;
          --dry_run) dry_run=true ;;
          *) usage "there is no option $1; gcloud's own follow --create_flags" ;;
        esac
      fi
      ;;
  esac
  shift
done
[[ $project ]] || die 'say which project: --project=P, or export TPU_PROJECT' 2
[[ $zone ]] || die 'say which zone: --zone=Z, or export TPU_ZONE' 2
for number in "$node_count" "$timeout_minutes" "$tries"; do
  is_number "$number"
done
needs gcloud https://cloud.google.com/sdk/docs/install

case $subcommand in
  create) create || not_created ;;
  install | run | logs | stop | all | watch) "$subcommand" ;;
  wait) wait_for_slice ;;
  tail) follow ;;
  delete) delete || die "$name was NOT deleted, and costs (see above)" ;;
  ssh)
    needs_command
    on_every_host "${command[*]}" 'the command'
    ;;
  *) usage "there is no subcommand $subcommand" ;;
esac
