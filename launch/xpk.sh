#!/usr/bin/env bash
# Takes a run to a GKE cluster with TPUs, through xpk.
#
#   launch/xpk.sh SUBCOMMAND NAME [OPTION…] [-- COMMAND…]
#
#   image     builds the image of this commit and pushes it (NAME: its address)
#   run       starts COMMAND with --multiprocess on all hosts of all slices
#   status    what the cluster says of the workload
#   wait      returns when it has ended
#   logs      the logs of all hosts
#   delete    ends the workload: it saves, and its hosts are free again
#
#   --cluster=C              of GKE, made before: xpk cluster create
#   --project=P --zone=Z     default: $TPU_PROJECT, $TPU_ZONE
#   --type=v5litepod-16      of a slice (run)
#   --num_slices=N           that the run takes together (run)
#   --image=ADDRESS          what `image` has pushed (run)
#   --max_restarts=20        of a run that was preempted or hung (run)
#   --extras=tpu,gcs         of setup.py (image)
#   --xpk_flags FLAG…        what follows, to --, is xpk's: --spot --priority=high
#                            --env=K=V …
#   --dry_run                prints the commands
#   --help                   prints this
#
# A cluster's node pools cost as long as they are there, whether or not anything
# runs; a workload costs nothing of its own.
# xpk: https://github.com/AI-Hypercomputer/xpk
set -euo pipefail
# shellcheck source=launch/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

help_if_asked "$@"
(($# >= 2)) || usage 'a subcommand and a NAME are needed'
subcommand=$1 name=$2
shift 2

project=${TPU_PROJECT-} zone=${TPU_ZONE-} cluster='' type='' num_slices=1
image='' max_restarts=20 extras=tpu,gcs command=() xpk_flags=() of_xpk=''
while (($#)); do
  case $1 in
    --)
      command=("${@:2}")
      break
      ;;
    --xpk_flags) of_xpk=true ;;
    *)
      if [[ $of_xpk ]]; then
        xpk_flags+=("$1")
      else
        case $1 in
          --project=* | --zone=* | --cluster=* | --type=* | --num_slices=* | \
            --image=* | --max_restarts=* | --extras=*)
            option=${1%%=*}
            printf -v "${option#--}" %s "${1#*=}"
            ;;
          --dry_run) dry_run=true ;;
          *) usage "there is no option $1; xpk's own follow --xpk_flags" ;;
        esac
      fi
      ;;
  esac
  shift
done

xpk_workload() { # VERB ARGUMENT…
  execute xpk workload "$@" "--cluster=$cluster" "--project=$project" \
    "--zone=$zone"
}

# The context is the commit, so that nothing else is in the image.
image() {
  needs docker https://docs.docker.com/engine/install/
  warn_of_changes 'in the image'
  local archive=${TMPDIR:-/tmp}/symbol_tuning-image.tar
  execute git -C "$(checkout)" archive --output="$archive" HEAD
  if [[ $dry_run ]]; then
    execute docker build --file=launch/Dockerfile "--build-arg=EXTRAS=$extras" \
      "--tag=$name" - | sed "s|$| <$archive|"
  else
    docker build --file=launch/Dockerfile "--build-arg=EXTRAS=$extras" \
      "--tag=$name" - <"$archive" || die "the image was not built (see above)"
  fi
  execute rm "$archive"
  execute docker push "$name" || die "$name was not pushed (see above)"
}

# xpk restarts what ended with a signal's status, as after a preemption; 75 is
# the status of a run that hung. In xpk's shell, exec has the program itself get
# SIGTERM.
run() {
  [[ $type && $image ]] || usage 'run needs --type and --image'
  ((${#command[@]})) || usage 'run needs a command after --'
  local line
  line="exec $(quoted "${command[@]}" --multiprocess)"
  xpk_workload create "--workload=$name" "--tpu-type=$type" \
    "--num-slices=$num_slices" "--docker-image=$image" \
    "--max-restarts=$max_restarts" --restart-on-exit-codes=75 \
    --termination-grace-period-seconds=120 "--command=$line" \
    ${xpk_flags[@]+"${xpk_flags[@]}"} ||
    die "$name was not started; xpk says why above"
  [[ $dry_run ]] || printf '%s\n' \
    "$name is queued on $cluster; see it with status and logs." \
    "The node pools of $cluster cost until they are deleted:" \
    "  xpk cluster delete --cluster=$cluster --project=$project --zone=$zone"
}

logs() {
  needs kubectl https://kubernetes.io/docs/tasks/tools/
  execute kubectl logs "--selector=xpk.google.com/workload=$name" --prefix \
    --tail=-1 --max-log-requests=1000 --ignore-errors ||
    die "kubectl finds no logs of $name; is its context $cluster?"
}

if [[ $subcommand == image ]]; then
  image
  exit
fi
is_name "$name"
[[ $project ]] || die 'say which project: --project=P, or export TPU_PROJECT' 2
[[ $zone ]] || die 'say which zone: --zone=Z, or export TPU_ZONE' 2
[[ $cluster ]] || die 'say which cluster: --cluster=C' 2
for number in "$num_slices" "$max_restarts"; do
  is_number "$number"
done
needs xpk 'pip install xpk'
case $subcommand in
  run | logs) "$subcommand" ;;
  status) xpk_workload list "--filter-by-job=^$name\$" ;;
  wait) xpk_workload list "--wait-for-job-completion=$name" ;;
  delete)
    xpk_workload delete "--workload=$name" --force ||
      die "$name was NOT deleted, and may still run (see above)"
    ;;
  *) usage "there is no subcommand $subcommand" ;;
esac
